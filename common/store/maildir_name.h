#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// A message's file name in `new` or `cur`: BASE or BASE:INFO. The base name is given once by the
/// delivery and stays; programs change what is behind the colon as flags change.
struct MaildirName {
  std::string_view base;
  std::string_view info;                     // behind the colon; empty without one
  std::uint64_t delivered = 0;               // seconds since 1970 that the base name begins with,
                                             // else 0
  std::optional<std::uint64_t> stored_size;  // ",S=": bytes of the file when it was delivered
  std::optional<std::uint64_t> wire_size;    // ",W=": the same with each line end as CRLF
  [[nodiscard]] bool has_flag(char flag) const;
};

/// Views point into `name`, which is any string. The first of several ",S=" or ",W=" counts.
[[nodiscard]] MaildirName parse_maildir_name(std::string_view name);

/// The name with the flag S, "seen", added in its place. nullopt where the info is of another kind
/// than "2,": nobody but who wrote it knows how to change it.
[[nodiscard]] std::optional<std::string> seen_maildir_name(std::string_view name);

}  // namespace pop
