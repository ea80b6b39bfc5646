#include "bull/bulletin_terms.h"

#include <fnmatch.h>
#include <time.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view separators = ", \t";

// Takes `count` digits from the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  const std::optional<std::uint64_t> number =
      text.size() < count ? std::nullopt : decimal(text.substr(0, count));
  if (!number) return std::nullopt;
  text.remove_prefix(count);
  return static_cast<int>(*number);
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

bool take_date(std::string_view& text, tm& parts) {
  const std::optional<int> year = take_digits(text, 4);
  const std::optional<int> month = year && take(text, '-') ? take_digits(text, 2) : std::nullopt;
  const std::optional<int> day = month && take(text, '-') ? take_digits(text, 2) : std::nullopt;
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return false;
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  return true;
}

bool take_time_of_day(std::string_view& text, tm& parts) {
  const std::optional<int> hour = take_digits(text, 2);
  const std::optional<int> minute = hour && take(text, ':') ? take_digits(text, 2) : std::nullopt;
  const std::optional<int> second = minute && take(text, ':') ? take_digits(text, 2) : 0;
  if (!minute || !second || *hour > 23 || *minute > 59 || *second > 59) return false;
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  parts.tm_sec = *second;
  return true;
}

// Seconds east of Greenwich.
std::optional<int> take_zone(std::string_view& text) {
  if (take(text, 'Z')) return 0;
  const bool is_east = text.starts_with('+');
  if (!is_east && !text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  const std::optional<int> hours = take_digits(text, 2);
  if (hours) take(text, ':');
  const std::optional<int> minutes = hours ? take_digits(text, 2) : std::nullopt;
  if (!minutes || *hours > 14 || *minutes > 59) return std::nullopt;
  const int seconds = (*hours * 60 + *minutes) * 60;
  return is_east ? seconds : -seconds;
}

// 30 February becomes some day of March.
std::optional<std::int64_t> seconds_of(tm parts, std::optional<int> zone) {
  const tm wanted = parts;
  const time_t seconds = zone ? ::timegm(&parts) : ::mktime(&parts);
  if (parts.tm_mday != wanted.tm_mday || parts.tm_mon != wanted.tm_mon) return std::nullopt;
  return std::int64_t{seconds} - zone.value_or(0);
}

Judged<void> add_time(std::optional<std::int64_t>& place, std::string_view value, WholeDay day) {
  if (place) return std::unexpected("it comes twice");
  place = bulletin_time(value, day);
  if (place) return {};
  return std::unexpected("\"" + escaped(value, 40) +
                         "\" is no time such as 2026-12-24 or 2026-12-24 18:00 +0100");
}

Judged<void> add_users(std::vector<std::string>& users, std::string_view value) {
  const std::size_t before = users.size();
  while (!value.empty()) {
    const std::size_t end = std::min(value.find_first_of(separators), value.size());
    if (end > 0) users.emplace_back(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  if (users.size() == before) return std::unexpected("it names nobody");
  return {};
}

Judged<void> add_pattern(std::vector<Pattern>& patterns, std::string_view value) {
  if (value.empty()) return std::unexpected("it is empty");
  Judged<Pattern> pattern = Pattern::compile("^(" + std::string{value} + ")$");
  if (!pattern) return std::unexpected(std::move(pattern).error());
  patterns.push_back(std::move(*pattern));
  return {};
}

}  // namespace

bool BulletinTerms::are_for(const std::string& user) const {
  if (users.empty() && patterns.empty()) return true;
  const auto names = [&](const std::string& name) {
    return ::fnmatch(name.c_str(), user.c_str(), FNM_NOESCAPE) == 0;
  };
  return std::ranges::any_of(users, names) ||
         std::ranges::any_of(patterns, [&](const Pattern& p) { return p.matches(user); });
}

std::optional<std::int64_t> bulletin_time(std::string_view text, WholeDay day) {
  tm parts{};
  parts.tm_isdst = -1;
  if (!take_date(text, parts)) return std::nullopt;
  if (text.empty()) {
    if (day == WholeDay::ends)
      std::tie(parts.tm_hour, parts.tm_min, parts.tm_sec) = std::tuple{23, 59, 59};
    return seconds_of(parts, std::nullopt);
  }
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  if (!take_time_of_day(text, parts)) return std::nullopt;
  take(text, ' ');
  if (text.empty()) return seconds_of(parts, std::nullopt);
  const std::optional<int> zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return seconds_of(parts, zone);
}

Judged<void> add_term(BulletinTerms& terms, std::string_view name, std::string_view value) {
  const std::string kind = lower(name.substr(bulletin_field_prefix.size()));
  if (kind == "start") return add_time(terms.start, value, WholeDay::begins);
  if (kind == "end") return add_time(terms.end, value, WholeDay::ends);
  if (kind == "users") return add_users(terms.users, value);
  if (kind == "pattern") return add_pattern(terms.patterns, value);
  return std::unexpected("there are Start, End, Users and Pattern");
}

}  // namespace pop
