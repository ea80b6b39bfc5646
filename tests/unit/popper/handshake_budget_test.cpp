#include "popper/handshake_budget.h"

#include "support/catch.h"

using namespace pop;
using namespace std::chrono_literals;

namespace {

constexpr AddressKey bad{1}, good{2};
const HandshakeBudget::Time start{1000s};

HandshakeBudget after(int failures) {
  HandshakeBudget budget;
  for (int i = 0; i < failures; ++i) budget.note_failure(bad, start);
  return budget;
}

}  // namespace

TEST_CASE("A handful of failed handshakes holds nobody up", "[popper][handshakes]") {
  CHECK(HandshakeBudget{}.left(bad, start) == 0ms);
  CHECK(after(HandshakeBudget::free_failures).left(bad, start) == 0ms);
}

TEST_CASE("More failed handshakes make their address wait, and no other", "[popper][handshakes]") {
  const HandshakeBudget budget = after(HandshakeBudget::free_failures + 3);
  CHECK(budget.left(bad, start) == 3s);
  CHECK(budget.left(bad, start + 1s) == 2s);
  CHECK(budget.left(bad, start + 3s) == 0ms);
  CHECK(budget.left(good, start) == 0ms);
}

TEST_CASE("The wait after failed handshakes has a longest length", "[popper][handshakes]") {
  const HandshakeBudget budget = after(100'000);
  CHECK(budget.left(bad, start) == HandshakeBudget::longest_wait);
  CHECK(budget.left(bad, start + HandshakeBudget::longest_wait) == 0ms);
}

TEST_CASE("Failed handshakes are forgiven one after the other", "[popper][handshakes]") {
  HandshakeBudget budget;
  for (int i = 0; i < 1000; ++i) {
    budget.note_failure(bad, start + i * HandshakeBudget::forgiven_after);
    REQUIRE(budget.left(bad, start + i * HandshakeBudget::forgiven_after) == 0ms);
  }
}

TEST_CASE("Many addresses do not make the worst one forgotten", "[popper][handshakes]") {
  HandshakeBudget budget = after(HandshakeBudget::free_failures + 3);
  for (std::uint64_t i = 100; i < 100 + 2 * HandshakeBudget::most_addresses; ++i) {
    budget.note_failure(AddressKey{i}, start);
  }
  CHECK(budget.left(bad, start) == 3s);
}
