#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// What the name of a bulletin's file says: "23.staff.pophost_down" is bulletin 23, and with
/// group-bulletins for the group staff.
struct BulletinName {
  std::uint64_t number = 0;  // from 1 on
  std::string file;
  std::string group;  // between the first dot and the second, or the end; empty: everybody's

  [[nodiscard]] bool operator==(const BulletinName&) const = default;
};

/// The group that everybody is in.
inline constexpr std::string_view group_of_all = "ALL";

/// Larger numbers would not fit into a database of Qpopper's.
inline constexpr std::uint64_t highest_bulletin_number = 0x7fff'ffff'ffff'ffff;

/// nullopt for what is no bulletin: a name that does not begin with a digit, one whose leading
/// digits are 0 or beyond highest_bulletin_number, and an editor's copy, which ends in '~'.
[[nodiscard]] std::optional<BulletinName> bulletin_name(std::string_view file);

/// The name that a bulletin has once it is retracted, and what it was: "retracted.23.staff.news".
[[nodiscard]] std::string retracted_name(const BulletinName& name);
[[nodiscard]] std::optional<BulletinName> name_before_retraction(std::string_view file);

}  // namespace pop
