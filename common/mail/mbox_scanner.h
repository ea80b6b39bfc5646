#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/units.h"
#include "mail/unique_id.h"

namespace pop {

class ImportedIds;

/// What identifies a message's content: XXH3-128 over its separator line, header without
/// bookkeeping fields, and body. An empty line at the content's end is left out (in mbox it
/// separates it from the next message) and a missing last line end is supplied, so that neither
/// rewriting Status: or X-UIDL: nor a delivery behind it changes the fingerprint.
struct Fingerprint {
  std::uint64_t low = 0, high = 0;
  auto operator<=>(const Fingerprint&) const = default;
};

enum class SpoolFormat : std::uint8_t { empty, mbox, mmdf };

/// What decides whether a header goes to a client as it is stored.
struct HeaderKind {
  bool may_have_utf8 =
      false;                // a line with other characters than ASCII in UTF-8, or too long to say
  bool is_unended = false;  // the message ends before the empty line
  bool operator==(const HeaderKind&) const = default;
};

/// One message as it lies in the spool. Offsets count from the beginning of the file:
/// separator <= header <= body <= content_end <= end. The message proper is [header, content_end);
/// the next one's separator is at `end`. In between stands what belongs to no message (an MMDF
/// closing line). In MMDF a From_ line right behind the opening line is part of the separator, and
/// a message that lacks its opening line has separator == header. The empty line before the next
/// From_ line belongs to the message, as Qpopper had it.
struct ScannedMessage {
  FileBytes separator, header, body, content_end, end;
  WireOctets wire;  // exactly what RETR sends, dots not doubled, a missing last CRLF added
  LineCount body_lines;
  Fingerprint fingerprint;
  std::string stored_id;           // first X-UIDL: with a valid value, else empty
  std::string computed_id;         // by the recipe; empty if stored_id is not
  bool retrieved = false;          // a Status: field contains R
  bool folder_internal = false;    // UW's pseudo message; only the first can be one
  bool has_hidden_fields = false;  // hidden_from_client() fields stand in the header
  bool has_status = false;         // a Status: field stands in the header
  HeaderKind kind;
};

struct ScanOptions {
  UniqueIdRecipe recipe = UniqueIdRecipe::native;
  /// Also take for folder-internal what Qpopper's UW-kluge did (two of three weak signs), not
  /// only the sure form: X-IMAP(base) and the "FOLDER INTERNAL DATA" subject together.
  bool uw_kluge = false;
  /// Not for the scanner: whoever lists messages prefers these ids. Null: there are none.
  std::shared_ptr<const ImportedIds> imported = nullptr;
};

/// Lets the scanner see whether a Content-Length leads to a From_ line. `size` is the whole file's
/// as it was when the scan began; bytes() gives up to `count` bytes at an offset before it, fewer
/// at the end or on a read error, valid until the next call.
class LookAhead {
 public:
  virtual ~LookAhead() = default;
  [[nodiscard]] virtual FileBytes size() const = 0;
  [[nodiscard]] virtual std::string_view bytes(FileBytes offset, std::size_t count) = 0;
};

/// Finds messages in a spool fed in pieces of any size, in one pass. No I/O and no copy of the
/// mail: memory grows with messages not yet taken, never with line length, and the result is the
/// same wherever the input is cut.
///
/// A From_ line counts at offset 0 and after an empty line (LF or CRLF) only, and only with its
/// full shape; anywhere else, the header included, it is text. The empty line that ends a header
/// counts too, so a message without body is followed by the next one's separator at once.
/// Content-Length is believed when it ends exactly at a From_ line (an empty line may stand before
/// it) or at the end of the file; then nothing inside is a separator. It is not believed when two
/// of them differ. A file whose first line is ^A^A^A^A is MMDF: such lines open and close each
/// message, empty lines between a closing and an opening one belong to no message, and other text
/// there is a message that lacks its opening line.
class MboxScanner {
 public:
  /// `look_ahead` may be null (Content-Length is then never believed) and must outlive the
  /// scanner. Feeding starts at `start`, which must be 0 or the separator of a message that an
  /// earlier scan of the same file found, with that scan's format.
  MboxScanner(ScanOptions options, LookAhead* look_ahead, FileBytes start = {0},
              SpoolFormat format = SpoolFormat::empty);
  MboxScanner(MboxScanner&&) noexcept;
  MboxScanner& operator=(MboxScanner&&) noexcept;
  ~MboxScanner();

  void feed(std::string_view piece);                   // `piece` is not kept
  [[nodiscard]] std::optional<ScannedMessage> next();  // nullopt: feed more
  /// Call at end of file; next() then yields the last message. Errc::corrupt if the file holds
  /// bytes but begins with neither a From_ line nor ^A^A^A^A (an empty line is neither); the text
  /// tells the byte offset and shows the line, escaped.
  [[nodiscard]] Result<void> finish();

  [[nodiscard]] SpoolFormat format() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pop
