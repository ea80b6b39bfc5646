#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/units.h"
#include "mail/mbox_scanner.h"

namespace pop {

/// What the scan listing tells about one message that has a file to itself.
struct MessageFacts {
  WireOctets wire;          // exactly what RETR sends, dots not doubled, a missing last CRLF added
  Fingerprint fingerprint;  // over all of the file; an empty line or missing line end at its end
                            // makes no difference
  std::string stored_id;    // first X-UIDL: with a valid value, else empty
  std::string computed_id;  // by the recipe, also where one is stored
  HeaderKind header;
};

/// Reads one message without a separator line, as a Maildir keeps it, fed in pieces of any size.
/// Counts and computes the same as MboxScanner does for a message of an mbox; nothing inside is a
/// separator. The result is the same wherever the input is cut. Use it again with begin().
class MessageScanner {
 public:
  explicit MessageScanner(UniqueIdRecipe recipe);
  MessageScanner(MessageScanner&&) noexcept;
  MessageScanner& operator=(MessageScanner&&) noexcept;
  ~MessageScanner();

  void begin();
  void feed(std::string_view piece);  // `piece` is not kept
  /// The whole header has been fed.
  [[nodiscard]] bool knows_header() const;
  /// What fields hidden_from_client() names take away from what is stored, line ends as CRLF.
  [[nodiscard]] WireOctets hidden() const;
  /// LFs without a CR before them, so far.
  [[nodiscard]] std::uint64_t bare_line_feeds() const;
  /// Call once, after the last piece.
  [[nodiscard]] MessageFacts finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pop
