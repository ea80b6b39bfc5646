#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mail/mbox_scanner.h"

namespace pop {

/// Makes of a message as a transfer agent hands it over what a maildrop stores. Fed in pieces of
/// any size; the result is the same wherever the input is cut.
/// - A From_ line in front is the envelope's and is taken off.
/// - Where the first line ends in CRLF, each CRLF becomes LF; a missing last line end is supplied.
/// - Header fields that mail programs keep for themselves in a spool are left out with their
///   continuation lines, for a sender could forge what they say: Status:, X-Status:, X-UIDL:,
///   X-IMAP:, X-IMAPbase:, X-UID:, X-Keywords: and Content-Length:. Lines: tells nobody anything.
class IncomingText {
 public:
  /// Appends to `out` what is known of the text by now.
  void feed(std::string_view piece, std::string& out);
  /// Call once, after the last piece.
  void finish(std::string& out);

  /// The line in front that began with "From ", without its line end; empty if there was none.
  /// Known when feed() has put anything out.
  [[nodiscard]] const std::string& envelope() const { return envelope_; }

 private:
  enum class Place : std::uint8_t { first_line, header, body };
  enum class Fate : std::uint8_t { open, keep, drop };

  void take(std::string_view bytes, std::string& out);
  void end_line(bool has_cr, std::string& out);
  void decide(bool is_complete, std::string& out);
  void decide_header_line(bool is_complete);

  Place place_ = Place::first_line;
  Fate fate_ = Fate::open;   // of the current line
  Fate field_ = Fate::keep;  // of the field that a continuation line belongs to
  std::string head_;         // of the current line, as long as its fate is open
  std::string envelope_;
  std::optional<bool> has_crlf_;  // each line ends in CRLF
  bool holds_cr_ = false;         // the last byte was a CR, and what it is shows with the next
  bool in_line_ = false;
};

/// Keeps the lines of a message from being taken for separators of the spool it goes into: puts a
/// '>' before each that begins with "From " (MMDF: with ^A^A^A^A), wherever it stands, since not
/// every program looks as closely as MboxScanner. Fed in pieces of any size.
class SeparatorQuoting {
 public:
  explicit SeparatorQuoting(SpoolFormat format);

  void feed(std::string_view piece, std::string& out);
  void finish(std::string& out);

 private:
  std::string_view separator_;
  std::size_t matched_ = 0;  // so many bytes of it begin the current line
  bool at_line_begin_ = true;
};

}  // namespace pop
