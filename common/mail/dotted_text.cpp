#include "mail/dotted_text.h"

namespace pop {

std::size_t DottedText::feed(std::string_view piece, std::string& out) {
  std::size_t taken = 0;
  while (taken < piece.size() && !has_ended()) take(piece[taken++], out);
  return taken;
}

void DottedText::take(char octet, std::string& out) {
  using enum Place;
  const Place before = place_;
  if (octet == '\n') {
    const bool is_end = before == after_dot || before == after_dot_cr;
    place_ = is_end ? behind : line_begin;
    if (!is_end) out += octet;
    return;
  }
  if (before == after_cr || before == after_dot_cr) out += '\r';  // it ended no line
  if (octet == '\r') {
    place_ = before == after_dot ? after_dot_cr : after_cr;
    return;
  }
  if (octet == '.' && before == line_begin) {
    place_ = after_dot;
    return;
  }
  place_ = in_line;
  out += octet;
}

}  // namespace pop
