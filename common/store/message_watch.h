#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mail/content_digest.h"

namespace pop {

/// Splits a message into its header, with the empty line behind it, and its body; tells its
/// content, bookkeeping aside; and looks for lines of the body that MboxScanner would take for
/// separators.
class MessageWatch {
 public:
  void feed(std::string_view piece);
  /// The end of the text ends its last line. What identifies the content comes out: the same from a
  /// spool, a Maildir, and with an empty line more at the end.
  Fingerprint finish();

  [[nodiscard]] bool in_body() const { return in_body_; }
  [[nodiscard]] bool has_separator() const { return has_separator_; }
  std::string header;
  std::uint64_t body = 0;  // octets
  std::string last;        // up to four octets

 private:
  void take(std::string_view part, bool ends);
  void end_line();
  void digest_header();

  ContentDigest digest_;
  std::string line_;
  bool in_body_ = false, after_empty_ = false, has_separator_ = false, in_digest_ = false;
};

}  // namespace pop
