#include "popper/fair_places.h"

#include <string>

#include "support/catch.h"

namespace pop {
namespace {

struct One {
  AddressKey address;
  int number;
};

/// What goes when they come one after the other, in their order.
std::string gone(std::initializer_list<std::uint64_t> addresses, Places places) {
  std::list<One> waiting;
  std::string numbers;
  int number = 0;
  for (const std::uint64_t address : addresses) {
    const auto found = one_to_go(waiting, places, {address}, &One::address);
    if (found != waiting.end()) {
      numbers += std::to_string(found->number) + " ";
      waiting.erase(found);
    }
    waiting.push_back({{address}, ++number});
  }
  return numbers;
}

}  // namespace

TEST_CASE("A crowd of one address drove others out of an acceptor", "[popper][kerberos]") {
  CHECK(gone({1, 2, 2, 2, 2, 2}, {4, 2}) == "2 3 4 ");
  CHECK(gone({1, 2, 2, 2, 3, 4}, {4, 3}) == "2 3 ");
  CHECK(gone({1, 2, 3, 4, 1}, {4, 4}) == "1 ");
  CHECK(gone({1, 2, 3}, {4, 2}).empty());
}

}  // namespace pop
