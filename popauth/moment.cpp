#include "popauth/moment.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "base/text.h"

namespace pop {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::uint64_t most_days = 36500;

std::optional<year_month_day> date_of(std::string_view text) {
  constexpr std::size_t size = 10;  // 2026-12-31
  if (text.size() != size || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = decimal(text.substr(0, 4));
  const auto month = decimal(text.substr(5, 2));
  const auto day = decimal(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const year_month_day date{std::chrono::year{static_cast<int>(*year)},
                            std::chrono::month{static_cast<unsigned>(*month)},
                            std::chrono::day{static_cast<unsigned>(*day)}};
  return date.ok() ? std::optional{date} : std::nullopt;
}

}  // namespace

std::string to_text(std::chrono::sys_seconds moment) {
  const sys_days day = std::chrono::floor<days>(moment);
  const year_month_day date{day};
  const std::chrono::hh_mm_ss time{moment - day};
  std::array<char, 32> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", int{date.year()},
      unsigned{date.month()}, unsigned{date.day()}, static_cast<int>(time.hours().count()),
      static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return {text.data(), static_cast<std::size_t>(size)};
}

Result<std::chrono::sys_seconds> expiry_of(std::string_view text, std::chrono::sys_seconds now) {
  if (const auto date = date_of(text)) {
    const std::chrono::sys_seconds end = sys_days{*date} + days{1};
    if (end > now) return end;
    return fail(Errc::usage, "--expires " + escaped(text) + ": has passed");
  }
  const bool is_count = text.ends_with('d');
  const auto count = is_count ? decimal(text.substr(0, text.size() - 1)) : std::nullopt;
  if (count && *count >= 1 && *count <= most_days) {
    return now + days{static_cast<int>(*count)};
  }
  return fail(Errc::usage, "--expires " + escaped(text) +
                               ": neither a date as 2026-12-31 nor a number of days as 90d");
}

}  // namespace pop
