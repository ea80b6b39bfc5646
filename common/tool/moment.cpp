#include "tool/moment.h"

#include <time.h>

#include <array>

namespace pop {

std::string moment_text(std::int64_t seconds) {
  const time_t when = seconds;
  tm parts{};
  std::array<char, 32> text{};
  const bool has_form =
      ::gmtime_r(&when, &parts) != nullptr && parts.tm_year >= -1900 && parts.tm_year < 8100;
  if (!has_form) return std::to_string(seconds);
  return {text.data(), ::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace pop
