#include "mail/from_line.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "base/text.h"

// A From_ line is read from its end: the envelope sender may hold anything, blanks and words
// that look like dates included, but the date's words are the line's last ones.

namespace pop {
namespace {

constexpr std::string_view prefix = "From ";
constexpr std::string_view relay = " remote from ";
constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}

/// Takes words off the end of a line.
class Words {
 public:
  explicit Words(std::string_view line) : rest_{line} { skip_blanks(); }

  /// Empty when there are no more.
  [[nodiscard]] std::string_view last() const {
    std::size_t begin = rest_.size();
    while (begin > 0 && !is_blank(rest_[begin - 1])) --begin;
    return rest_.substr(begin);
  }
  void drop() {
    rest_.remove_suffix(last().size());
    skip_blanks();
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && is_blank(rest_.back())) rest_.remove_suffix(1);
  }
  std::string_view rest_;
};

template <std::size_t size>
bool is_one_of(std::string_view word, const std::array<std::string_view, size>& names) {
  for (const std::string_view name : names) {
    if (equal_ignoring_case(word, name)) return true;
  }
  return false;
}

/// One or two digits up to `highest`.
bool is_number(std::string_view word, unsigned highest) {
  if (word.empty() || word.size() > 2) return false;
  unsigned value = 0;
  for (const char c : word) {
    if (!is_digit(c)) return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= highest;
}

bool is_year(std::string_view word) {
  if (word.size() != 4) return false;
  for (const char c : word) {
    if (!is_digit(c)) return false;
  }
  return true;
}

/// hh:mm or hh:mm:ss; a leap second passes.
bool is_time(std::string_view word) {
  const std::size_t first = word.find(':');
  if (first == std::string_view::npos || !is_number(word.substr(0, first), 23)) return false;
  word.remove_prefix(first + 1);
  const std::size_t second = word.find(':');
  const std::string_view minutes = word.substr(0, second);
  if (minutes.size() != 2 || !is_number(minutes, 59)) return false;
  if (second == std::string_view::npos) return true;
  word.remove_prefix(second + 1);
  return word.size() == 2 && is_number(word, 60);
}

/// +hhmm, -hhmm or up to five letters.
bool is_zone(std::string_view word) {
  if (word.empty() || word.size() > 5) return false;
  const bool numeric = word.front() == '+' || word.front() == '-';
  if (numeric && word.size() != 5) return false;
  for (const char c : word.substr(numeric ? 1 : 0)) {
    if (numeric ? !is_digit(c) : !is_letter(c)) return false;
  }
  return true;
}

/// The line without " remote from X" at its end, X being one word.
std::string_view without_relay(std::string_view line) {
  const std::size_t at = line.rfind(relay);
  if (at == std::string_view::npos) return line;
  const std::string_view host = line.substr(at + relay.size());
  const bool one_word = !host.empty() && host.find_first_of(" \t") == std::string_view::npos;
  return one_word ? line.substr(0, at) : line;
}

bool ends_in_date(std::string_view text) {
  Words words{text};
  if (!is_year(words.last())) {
    if (!is_zone(words.last())) return false;
    words.drop();
    if (!is_year(words.last())) return false;
  }
  words.drop();
  if (!is_time(words.last())) {
    if (!is_zone(words.last())) return false;
    words.drop();
    if (!is_time(words.last())) return false;
  }
  words.drop();
  if (!is_number(words.last(), 31)) return false;
  words.drop();
  if (!is_one_of(words.last(), months)) return false;
  words.drop();
  return is_one_of(words.last(), weekdays);
}

int value_of(std::string_view digits) {
  int value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

/// Of "+hhmm"; 0 for letters.
std::chrono::minutes offset_of(std::string_view zone) {
  if (zone.front() != '+' && zone.front() != '-') return {};
  const std::chrono::minutes offset{value_of(zone.substr(1, 2)) * 60 + value_of(zone.substr(3, 2))};
  return zone.front() == '-' ? -offset : offset;
}

/// hh:mm[:ss] that is_time() has let pass.
std::chrono::seconds seconds_of(std::string_view time) {
  const std::size_t first = time.find(':');
  const std::chrono::minutes minutes{value_of(time.substr(0, first)) * 60 +
                                     value_of(time.substr(first + 1, 2))};
  const std::size_t second = time.find(':', first + 1);
  if (second == std::string_view::npos) return minutes;
  return minutes + std::chrono::seconds{value_of(time.substr(second + 1))};
}

unsigned month_of(std::string_view word) {
  const auto* const at = std::ranges::find_if(
      months, [word](std::string_view name) { return equal_ignoring_case(word, name); });
  return static_cast<unsigned>(at - months.begin()) + 1;
}

/// So that the whole line stays far below longest_from_line.
constexpr std::size_t longest_sender = 512;

std::string clean_sender(std::string_view sender) {
  if (sender.empty()) return "MAILER-DAEMON";
  std::string clean{sender.substr(0, longest_sender)};
  for (char& c : clean) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet <= 0x20 || octet == 0x7F) c = '-';
  }
  return clean;
}

}  // namespace

bool is_from_line(std::string_view line) {
  if (line.size() > longest_from_line || !line.starts_with(prefix)) return false;
  return ends_in_date(without_relay(line).substr(prefix.size()));
}

std::optional<std::int64_t> from_line_time(std::string_view line) {
  if (!is_from_line(line)) return std::nullopt;
  Words words{without_relay(line).substr(prefix.size())};
  std::chrono::minutes offset{};
  const auto take_zone = [&] {
    offset += offset_of(words.last());
    words.drop();
  };
  if (!is_year(words.last())) take_zone();
  const std::chrono::year year{value_of(words.last())};
  words.drop();
  if (!is_time(words.last())) take_zone();
  const std::chrono::seconds time = seconds_of(words.last());
  words.drop();
  const std::chrono::day day{static_cast<unsigned>(value_of(words.last()))};
  words.drop();
  const std::chrono::year_month_day date{year, std::chrono::month{month_of(words.last())}, day};
  if (!date.ok()) return std::nullopt;
  return (std::chrono::sys_days{date} + time - offset).time_since_epoch().count();
}

std::string make_from_line(std::string_view sender, std::chrono::system_clock::time_point when) {
  using std::chrono::days, std::chrono::floor, std::chrono::seconds;
  const auto day = floor<days>(when);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{floor<seconds>(when - day)};
  std::array<char, 40> text{};
  const int length = std::snprintf(
      text.data(), text.size(), " %s %s %2u %02d:%02d:%02d %04d\n",
      weekdays.at(std::chrono::weekday{day}.c_encoding()).data(),
      months.at(static_cast<unsigned>(date.month()) - 1).data(), static_cast<unsigned>(date.day()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()), static_cast<int>(date.year()));
  std::string line{prefix};
  line += clean_sender(sender);
  line.append(text.data(), static_cast<std::size_t>(length));
  return line;
}

}  // namespace pop
