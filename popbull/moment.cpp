#include "popbull/moment.h"

#include <time.h>

#include <array>
#include <optional>

#include "base/text.h"

namespace pop {

Result<std::chrono::seconds> parse_age(std::string_view text) {
  constexpr std::uint64_t most = 100'000;
  const char unit = text.empty() ? '\0' : text.back();
  const auto count = text.empty() ? std::nullopt : decimal(text.substr(0, text.size() - 1));
  const std::chrono::hours one{unit == 'h' ? 1 : unit == 'd' ? 24 : unit == 'w' ? 7 * 24 : 0};
  if (count && *count > 0 && *count <= most && one.count() > 0) {
    return one * static_cast<int>(*count);
  }
  return fail(Errc::usage, "\"" + escaped(text) + "\" is no age as 90d, 12h or 6w");
}

std::string moment_text(std::int64_t seconds) {
  const time_t when = seconds;
  tm parts{};
  std::array<char, 32> text{};
  if (::gmtime_r(&when, &parts) == nullptr) return std::to_string(seconds);
  return {text.data(), ::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace pop
