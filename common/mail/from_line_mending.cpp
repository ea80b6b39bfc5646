#include "mail/from_line_mending.h"

#include <array>
#include <charconv>
#include <chrono>
#include <vector>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mail/from_line.h"

namespace pop {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

constexpr std::string_view keyword = "From ";
/// Longer rubbish in front of a From_ line is the text of a message.
constexpr std::size_t longest_rubbish = 64;
constexpr std::array<std::string_view, 12> months{"jan", "feb", "mar", "apr", "may", "jun",
                                                  "jul", "aug", "sep", "oct", "nov", "dec"};

/// Takes the first line, without its line end, off `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t lf = text.find('\n');
  std::string_view line = text.substr(0, lf);
  text.remove_prefix(lf == text.npos ? text.size() : lf + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_continuation(std::string_view line) {
  return line.starts_with(' ') || line.starts_with('\t');
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (const std::string_view known : names) {
    if (equal_ignoring_case(name, known)) return true;
  }
  return false;
}

/// The first value of a field.
std::string_view value_of(std::string_view header, std::string_view wanted) {
  while (!header.empty()) {
    const std::string_view line = take_line(header);
    if (line.empty()) break;
    if (!equal_ignoring_case(field_name(line), wanted)) continue;
    return trimmed(line.substr(line.find(':') + 1));
  }
  return {};
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view between = " \t,";
  while (words.size() < 8) {
    const std::size_t begin = text.find_first_not_of(between);
    if (begin == text.npos) break;
    text.remove_prefix(begin);
    words.push_back(text.substr(0, text.find_first_of(between)));
    text.remove_prefix(words.back().size());
  }
  return words;
}

std::optional<int> number(std::string_view digits) {
  int value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (digits.empty() || parsed.ec != std::errc{} || parsed.ptr != end || value < 0) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::chrono::seconds> time_of_day(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == text.npos) return std::nullopt;
  const std::size_t second = text.find(':', first + 1);
  const auto hours = number(text.substr(0, first));
  const auto minutes =
      number(text.substr(first + 1, second == text.npos ? second : second - first - 1));
  const auto seconds = second == text.npos ? 0 : number(text.substr(second + 1));
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60) {
    return std::nullopt;
  }
  return std::chrono::hours{*hours} + std::chrono::minutes{*minutes} +
         std::chrono::seconds{*seconds};
}

/// +hhmm or -hhmm; other zones count as UTC.
std::chrono::seconds zone_offset(std::string_view zone) {
  if (zone.size() != 5 || (zone[0] != '+' && zone[0] != '-')) return {};
  const auto hours = number(zone.substr(1, 2)), minutes = number(zone.substr(3));
  if (!hours || !minutes) return {};
  const auto offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return zone[0] == '-' ? -offset : offset;
}

/// RFC 5322 section 3.3: [weekday,] day month year time zone. 1970 for anything else.
TimePoint time_in(std::string_view date) {
  std::vector<std::string_view> words = words_of(date);
  if (!words.empty() && !number(words[0])) words.erase(words.begin());
  if (words.size() < 4) return {};
  const auto day = number(words[0]), year = number(words[2]);
  const auto time = time_of_day(words[3]);
  unsigned month = 0;
  for (unsigned m = 0; m < months.size(); ++m) {
    if (equal_ignoring_case(words[1].substr(0, 3), months.at(m))) month = m + 1;
  }
  if (!day || !year || !time || month == 0 || *year < 1970 || *year > 9999) return {};
  const std::chrono::year_month_day date_of{std::chrono::year{*year}, std::chrono::month{month},
                                            std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date_of.ok()) return {};
  const auto zone = words.size() > 4 ? zone_offset(words[4]) : std::chrono::seconds{0};
  return std::chrono::sys_days{date_of} + *time - zone;
}

/// "<jo@example.org>", "Jo <jo@example.org>" or "jo@example.org (Jo)".
std::string_view address_in(std::string_view value) {
  const std::size_t open = value.rfind('<');
  if (open != value.npos) {
    value.remove_prefix(open + 1);
    return value.substr(0, value.find('>'));
  }
  for (const std::string_view word : words_of(value)) {
    if (word.find('@') != word.npos) return word;
  }
  return {};
}

bool is_quoting(std::string_view rubbish) {
  return rubbish.find_first_not_of("> \t|:") == rubbish.npos;
}

/// Only the keyword is damaged: the line ends in a From_ line's date.
std::optional<FromLineMending> mended_keyword(std::string_view line) {
  for (std::size_t lost = 1; lost < keyword.size(); ++lost) {
    const std::string_view rest = keyword.substr(lost);
    if (line.starts_with(rest)) return FromLineMending{0, std::string{keyword.substr(0, lost)}};
  }
  const std::string_view first = line.substr(0, line.find(' '));
  const std::string_view word = keyword.substr(0, 4);
  const bool names_sender = first.find('@') != first.npos;
  if (names_sender && first.starts_with(word)) return FromLineMending{4, std::string{keyword}};
  if (names_sender || first == "MAILER-DAEMON") return FromLineMending{0, std::string{keyword}};
  const bool near = first.size() <= 8 && !first.starts_with('>') && edit_distance(first, word) <= 2;
  if (near) return FromLineMending{first.size(), std::string{word}};
  return std::nullopt;
}

}  // namespace

std::optional<FromLineMending> mended_from_line(std::string_view line, std::string_view header) {
  if (line.size() > longest_from_line || is_from_line(line)) return std::nullopt;
  if (line.starts_with(keyword)) {
    std::string whole = from_line_for(header);
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() > 1) {
      const std::string_view date = value_of(header, "Date");
      whole = make_from_line(words[1], time_in(date));
    }
    whole.pop_back();  // its LF
    return FromLineMending{line.size(), std::move(whole)};
  }
  const std::size_t at = line.find(keyword);
  if (at <= longest_rubbish && is_from_line(line.substr(at))) {
    if (is_quoting(line.substr(0, at))) return std::nullopt;
    return FromLineMending{at, {}};
  }
  if (!field_name(line).empty()) return std::nullopt;
  if (!is_from_line(std::string{keyword} + std::string{line})) return std::nullopt;
  return mended_keyword(line);
}

HeaderLook look_at_header(std::string_view text) {
  HeaderLook look;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    if (is_continuation(line) && look.fields > 0) continue;
    const std::string_view name = field_name(line);
    if (name.empty()) break;
    ++look.fields;
    look.has_trace =
        look.has_trace || is_one_of(name, {"Received", "Return-Path", "Delivered-To", "Date"});
    look.has_origin = look.has_origin || is_one_of(name, {"From", "To", "Subject", "Message-Id"});
    look.has_stored_id = look.has_stored_id || is_one_of(name, {"X-UIDL", "X-UID"});
  }
  look.begins_with_field = look.fields > 0;
  return look;
}

std::string from_line_for(std::string_view header) {
  std::string_view sender = address_in(value_of(header, "Return-Path"));
  if (sender.empty()) sender = address_in(value_of(header, "From"));
  return make_from_line(sender, time_in(value_of(header, "Date")));
}

}  // namespace pop
