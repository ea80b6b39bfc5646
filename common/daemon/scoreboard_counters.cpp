#include "daemon/scoreboard_counters.h"

#include <algorithm>

#include "base/text.h"

namespace pop {
namespace {

template <std::size_t count>
std::size_t place_in(const std::array<std::string_view, count>& words, std::string_view word) {
  const auto found = std::ranges::find(words, word);
  return found == words.end() ? count - 1 : static_cast<std::size_t>(found - words.begin());
}

}  // namespace

std::size_t login_mechanism(std::string_view name) {
  return place_in(login_mechanisms, name);
}

std::size_t session_end(std::string_view how) {
  return place_in(session_ends, how);
}

std::size_t counted_command(std::string_view line) {
  const std::string_view verb = line.substr(0, line.find_first_of(" \t"));
  const auto found = std::ranges::find_if(
      counted_commands, [verb](std::string_view word) { return equal_ignoring_case(word, verb); });
  const auto place = static_cast<std::size_t>(found - counted_commands.begin());
  return std::min(place, counted_commands.size() - 1);
}

void observe(HistogramOf<std::atomic<std::uint64_t>>& histogram, std::chrono::nanoseconds time) {
  const auto bound = std::ranges::lower_bound(histogram_bounds, time);
  count_up(histogram.buckets[static_cast<std::size_t>(bound - histogram_bounds.begin())]);
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(time);
  count_up(histogram.microseconds,
           static_cast<std::uint64_t>(std::max<std::int64_t>(whole.count(), 0)));
}

}  // namespace pop
