#include "store/backoff.h"

#include <unistd.h>

#include <algorithm>

namespace pop {

using std::chrono::milliseconds;

Backoff::Backoff(Clock& clock, milliseconds wait_at_most)
    : clock_{clock},
      deadline_{clock.steady() + wait_at_most},
      chance_{static_cast<std::uint64_t>(::getpid()) * 0x9e3779b97f4a7c15u ^
              static_cast<std::uint64_t>(clock.steady().time_since_epoch().count())} {}

bool Backoff::wait() {
  const milliseconds rest = left();
  if (rest <= milliseconds{0}) return false;
  chance_ = chance_ * 6364136223846793005u + 1442695040888963407u;
  const milliseconds jitter{static_cast<std::int64_t>((chance_ >> 33) %
                                                      static_cast<std::uint64_t>(pause_.count() + 1))};
  clock_.sleep(std::clamp(pause_ / 2 + jitter, milliseconds{1}, rest));
  constexpr milliseconds longest{100};
  pause_ = std::min(pause_ * 3 / 2 + milliseconds{1}, longest);
  return true;
}

milliseconds Backoff::left() const {
  const auto now = clock_.steady();
  if (now >= deadline_) return milliseconds{0};
  return std::chrono::ceil<milliseconds>(deadline_ - now);
}

}  // namespace pop
