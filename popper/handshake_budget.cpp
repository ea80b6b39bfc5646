#include "popper/handshake_budget.h"

#include <algorithm>
#include <utility>

namespace pop {
namespace {

constexpr std::chrono::milliseconds for_nothing =
    HandshakeBudget::free_failures * HandshakeBudget::forgiven_after;

}  // namespace

void HandshakeBudget::note_failure(AddressKey address, Time now) {
  if (!all_forgiven_.contains(address.value)) make_room(now);
  Time& forgiven = all_forgiven_[address.value];
  const Time longest = now + for_nothing + longest_wait;
  forgiven = std::min(std::max(forgiven, now) + forgiven_after, longest);
}

std::chrono::milliseconds HandshakeBudget::left(AddressKey address, Time now) const {
  const auto found = all_forgiven_.find(address.value);
  if (found == all_forgiven_.end()) return {};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(found->second - for_nothing - now);
  return std::max(left, std::chrono::milliseconds{0});
}

// Who owes nothing any more goes first, then who owes least.
void HandshakeBudget::make_room(Time now) {
  if (all_forgiven_.size() < most_addresses) return;
  std::erase_if(all_forgiven_, [now](const auto& entry) { return entry.second <= now; });
  if (all_forgiven_.size() < most_addresses) return;
  all_forgiven_.erase(
      std::ranges::min_element(all_forgiven_, {}, [](const auto& entry) { return entry.second; }));
}

}  // namespace pop
