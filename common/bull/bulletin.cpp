#include "bull/bulletin.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mail/from_line.h"
#include "mail/header_scanner.h"
#include "mail/sha256.h"

namespace pop {
namespace {

using Weight = BulletinDefect::Weight;

constexpr std::string_view from_ = "From ";
constexpr std::string_view mmdf_line = "\1\1\1\1";

std::string with_line_feeds(std::string_view octets) {
  const std::size_t end = octets.find('\n');
  const bool has_crlf = end != octets.npos && end > 0 && octets[end - 1] == '\r';
  std::string text;
  text.reserve(octets.size() + 1);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (has_crlf && octets[i] == '\r' && i + 1 < octets.size() && octets[i + 1] == '\n') continue;
    text += octets[i];
  }
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

// As a spool's readers see a line that a mail program has left a CR at.
std::string_view without_cr(std::string_view line) {
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

// All that a field says, in one line.
std::string unfolded(std::string_view field) {
  std::string value;
  field.remove_prefix(std::min(field.find(':') + 1, field.size()));
  while (!field.empty()) {
    const std::size_t end = std::min(field.find('\n'), field.size());
    if (!value.empty()) value += ' ';
    value += trimmed(field.substr(0, end));
    field.remove_prefix(std::min(end + 1, field.size()));
  }
  return value;
}

// Names of virtual users may have their domain already.
std::string address_of(std::string_view user, std::string_view host) {
  const std::string name{user};
  return name.contains('@') ? name : name + "@" + std::string{host};
}

bool is_term(std::string_view name) {
  return starts_with_ignoring_case(name, bulletin_field_prefix);
}

// One look at a file, from its first line to its last.
class Reader {
 public:
  explicit Reader(std::string_view octets) : text_{with_line_feeds(octets)}, rest_{text_} {}

  BulletinReading read() {
    if (octets_fit() && take_from_line() && take_header()) {
      take_body();
      look_at_fields();
    }
    std::ranges::stable_sort(defects_, {}, &BulletinDefect::line);
    BulletinReading reading{std::nullopt, std::move(defects_)};
    if (reading.what_breaks().empty()) reading.bulletin = std::move(bulletin_);
    return reading;
  }

 private:
  struct Line {
    std::string_view text;  // without its line end
    std::uint64_t number;
  };

  std::optional<Line> next_line() {
    if (rest_.empty()) return std::nullopt;
    const std::size_t end = rest_.find('\n');  // there is one at the end of all
    const Line line{rest_.substr(0, end), ++line_};
    rest_.remove_prefix(end + 1);
    return line;
  }
  void breaks(std::uint64_t line, std::string text) {
    defects_.push_back({line, std::move(text), Weight::breaks});
  }
  void warns(std::uint64_t line, std::string text) {
    defects_.push_back({line, std::move(text), Weight::warns});
  }

  bool octets_fit() {
    if (text_.empty()) breaks(0, "it is empty");
    const std::size_t nul = text_.find('\0');
    if (nul != text_.npos) {
      breaks(1 + static_cast<std::uint64_t>(std::count(
                     text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(nul), '\n')),
             "it holds a NUL octet");
    }
    return defects_.empty();
  }

  bool take_from_line() {
    const std::optional<Line> line = next_line();
    if (line && is_from_line(line->text)) {
      bulletin_.from_line = line->text;
      return true;
    }
    breaks(1, "it does not start with a valid \"From \" separator, such as: " +
                  trimmed_line(make_from_line("postmaster", {})));
    return false;
  }
  static std::string trimmed_line(std::string line) {
    line.pop_back();
    return line;
  }

  bool take_header() {
    bool is_first = true;
    while (const std::optional<Line> line = next_line()) {
      if (line->text.empty()) break;
      const bool continues = line->text.starts_with(' ') || line->text.starts_with('\t');
      if (continues ? is_first : field_name(line->text).empty()) {
        breaks(line->number, "\"" + escaped(line->text, 40) +
                                 "\" is no header field; an empty line must end the header");
        return false;
      }
      if (!continues) field_lines_.push_back(line->number);
      is_first = false;
      bulletin_.header += line->text;
      bulletin_.header += '\n';
    }
    if (is_first) breaks(2, "it has no header");
    return !is_first;
  }

  void take_body() {
    bulletin_.body = rest_;
    if (rest_.empty()) warns(line_, "it has no body");
    bool after_empty = true;  // the one that ended the header
    while (const std::optional<Line> line = next_line()) {
      if (line->text.starts_with(mmdf_line)) {
        breaks(line->number, "four ^A would end the message in an MMDF spool");
      }
      if (line->text.starts_with(from_)) {
        const bool separates = after_empty && is_from_line(without_cr(line->text));
        const std::string text =
            separates ? "it would begin another message: write \">From\""
                      : "some mail programs take it for the beginning of another message: write "
                        "\">From\"";
        separates ? breaks(line->number, text) : warns(line->number, text);
      }
      after_empty = without_cr(line->text).empty();
    }
  }

  void look_at_fields() {
    const std::vector<HeaderField> fields = header_fields(bulletin_.header);
    for (std::size_t i = 0; i < fields.size() && i < field_lines_.size(); ++i) {
      if (is_term(fields[i].name)) take_term(fields[i], field_lines_[i]);
    }
    for (const std::string_view name : {"From", "Date", "Subject"}) {
      const auto is_it = [&](const HeaderField& f) { return equal_ignoring_case(f.name, name); };
      const auto count = std::ranges::count_if(fields, is_it);
      if (count == 0) warns(0, "it has no " + std::string{name} + ": field");
      if (count > 1) warns(0, "it has more than one " + std::string{name} + ": field");
    }
  }

  void take_term(const HeaderField& field, std::uint64_t line) {
    const std::string_view whole =
        std::string_view{bulletin_.header}.substr(field.begin, field.end - field.begin);
    const Judged<void> added = add_term(bulletin_.terms, field.name, unfolded(whole));
    if (!added) breaks(line, escaped(field.name, 60) + ": " + added.error());
  }

  std::string text_;
  std::string_view rest_;
  std::uint64_t line_ = 0;
  std::vector<std::uint64_t> field_lines_;
  Bulletin bulletin_;
  std::vector<BulletinDefect> defects_;
};

}  // namespace

std::string BulletinReading::what_breaks() const {
  const auto found = std::ranges::find(defects, Weight::breaks, &BulletinDefect::weight);
  if (found == defects.end()) return {};
  if (found->line == 0) return found->text;
  return "line " + std::to_string(found->line) + ": " + found->text;
}

BulletinReading read_bulletin(std::string_view octets) {
  return Reader{octets}.read();
}

std::string message_for(const Bulletin& bulletin, const BulletinName& name, std::string_view user,
                        std::string_view host) {
  const std::string_view header = bulletin.header;
  std::string message;
  message.reserve(header.size() + bulletin.body.size() + 256);
  bool has_to = false;
  for (const HeaderField& field : header_fields(header)) {
    if (field.bookkeeping != Bookkeeping::none || is_term(field.name)) continue;
    if (!equal_ignoring_case(field.name, "To")) {
      message += header.substr(field.begin, field.end - field.begin);
    } else if (!std::exchange(has_to, true)) {
      message += "To: " + address_of(user, host) + "\n";
    }
  }
  message += "X-UIDL: " + bulletin_id(bulletin, name) + "\n\n";
  message += bulletin.body;
  return message;
}

std::string bulletin_id(const Bulletin& bulletin, const BulletinName& name) {
  constexpr std::size_t enough = 24;
  return "bulletin-" + std::to_string(name.number) + "-" +
         sha256_of(bulletin.from_line + "\n" + bulletin.header).substr(0, enough);
}

}  // namespace pop
