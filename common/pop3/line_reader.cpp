#include "pop3/line_reader.h"

#include <algorithm>
#include <utility>

#include "base/secret.h"

namespace pop {

namespace {

void overwrite(std::string& text) {
  text.resize(text.capacity());
  pop::wipe(text);
  text.clear();
}

}  // namespace

LineReader::Line::~Line() {
  overwrite(text);
}

LineReader::~LineReader() {
  overwrite(pending_);
}

void LineReader::feed(std::string_view bytes) {
  make_room(bytes.size());
  pending_ += bytes;
}

std::optional<LineReader::Line> LineReader::next(std::size_t longest) {
  if (skipping_) skip_to_line_end();
  if (skipping_) return std::nullopt;
  const std::size_t line_end = pending_.find('\n', searched_);
  const std::size_t length = std::min(line_end, pending_.size()) - taken_;
  if (length >= longest) {
    skipping_ = true;
    Line report;
    report.too_long = true;
    return report;
  }
  if (line_end == std::string::npos) {
    searched_ = pending_.size();
    return std::nullopt;
  }
  return take_line(line_end);
}

std::string LineReader::take_rest() {
  std::string rest{untaken()};
  clear();
  return rest;
}

void LineReader::clear() {
  overwrite(pending_);
  taken_ = searched_ = 0;
  skipping_ = false;
}

void LineReader::wipe() {
  const std::size_t used = pending_.size();
  pending_.erase(0, taken_);
  const std::size_t kept = pending_.size();
  pending_.resize(used);
  pop::wipe({pending_.data() + kept, used - kept});
  pending_.resize(kept);
  searched_ -= taken_;
  taken_ = 0;
}

std::string_view LineReader::untaken() const {
  return std::string_view{pending_}.substr(taken_);
}

// Growing by hand, since std::string would free its old memory as it is.
void LineReader::make_room(std::size_t more) {
  if (taken_ == pending_.size()) wipe();
  if (pending_.size() + more <= pending_.capacity()) return;
  std::string bigger;
  bigger.reserve(2 * (pending_.size() - taken_ + more));
  bigger = untaken();
  searched_ -= taken_;
  taken_ = 0;
  std::swap(pending_, bigger);
  overwrite(bigger);
}

void LineReader::skip_to_line_end() {
  const std::size_t line_end = pending_.find('\n', taken_);
  skipping_ = line_end == std::string::npos;
  taken_ = searched_ = skipping_ ? pending_.size() : line_end + 1;
}

LineReader::Line LineReader::take_line(std::size_t line_end) {
  std::string_view text = std::string_view{pending_}.substr(taken_, line_end - taken_);
  if (text.ends_with('\r')) text.remove_suffix(1);
  Line line;
  line.text = text;
  taken_ = searched_ = line_end + 1;
  return line;
}

}  // namespace pop
