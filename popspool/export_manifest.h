#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace pop {

enum class ExportFormat : std::uint8_t { mbox, maildir, tar };

/// Errc::usage: none of these. Nothing given: mbox.
[[nodiscard]] Result<ExportFormat> export_format_of(const std::optional<std::string>& name);

/// What stands beside or in an export, by which an import knows that it is whole and gives each
/// message what it had. Layout in popper-formats(5).
struct ExportManifest {
  struct Message {
    std::string unique_id;
    std::string sha256;                     // of `size` octets, as they stand in the export
    FileBytes size;                         // mbox: with the From_ line
    std::optional<std::int64_t> delivered;  // seconds since 1970
    bool retrieved = false;
    std::string file;  // "cur/NAME" or "new/NAME"; empty in an mbox, where the message follows on
                       // the one before
    [[nodiscard]] bool operator==(const Message&) const = default;
  };
  ExportFormat format = ExportFormat::mbox;
  std::vector<Message> messages;  // in the order of the listing
  std::string sha256;             // of all of them, one behind the other: of the mbox file

  [[nodiscard]] std::string serialised() const;
  /// Errc::corrupt: damaged, or no manifest; the text names the line.
  [[nodiscard]] static Result<ExportManifest> parse(std::string_view content);
};

/// The manifest's name in a Maildir and a tar; behind an mbox's name as ".manifest".
inline constexpr std::string_view manifest_file = "popspool-manifest";

}  // namespace pop
