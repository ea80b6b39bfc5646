#include "popcheck/log_head.h"

#include <time.h>

#include <array>
#include <chrono>

#include "popcheck/flat_json.h"

namespace pop {
namespace {

constexpr std::int64_t day_seconds = 86400;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Of exactly so many digits; -1 for anything else.
int digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  return text.empty() ? -1 : value;
}

/// 1 to 12 of "Jan" to "Dec", 0 for anything else.
int month_of(std::string_view name) {
  constexpr std::string_view names = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::size_t at = names.find(name);
  return name.size() == 3 && at != std::string_view::npos && at % 3 == 0
             ? static_cast<int>(at / 3) + 1
             : 0;
}

std::int64_t utc_day(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  return std::chrono::sys_days{date}.time_since_epoch().count();
}

bool is_date(int year, int month, int day) {
  return std::chrono::year_month_day{std::chrono::year{year},
                                     std::chrono::month{static_cast<unsigned>(month)},
                                     std::chrono::day{static_cast<unsigned>(day)}}
      .ok();
}

/// "hh:mm:ss" at the beginning.
bool take_clock(std::string_view& line, int& hour, int& minute, int& second) {
  if (line.size() < 8 || line[2] != ':' || line[5] != ':') return false;
  hour = digits(line.substr(0, 2));
  minute = digits(line.substr(3, 2));
  second = digits(line.substr(6, 2));
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
  line.remove_prefix(8);
  return true;
}

void skip_fraction(std::string_view& line) {
  if (line.empty() || (line[0] != '.' && line[0] != ',')) return;
  line.remove_prefix(1);
  while (!line.empty() && is_digit(line[0])) line.remove_prefix(1);
}

bool take(std::string_view& line, char c) {
  if (line.empty() || line[0] != c) return false;
  line.remove_prefix(1);
  return true;
}

/// Up to the next blank, which goes, too.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

/// "<134>", if it is there.
void skip_priority(std::string_view& line) {
  if (line.size() < 3 || line[0] != '<') return;
  const std::size_t end = line.substr(0, 5).find('>');
  if (end != std::string_view::npos && digits(line.substr(1, end - 1)) >= 0) {
    line.remove_prefix(end + 1);
  }
}

/// What Dovecot's processes call themselves in a file of its own.
bool is_dovecot_process(std::string_view line) {
  return line.starts_with("pop3") || line.starts_with("POP3(");
}

/// "[123] " in front of a line of popper's own files, and "info: " after it.
bool take_own_head(std::string_view& line) {
  if (!line.starts_with('[')) return false;
  const std::size_t end = line.substr(0, 16).find("] ");
  if (end == std::string_view::npos || digits(line.substr(1, end - 1)) < 0) return false;
  line.remove_prefix(end + 2);
  for (const std::string_view severity :
       {"info: ", "notice: ", "debug: ", "warning: ", "error: ", "critical: "}) {
    if (line.starts_with(severity)) {
      line.remove_prefix(severity.size());
      break;
    }
  }
  return true;
}

/// "HOST TAG[123]: MESSAGE", or without a process id.
std::optional<LogLine> after_host(std::int64_t time, std::string_view line) {
  (void)take_word(line);
  const std::size_t end = line.find_first_of("[: ");
  if (end == std::string_view::npos || line[end] == ' ') return std::nullopt;
  LogLine result{.time = time, .program = line.substr(0, end), .message = {}};
  const std::size_t colon = line.find(": ", end);
  if (colon == std::string_view::npos) return std::nullopt;
  result.message = line.substr(colon + 2);
  return result;
}

/// What stands behind the stamp of a line.
std::optional<LogLine> after_stamp(std::int64_t time, std::string_view line) {
  if (is_dovecot_process(line)) return LogLine{time, "dovecot", line};
  if (take_own_head(line)) return LogLine{time, "popper", line};
  return after_host(time, line);
}

/// "-", or "[id name=\"value\"][...]": with the blank behind it.
bool skip_structured_data(std::string_view& line) {
  if (take(line, '-')) return take(line, ' ') || line.empty();
  while (!line.empty() && line[0] == '[') {
    bool quoted = false;
    std::size_t at = 1;
    for (; at < line.size() && (quoted || line[at] != ']'); ++at) {
      if (line[at] == '\\' && quoted) {
        ++at;
      } else if (line[at] == '"') {
        quoted = !quoted;
      }
    }
    if (at >= line.size()) return false;
    line.remove_prefix(at + 1);
  }
  return take(line, ' ') || line.empty();
}

/// A zone behind a time: "Z", "+01:00", "-0530". nullopt where there is none.
std::optional<std::int64_t> take_zone(std::string_view& line) {
  if (take(line, 'Z')) return 0;
  if (line.size() < 5 || (line[0] != '+' && line[0] != '-')) return std::nullopt;
  const bool has_colon = line[3] == ':';
  if (has_colon && line.size() < 6) return std::nullopt;
  const int hours = digits(line.substr(1, 2)), minutes = digits(line.substr(has_colon ? 4 : 3, 2));
  if (hours < 0 || minutes < 0) return std::nullopt;
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  const std::int64_t offset = line[0] == '-' ? -seconds : seconds;
  line.remove_prefix(has_colon ? 6 : 5);
  return offset;
}

}  // namespace

std::optional<LogLine> LogHeads::read(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() < 16) return std::nullopt;
  if (line[0] == '{') return read_json(line);
  if (line[0] == '<') {
    skip_priority(line);
    if (line.starts_with("1 ")) return read_structured(line.substr(2));
  }
  if (line.starts_with("dovecot: ")) line.remove_prefix(9);
  if (line.size() < 16) return std::nullopt;
  return is_digit(line[0]) ? read_iso(line) : read_classic(line);
}

std::optional<LogLine> LogHeads::read_classic(std::string_view line) {
  Civil civil;
  civil.month = month_of(line.substr(0, 3));
  if (civil.month == 0 || line[3] != ' ' || line[6] != ' ') return std::nullopt;
  civil.day = line[4] == ' ' ? digits(line.substr(5, 1)) : digits(line.substr(4, 2));
  line.remove_prefix(7);
  if (!take_clock(line, civil.hour, civil.minute, civil.second)) return std::nullopt;
  if (!is_date(2000, civil.month, civil.day)) return std::nullopt;
  skip_fraction(line);
  if (!take(line, ' ')) return std::nullopt;
  // A tracefile tells the year, behind the time.
  const bool has_year = line.size() > 5 && line[4] == ' ' && digits(line.substr(0, 4)) > 0;
  civil.year = has_year ? digits(line.substr(0, 4)) : year_of(civil.month, civil.day);
  if (has_year) line.remove_prefix(5);
  if (!is_date(civil.year, civil.month, civil.day)) return std::nullopt;
  return after_stamp(local_seconds(civil), line);
}

std::optional<std::int64_t> LogHeads::take_iso_stamp(std::string_view& line) {
  if (line.size() < 19 || line[4] != '-' || line[7] != '-' ||
      (line[10] != 'T' && line[10] != ' ')) {
    return std::nullopt;
  }
  Civil civil;
  civil.year = digits(line.substr(0, 4));
  civil.month = digits(line.substr(5, 2));
  civil.day = digits(line.substr(8, 2));
  line.remove_prefix(11);
  if (civil.year < 0 || civil.month < 0 || civil.day < 0) return std::nullopt;
  if (!is_date(civil.year, civil.month, civil.day)) return std::nullopt;
  if (!take_clock(line, civil.hour, civil.minute, civil.second)) return std::nullopt;
  skip_fraction(line);
  const std::optional<std::int64_t> offset = take_zone(line);
  if (!offset) return local_seconds(civil);
  return utc_day(civil.year, civil.month, civil.day) * day_seconds + civil.hour * 3600 +
         civil.minute * 60 + civil.second - *offset;
}

std::optional<LogLine> LogHeads::read_iso(std::string_view line) {
  const std::optional<std::int64_t> time = take_iso_stamp(line);
  if (!time || !take(line, ' ')) return std::nullopt;
  return after_stamp(*time, line);
}

/// RFC 5424, behind "<PRI>1 ": stamp, host, program, process id, message id, structured data.
std::optional<LogLine> LogHeads::read_structured(std::string_view line) {
  const std::optional<std::int64_t> time = take_iso_stamp(line);
  if (!time || !take(line, ' ')) return std::nullopt;
  LogLine result{.time = *time, .program = {}, .message = {}};
  (void)take_word(line);
  result.program = take_word(line);
  (void)take_word(line);
  (void)take_word(line);
  if (!skip_structured_data(line)) return std::nullopt;
  if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  result.message = line;
  return result;
}

/// An entry of journalctl, or a line that popper wrote to standard error.
std::optional<LogLine> LogHeads::read_json(std::string_view line) {
  std::optional<std::int64_t> time;
  bool is_popper = false, is_journal = false;
  FlatJson object{line};
  while (const std::optional<FlatJson::Member> member = object.next()) {
    if (member->key == "time") {
      std::string_view stamp = member->raw;
      time = take_iso_stamp(stamp);
    } else if (member->key == "event") {
      is_popper = true;
    } else if (member->key == "__REALTIME_TIMESTAMP") {
      std::int64_t microseconds = 0;
      for (const char c : member->raw.substr(0, 18)) {
        if (!is_digit(c)) return std::nullopt;
        microseconds = microseconds * 10 + (c - '0');
      }
      time = microseconds / 1000000;
    } else if (member->key == "SYSLOG_IDENTIFIER") {
      program_ = member->text();
    } else if (member->key == "MESSAGE") {
      message_ = member->text();
      is_journal = true;
    }
  }
  if (object.is_broken() || !time) return std::nullopt;
  if (is_popper && !is_journal) return LogLine{*time, "popper", line};
  if (!is_journal) return std::nullopt;
  return LogLine{*time, program_, message_};
}

int LogHeads::year_of(int month, int day) {
  if (month == known_month_ && day == known_day_) return known_year_;
  const std::chrono::sys_days last{std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds{std::chrono::seconds{latest_ + day_seconds}})};
  int year = static_cast<int>(std::chrono::year_month_day{last}.year());
  constexpr int longest_search = 9;  // the next leap year
  for (int i = 0; i < longest_search; ++i, --year) {
    if (is_date(year, month, day) && utc_day(year, month, day) <= last.time_since_epoch().count()) {
      break;
    }
  }
  known_month_ = month;
  known_day_ = day;
  known_year_ = year;
  return year;
}

/// mktime(3) is asked once for each hour: lines come in order.
std::int64_t LogHeads::local_seconds(const Civil& civil) {
  const bool is_known = civil.hour == hour_.hour && civil.day == hour_.day &&
                        civil.month == hour_.month && civil.year == hour_.year;
  if (!is_known) {
    tm parts{};
    parts.tm_year = civil.year - 1900;
    parts.tm_mon = civil.month - 1;
    parts.tm_mday = civil.day;
    parts.tm_hour = civil.hour;
    parts.tm_isdst = -1;
    hour_begins_ = ::mktime(&parts);
    hour_ = civil;
  }
  return hour_begins_ + civil.minute * 60 + civil.second;
}

}  // namespace pop
