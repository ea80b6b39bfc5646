#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// Which bulletins a user has had, or is not to have.
struct SeenRecord {
  std::uint64_t highest = 0;          // all up to this one...
  std::vector<std::uint64_t> owed{};  // ...but these, ascending: they were broken, or not due yet,
                                      // when a later one was delivered. At most most_owed

  [[nodiscard]] bool has(std::uint64_t number) const;
  [[nodiscard]] bool operator==(const SeenRecord&) const = default;
};

/// Of more, the lowest are forgotten.
inline constexpr std::size_t most_owed = 64;

/// What a user's .popbull says.
struct SeenFile {
  enum class Kind : std::uint8_t {
    none,      // there is no file, or no number in it: a new user
    all_seen,  // an empty file, as a full disk left it to Qpopper: nothing older is to come
    number,
  };
  Kind kind = Kind::none;
  SeenRecord record{};

  [[nodiscard]] bool operator==(const SeenFile&) const = default;
};

/// "23\n", and "owed 20 21\n" behind it if some are.
[[nodiscard]] std::string to_popbull(const SeenRecord& record);
/// Blanks in front and what follows the digits do not matter, as ever.
[[nodiscard]] SeenFile from_popbull(std::string_view text);

/// The value in a database: the number as a `long` of this machine, as Qpopper wrote it, and behind
/// it those that are owed, in the same form.
[[nodiscard]] std::string to_database_value(const SeenRecord& record);
/// nullopt for what is none. A 32-bit `long` is read, too.
[[nodiscard]] std::optional<SeenRecord> from_database_value(std::string_view octets);

}  // namespace pop
