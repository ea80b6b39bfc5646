#include "mime/part_walker.h"

#include <algorithm>
#include <utility>

#include "mail/bookkeeping.h"

namespace pop {
namespace {

constexpr std::size_t longest_header = std::size_t{256} * 1024;
// What a line is longer than this comes in pieces; only the beginning decides what it is, so that
// it does not matter where the message was cut.
constexpr std::size_t longest_kept_line = std::size_t{4} * 1024;
constexpr std::size_t deciding_head = 2048;

std::string_view without_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view without_last_blanks(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

bool begins_with_blank(std::string_view line) {
  return line.starts_with(' ') || line.starts_with('\t');
}

}  // namespace

void PartWalker::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t found = piece.find('\n');
    const bool is_whole = found != std::string_view::npos;
    const std::string_view part = piece.substr(0, is_whole ? found + 1 : piece.size());
    piece.remove_prefix(part.size());
    if (line_.empty() && is_whole) {
      on_line(part, !std::exchange(is_within_line_, false));
      continue;
    }
    line_ += part;
    if (!is_whole && line_.size() < longest_kept_line) continue;
    on_line(line_, !std::exchange(is_within_line_, !is_whole));
    line_.clear();
  }
}

void PartWalker::finish() {
  if (!line_.empty()) on_line(line_, !is_within_line_);
  line_.clear();
  if (place_ == Place::header) end_header();
  if (place_ == Place::content && !line_end_.empty()) visitor_.add_content(line_end_);
  end_levels_beyond(0);
}

void PartWalker::on_line(std::string_view line, bool begins) {
  if (begins && line.starts_with("--") && take_boundary(line)) return;
  if (place_ == Place::header) return take_header_line(line, begins);
  if (place_ != Place::content) return;
  if (!line_end_.empty()) visitor_.add_content(line_end_);
  const std::string_view text = without_end(line);
  line_end_ = line.substr(text.size());
  if (!text.empty()) visitor_.add_content(text);
}

// The innermost multipart that it can belong to.
bool PartWalker::take_boundary(std::string_view line) {
  if (line.size() > deciding_head) return false;
  const std::string_view mark = without_last_blanks(without_end(line)).substr(2);
  for (std::size_t depth = levels_.size(); depth > 0; --depth) {
    const std::string& boundary = levels_[depth - 1].boundary;
    if (boundary.empty() || levels_[depth - 1].is_closed) continue;
    const bool begins_part = mark == boundary;
    const bool ends_parts =
        mark.size() == boundary.size() + 2 && mark.starts_with(boundary) && mark.ends_with("--");
    if (!begins_part && !ends_parts) continue;
    if (place_ == Place::header) end_header();
    end_levels_beyond(depth);
    levels_[depth - 1].is_closed = !begins_part;
    place_ = begins_part ? Place::header : Place::between;
    return true;
  }
  return false;
}

void PartWalker::take_header_line(std::string_view line, bool begins) {
  const std::string_view text = without_end(line);
  if (begins && text.empty()) return end_header();
  const bool belongs = !begins || begins_with_blank(line) ||
                       !field_name(line.substr(0, deciding_head)).empty() ||
                       line.starts_with("From ") || line.starts_with(">From ");
  if (!belongs) {  // the empty line is missing
    end_header();
    return on_line(line, begins);
  }
  header_ += line.substr(0, longest_header - header_.size());
}

void PartWalker::end_header() {
  PartKind kind = visitor_.begin_part(header_);
  header_.clear();
  line_end_.clear();
  switch (kind.body) {
    case PartKind::Body::parts:
      levels_.push_back({std::move(kind.boundary)});
      place_ = Place::between;
      return;
    case PartKind::Body::message:
      levels_.push_back({});
      place_ = Place::header;
      return;
    case PartKind::Body::content:
    case PartKind::Body::ignored:
      break;
  }
  place_ = kind.body == PartKind::Body::content ? Place::content : Place::ignored;
  is_part_open_ = true;
}

void PartWalker::end_levels_beyond(std::size_t depth) {
  end_open_part();
  for (; levels_.size() > depth; levels_.pop_back()) visitor_.end_part();
}

void PartWalker::end_open_part() {
  line_end_.clear();
  if (std::exchange(is_part_open_, false)) visitor_.end_part();
}

}  // namespace pop
