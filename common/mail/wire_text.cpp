#include "mail/wire_text.h"

#include <algorithm>

// Header lines are held back until their first bytes tell whether the client may see them; all
// else runs through the block loop, which knows about line ends and dots only.

namespace pop {
namespace {

/// Up to the first line end, which is included, or to the end.
std::string_view to_line_end(std::string_view text) {
  const std::size_t lf = text.find('\n');
  return lf == std::string_view::npos ? text : text.substr(0, lf + 1);
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

}  // namespace

std::size_t WireText::convert(std::string_view stored, std::span<char> out) {
  char* to = out.data();
  while (!stored.empty() && place_ != Place::satisfied) stored.remove_prefix(take(stored, to));
  return static_cast<std::size_t>(to - out.data());
}

std::size_t WireText::finish(std::span<char> out) {
  // A head of 32 bytes may double in size before the last line end comes.
  std::array<char, room_for(longest_bookkeeping_head)> text;
  char* to = text.data();
  if (held_size_ > 0) on_head(to);
  if (context_.last != '\n' && place_ != Place::satisfied) put("\r\n", to);
  const auto size = static_cast<std::size_t>(to - text.data());
  std::copy_n(text.data(), size, out.data());
  return size;
}

bool WireText::satisfied() const {
  return place_ == Place::satisfied;
}

std::size_t WireText::take(std::string_view stored, char*& out) {
  switch (place_) {
    case Place::line_begin:
      return hold(stored, out);
    case Place::body:
      return take_body(stored, out);
    case Place::visible_line:
    case Place::hidden_line:
    case Place::satisfied:
      break;
  }
  const std::string_view line = to_line_end(stored);
  if (place_ == Place::visible_line) put(line, out);
  if (line.ends_with('\n')) place_ = Place::line_begin;
  return line.size();
}

std::size_t WireText::hold(std::string_view stored, char*& out) {
  for (std::size_t taken = 0; taken < stored.size();) {
    const char c = stored[taken++];
    held_.at(held_size_++) = c;
    const bool continuation = held_size_ == 1 && is_blank(c);
    if (continuation || c == '\n' || c == ':' || held_size_ == held_.size()) {
      on_head(out);
      return taken;
    }
  }
  return stored.size();
}

/// The held bytes tell what the line is.
void WireText::on_head(char*& out) {
  const std::string_view head{held_.data(), held_size_};
  held_size_ = 0;
  if (!is_blank(head.front())) field_hidden_ = hidden_from_client(bookkeeping_name(head));
  place_ = field_hidden_ ? Place::hidden_line : Place::visible_line;
  if (!field_hidden_) put(head, out);
  if (head.ends_with('\n')) place_ = Place::line_begin;
  if (head == "\n" || head == "\r\n") on_header_end();
}

void WireText::on_header_end() {
  place_ = top_ && top_->value == 0 ? Place::satisfied : Place::body;
}

std::size_t WireText::take_body(std::string_view stored, char*& out) {
  if (top_) {
    stored = to_line_end(stored);
    if (stored.ends_with('\n')) ++body_lines_.value;
  }
  put(stored, out);
  if (top_ && body_lines_ == *top_) place_ = Place::satisfied;
  return stored.size();
}

void WireText::put(std::string_view stored, char*& out) {
  const std::uint64_t dots_before = context_.doubled_dots;
  const std::size_t size = best_line_blocks().to_wire(stored.data(), stored.size(), out, context_);
  out += size;
  octets_.count += size - (context_.doubled_dots - dots_before);
}

}  // namespace pop
