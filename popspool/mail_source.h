#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"

namespace pop {

/// A message of an mbox, a Maildir or a tar from anywhere.
struct SourceMessage {
  std::string separator;                  // From_ line without its line end; empty: there is none
  std::string content;                    // header and body
  std::optional<std::int64_t> delivered;  // seconds since 1970
  bool retrieved = false;
  std::string unique_id;  // that it shall keep; empty: none
  std::string marks{};    // letters of a Maildir's name besides S, ascending
};

/// The From_ line in what stands before a message, without its line end; empty: there is none.
[[nodiscard]] std::string from_line_in(std::string_view separator);

/// Mail to import. With a manifest every octet is checked before it is handed out.
class MailSource {
 public:
  /// `input` is the file, or the directory, and outlives the source. `manifest` is what stands
  /// beside an mbox; that of a Maildir or a tar is found inside. Errc::corrupt: it is no mail, or
  /// not what the manifest says.
  [[nodiscard]] static Result<std::unique_ptr<MailSource>> open(
      Disk& disk, const Fd& input, const std::optional<std::string>& manifest);
  virtual ~MailSource() = default;

  /// Hands out all messages, in the same order each time; an error of `visit` ends it.
  /// Errc::corrupt: one is damaged, missing, or not in the manifest.
  using Visit = std::function<Result<void>(const SourceMessage& message)>;
  [[nodiscard]] virtual Result<void> visit(const Visit& visit) = 0;
  [[nodiscard]] virtual bool has_manifest() const = 0;
};

}  // namespace pop
