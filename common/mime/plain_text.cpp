#include "mime/plain_text.h"

#include <algorithm>

#include "base/text.h"
#include "mime/charset_text.h"
#include "mime/paragraph_writer.h"

namespace pop {
namespace {

constexpr std::size_t deepest_quotation = 20;

struct TextLine {
  std::size_t quotations = 0;
  std::string_view text;  // behind the marks
};

TextLine quoted_line(std::string_view line, TextLines lines) {
  TextLine found{0, line};
  while (found.text.starts_with('>') && found.quotations < deepest_quotation) {
    ++found.quotations;
    found.text.remove_prefix(1);
    if (lines == TextLines::fixed && found.text.starts_with(" >")) found.text.remove_prefix(1);
  }
  // RFC 3676 section 4.4; and what stands between a mark and the words is ours to write.
  if ((lines != TextLines::fixed || found.quotations > 0) && found.text.starts_with(' ')) {
    found.text.remove_prefix(1);
  }
  return found;
}

std::string margin_of(std::size_t quotations) {
  return quotations == 0 ? "" : std::string(quotations, '>') + " ";
}

class Wrapping {
 public:
  Wrapping(TextLines lines, std::size_t columns, std::size_t most)
      : lines_{lines}, columns_{columns}, writer_{columns, most} {}

  std::string wrap(std::string_view text) {
    while (!text.empty() && !writer_.is_full()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      add(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (in_paragraph_) writer_.begin_line();
    return writer_.finish();
  }

 private:
  void add(std::string_view line) {
    if (lines_ == TextLines::fixed && columns_of(line) <= columns_) return add_unchanged(line);
    const TextLine found = quoted_line(line, lines_);
    // RFC 3676 section 4.3: a signature is no part of a paragraph.
    const bool is_signature = found.text == "-- ";
    const bool goes_on = lines_ != TextLines::fixed && !is_signature && found.text.ends_with(' ');
    if (in_paragraph_ && (found.quotations != quotations_ || is_signature)) end_paragraph();
    if (!in_paragraph_) writer_.set_margin(margin_of(found.quotations));
    quotations_ = found.quotations;
    if (in_paragraph_ || goes_on) return add_flowing(found.text, goes_on);
    add_alone(found.text);
  }

  void add_flowing(std::string_view text, bool goes_on) {
    if (goes_on && lines_ == TextLines::flowed_and_joined) text.remove_suffix(1);
    writer_.add_words(text);
    in_paragraph_ = goes_on;
    if (!goes_on) writer_.end_line();
  }

  void end_paragraph() {
    writer_.end_line();
    in_paragraph_ = false;
  }

  void add_unchanged(std::string_view line) {
    writer_.set_margin("");
    writer_.add_lines(line);
    writer_.end_line();
  }

  // A line that fits keeps its blanks.
  void add_alone(std::string_view text) {
    if (columns_ == 0 || columns_of(text) + writer_.margin().size() <= columns_) {
      writer_.add_lines(text);
    } else {
      writer_.add_words(text);
    }
    writer_.end_line();
  }

  TextLines lines_;
  std::size_t columns_;
  ParagraphWriter writer_;
  std::size_t quotations_ = 0;
  bool in_paragraph_ = false;
};

class EnrichedReader {
 public:
  EnrichedReader(std::string_view text, MarkedUp kind) : rest_{text}, kind_{kind} {}

  std::string read() {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find_first_of("<\n"), rest_.size());
      add(rest_.substr(0, end));
      rest_.remove_prefix(end);
      if (rest_.empty()) break;
      if (rest_.front() == '\n') {
        take_line_ends();
      } else {
        take_command();
      }
    }
    out_.resize(out_.find_last_not_of(' ') + 1);
    return std::move(out_);
  }

 private:
  void add(std::string_view text) {
    if (!is_in_parameter_) out_ += text;
  }

  // RFC 1896: one is a blank, of more there is one less to be seen.
  void take_line_ends() {
    const std::size_t count = std::min(rest_.find_first_not_of('\n'), rest_.size());
    rest_.remove_prefix(count);
    if (kind_ == MarkedUp::richtext) return add(" ");
    if (unfilled_ > 0) return add(std::string(count, '\n'));
    add(count == 1 ? " " : std::string(count - 1, '\n'));
  }

  void take_command() {
    if (rest_.starts_with("<<") && kind_ == MarkedUp::enriched) {
      add("<");
      return rest_.remove_prefix(2);
    }
    // RFC 1896 section "Syntax": a command has at most 60 characters.
    constexpr std::size_t longest_command = 64;
    const std::size_t end = rest_.substr(0, longest_command).find('>');
    if (end == std::string_view::npos) {
      add("<");
      return rest_.remove_prefix(1);
    }
    const std::string command = lower(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    on_command(command);
  }

  void on_command(std::string_view command) {
    if (command == "param") is_in_parameter_ = true;
    if (command == "/param") is_in_parameter_ = false;
    if (command == "nofill") ++unfilled_;
    if (command == "/nofill" && unfilled_ > 0) --unfilled_;
    if (kind_ != MarkedUp::richtext) return;
    if (command == "lt") add("<");
    if (command == "nl") add("\n");
    if (command == "paragraph" || command == "/paragraph") add("\n\n");
  }

  std::string_view rest_;
  MarkedUp kind_;
  std::string out_;
  bool is_in_parameter_ = false;
  std::size_t unfilled_ = 0;
};

}  // namespace

std::string wrapped_text(std::string_view text, TextLines lines, std::size_t columns,
                         std::size_t most) {
  return Wrapping{lines, columns, most}.wrap(text);
}

std::string text_of_enriched(std::string_view text, MarkedUp kind) {
  return EnrichedReader{text, kind}.read();
}

}  // namespace pop
