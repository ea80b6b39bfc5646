#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/units.h"
#include "mail/bookkeeping.h"
#include "mail/line_blocks.h"

namespace pop {

/// Turns one message as stored, without its separator, into what RETR or TOP sends (RFC 1939
/// section 3 and 7): every line end CRLF, lines that begin with a dot get a second one, fields that
/// hidden_from_client() names are left out, a missing last line end is added. A bare CR stays as it
/// is and NUL passes. The final ".CRLF" is the caller's. Fed in pieces of any size; the output is
/// the same wherever the input is cut. No allocation.
class WireText {
 public:
  /// `top`: header, the empty line and that many body lines; nullopt for all of it.
  explicit WireText(std::optional<LineCount> top = std::nullopt) : top_{top} {}

  /// Room that `out` needs for `in_size` bytes of input, whatever they are.
  [[nodiscard]] static constexpr std::size_t room_for(std::size_t in_size) {
    return 2 * in_size + 64;
  }

  /// Converts all of `stored`; returns the bytes put into `out`, which must hold
  /// room_for(stored.size()).
  [[nodiscard]] std::size_t convert(std::string_view stored, std::span<char> out);
  /// Ends the message; writes at most 64 bytes.
  [[nodiscard]] std::size_t finish(std::span<char> out);

  /// TOP has all its lines: nothing more need be read.
  [[nodiscard]] bool satisfied() const;
  /// Octets put out so far, doubled dots not counted: what LIST must have said.
  [[nodiscard]] WireOctets octets() const { return octets_; }

 private:
  enum class Place : std::uint8_t {
    line_begin,    // of a header line whose first bytes are being held
    visible_line,  // the rest of a header line
    hidden_line,
    body,
    satisfied,
  };
  std::size_t take(std::string_view stored, char*& out);
  std::size_t hold(std::string_view stored, char*& out);
  std::size_t take_body(std::string_view stored, char*& out);
  void on_head(char*& out);
  void on_header_end();
  void put(std::string_view stored, char*& out);

  std::optional<LineCount> top_;
  WireOctets octets_;
  WireContext context_;
  Place place_ = Place::line_begin;
  bool field_hidden_ = false;  // of the field that a continuation line would belong to
  LineCount body_lines_;       // put out so far; counted for TOP only
  std::array<char, longest_bookkeeping_head> held_{};
  std::size_t held_size_ = 0;
};

}  // namespace pop
