#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// Messages by size and by age: upper limits, the last one open.
inline constexpr std::array<std::string_view, 7> size_classes{
    "up to 4 KB", "16 KB", "64 KB", "256 KB", "1 MB", "4 MB", "more"};
inline constexpr std::array<std::string_view, 7> age_classes{
    "up to a day", "a week", "a month", "3 months", "a year", "3 years", "older"};
[[nodiscard]] std::size_t size_class(std::uint64_t octets);
/// Of a message delivered that long ago; one from the future is new.
[[nodiscard]] std::size_t age_class(std::int64_t seconds_ago);

struct ClassCount {
  std::uint64_t messages = 0, octets = 0;
};

/// What a report tells of one maildrop.
struct ReportedMaildrop {
  std::string target;
  std::uint64_t messages = 0, unread = 0, bytes = 0;
  std::optional<std::int64_t> growth;  // bytes since the last run
};

struct SpoolReport {
  std::int64_t made = 0;                // seconds since 1970
  std::optional<std::int64_t> earlier;  // the run that growth counts from
  std::vector<ReportedMaildrop> maildrops;
  std::array<ClassCount, size_classes.size()> by_size{};
  std::array<ClassCount, age_classes.size()> by_age{};
  std::uint64_t undated = 0;  // messages whose age nobody knows
  std::map<std::string, ClassCount> senders;
  std::vector<std::string> failed;  // targets that could not be looked at
};

/// A page of its own: no script, no link, nothing from elsewhere. Names from mail are escaped.
[[nodiscard]] std::string html_of(const SpoolReport& report);

}  // namespace pop
