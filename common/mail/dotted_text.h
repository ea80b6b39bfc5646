#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pop {

/// A text that a client sends to us as RFC 1939 section 3 has multi-line replies: ended by a line
/// with a dot alone, other lines with a dot in front having one more. Lines may end in CRLF or LF
/// and be of any length; any octet may be in them. Fed in pieces of any size.
class DottedText {
 public:
  /// Appends to `out` what is known of the text, with LF for each line end and without the dots.
  /// Returns how many octets of the piece belong to the text and its end; what follows does not.
  [[nodiscard]] std::size_t feed(std::string_view piece, std::string& out);
  /// The dot has come.
  [[nodiscard]] bool has_ended() const { return place_ == Place::behind; }

 private:
  enum class Place : std::uint8_t {
    line_begin,
    in_line,
    after_cr,
    after_dot,
    after_dot_cr,
    behind
  };
  void take(char octet, std::string& out);

  Place place_ = Place::line_begin;
};

}  // namespace pop
