#include "mime/paragraph_writer.h"

#include <algorithm>
#include <utility>

#include "mime/charset_text.h"

namespace pop {
namespace {

constexpr std::string_view between_words = " \t\n\r\f";

}  // namespace

void ParagraphWriter::add_words(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(between_words), text.size());
    word_ += text.substr(0, end);
    if (end == text.size()) return;
    end_word();
    text.remove_prefix(end + 1);
  }
}

void ParagraphWriter::add_lines(std::string_view text) {
  end_word();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    line_ += text.substr(0, end);
    line_columns_ += columns_of(text.substr(0, end));
    if (end == text.size()) return;
    end_line();
    text.remove_prefix(end + 1);
  }
}

void ParagraphWriter::end_word() {
  if (word_.empty()) return;
  const std::size_t columns = columns_of(word_);
  const std::size_t taken = columns_of(margin_) + line_columns_ + 1 + columns;
  if (columns_ != 0 && line_columns_ != 0 && taken > columns_) put_line();
  if (line_columns_ != 0) {
    line_ += ' ';
    ++line_columns_;
  }
  line_ += word_;
  line_columns_ += columns;
  word_.clear();
}

void ParagraphWriter::end_line() {
  end_word();
  put_line();
}

void ParagraphWriter::begin_line() {
  end_word();
  if (!line_.empty()) end_line();
}

void ParagraphWriter::begin_paragraph() {
  begin_line();
  empty_line_due_ = !out_.empty();
}

void ParagraphWriter::put_line() {
  const std::string_view mark =
      std::string_view{margin_}.substr(0, margin_.find_last_not_of(' ') + 1);
  if (!is_full() && std::exchange(empty_line_due_, false) && !out_.ends_with("\n\n")) {
    out_.append(mark).append("\n");
  }
  if (!is_full()) {
    out_.append(line_.empty() ? mark : std::string_view{margin_}).append(line_).append("\n");
  }
  line_.clear();
  line_columns_ = 0;
}

std::string ParagraphWriter::finish() {
  begin_line();
  return std::move(out_);
}

}  // namespace pop
