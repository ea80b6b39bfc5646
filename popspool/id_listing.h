#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pop {

/// One message as a server lists it; a listing is in the server's order.
struct ListedId {
  std::string id;
  std::uint64_t octets = 0;  // as LIST says; 0: not known
  std::string fingerprint;   // the id that the native recipe gives to its header; "": not known
  [[nodiscard]] bool operator==(const ListedId&) const = default;
};
using IdListing = std::vector<ListedId>;

/// For each message of `old` the index in `now` of the one that has the same content; nullopt where
/// there is none, or nothing tells which of several it is. Equal messages are paired in order.
[[nodiscard]] std::vector<std::optional<std::size_t>> paired(std::span<const ListedId> old,
                                                             std::span<const ListedId> now);

// Export files; layout in popper-formats(5).

inline constexpr std::string_view export_first_line = "popper-uidl-export 1\n";
/// The lines of one maildrop.
[[nodiscard]] std::string export_lines(std::string_view maildrop,
                                       std::span<const ListedId> listing);
/// All maildrops of an export file. Errc::corrupt tells the line.
[[nodiscard]] Result<std::map<std::string, IdListing>> parse_export(std::string_view content);

}  // namespace pop
