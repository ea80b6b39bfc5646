#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pop {

/// Sets words into lines of at most `columns` characters, where a longer word has a line of its
/// own. All text is UTF-8. What comes once it is full is dropped.
class ParagraphWriter {
 public:
  /// 0 columns: a line ends where it is told to. Full as soon as more than `most` octets are
  /// written.
  ParagraphWriter(std::size_t columns, std::size_t most) : columns_{columns}, most_{most} {}
  [[nodiscard]] bool is_full() const { return out_.size() > most_; }

  /// What stands in front of each line that begins from now on.
  void set_margin(std::string margin) { margin_ = std::move(margin); }
  [[nodiscard]] const std::string& margin() const { return margin_; }

  /// Blanks and line ends part words and are not kept.
  void add_words(std::string_view text);
  /// As it is, with its line ends and blanks; nothing is wrapped.
  void add_lines(std::string_view text);
  /// Part of the present word, or the beginning of one.
  void add_to_word(std::string_view text) { word_ += text; }
  void end_word();

  void end_line();
  /// Ends the line if anything is on it.
  void begin_line();
  /// The same, with an empty line after what came before.
  void begin_paragraph();

  /// What was written. Ends with a line end unless nothing was.
  [[nodiscard]] std::string finish();

 private:
  void put_line();

  std::size_t columns_, most_;
  std::string margin_;
  std::string out_, line_, word_;
  std::size_t line_columns_ = 0;
  bool empty_line_due_ = false;
};

}  // namespace pop
