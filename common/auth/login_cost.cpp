#include "auth/login_cost.h"

#include <time.h>

#include <algorithm>

#include "auth/password_hash.h"

namespace pop {
namespace {

constexpr int most_hashes = 4;

const Secret& some_password() {
  static const Secret password{"no user has this one"};
  return password;
}

void hash_once(const std::string& setting) {
  (void)password_hash_matches(some_password(), setting);
}

}  // namespace

LoginCost::CpuTime LoginCost::now() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

// At the first failure, not at the start: most keepers of inetd never meet one. The first hash of a
// process also pays for its memory, so the cheapest of a few tells.
void LoginCost::measure() {
  if (one_hash_ != CpuTime{0}) return;
  setting_ = find_setting_();
  one_hash_ = CpuTime::max();
  for (int i = 0; i < 3; ++i) {
    const CpuTime start = now();
    hash_once(setting_);
    one_hash_ = std::clamp(now() - start, CpuTime{1}, one_hash_);
  }
}

int LoginCost::in_hashes(CpuTime spent) {
  measure();
  const auto rounded = (spent + one_hash_ / 2) / one_hash_;
  return static_cast<int>(std::min<std::int64_t>(rounded, most_hashes));
}

// Only upwards: a locked user's attempt has none, and all failures are evened out to the most.
void LoginCost::learn(CpuTime spent) {
  const int learnt = in_hashes(spent);
  hashes_ = std::max(hashes_, std::min(learnt, learnt_before_));
  learnt_before_ = learnt;
}

void LoginCost::even_out(CpuTime spent, std::string_view compared) {
  int done = in_hashes(spent);
  if (!compared.empty() && compared == hash_kind_of(setting_)) done = std::min(done, 1);
  for (; done < hashes_; ++done) hash_once(setting_);
}

}  // namespace pop
