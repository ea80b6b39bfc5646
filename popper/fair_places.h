#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <list>
#include <map>

#include "daemon/connection_census.h"

namespace pop {

/// How many places there are for exchanges that wait for their clients, in all and for one address.
struct Places {
  std::size_t in_all, of_address;
};
inline constexpr Places exchange_places{256, 64};

/// Which of those that wait, the oldest first, has to go before one of `newcomer` may come: when
/// there are too many of its address, the oldest of these; when there are too many in all, the
/// oldest of the address that has the most, so that no crowd of one address drives others out.
/// end(): none.
template <class One, class AddressOf>
[[nodiscard]] typename std::list<One>::iterator one_to_go(std::list<One>& waiting, Places places,
                                                          AddressKey newcomer,
                                                          AddressOf address_of) {
  std::map<AddressKey, std::size_t> counts;
  for (const One& one : waiting) ++counts[std::invoke(address_of, one)];
  if (counts[newcomer] >= places.of_address) {
    return std::ranges::find(waiting, newcomer, address_of);
  }
  if (waiting.size() < places.in_all) return waiting.end();
  const auto count_of = [](const auto& entry) { return entry.second; };
  const auto busiest = std::ranges::max_element(counts, {}, count_of);
  return std::ranges::find(waiting, busiest->first, address_of);
}

}  // namespace pop
