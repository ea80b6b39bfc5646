#include "popper/open_exchanges.h"

#include <algorithm>
#include <map>
#include <utility>

namespace pop {
namespace {

AddressKey key_of(const OpenExchange& open) {
  return address_key(open.attempt.address);
}

}  // namespace

OpenExchanges::Dropped OpenExchanges::add(OpenExchange open) {
  Dropped dropped;
  drop(find(open.attempt.connection), dropped);
  const AddressKey address = key_of(open);
  if (count_of(address) >= most_of_address) {
    drop(oldest_of(address), dropped);
  } else if (open_.size() >= most) {
    drop(oldest_of(busiest()), dropped);
  }
  open_.push_back(std::move(open));
  return dropped;
}

std::optional<OpenExchange> OpenExchanges::take(std::uint64_t connection, Time now) {
  const auto found = find(connection);
  if (found == open_.end() || expiry_of(*found) < now) return std::nullopt;
  OpenExchange taken = std::move(*found);
  open_.erase(found);
  return taken;
}

std::optional<OpenExchanges::Time> OpenExchanges::next_expiry() const {
  if (open_.empty()) return std::nullopt;
  return expiry_of(open_.front());
}

OpenExchanges::Dropped OpenExchanges::expire(Time now) {
  Dropped dropped;
  while (!open_.empty() && expiry_of(open_.front()) <= now) drop(open_.begin(), dropped);
  return dropped;
}

OpenExchanges::Dropped OpenExchanges::take_all() {
  Dropped dropped;
  while (!open_.empty()) drop(open_.begin(), dropped);
  return dropped;
}

OpenExchanges::Open::iterator OpenExchanges::find(std::uint64_t connection) {
  return std::ranges::find_if(open_, [connection](const OpenExchange& open) {
    return open.attempt.connection == connection;
  });
}

OpenExchanges::Open::iterator OpenExchanges::oldest_of(AddressKey address) {
  return std::ranges::find(open_, address, key_of);
}

std::size_t OpenExchanges::count_of(AddressKey address) const {
  return static_cast<std::size_t>(std::ranges::count(open_, address, key_of));
}

AddressKey OpenExchanges::busiest() const {
  std::map<std::uint64_t, std::size_t> counts;
  for (const OpenExchange& open : open_) ++counts[key_of(open).value];
  const auto most_open =
      std::ranges::max_element(counts, {}, [](const auto& count) { return count.second; });
  return {most_open->first};
}

OpenExchanges::Time OpenExchanges::expiry_of(const OpenExchange& open) const {
  return open.attempt.begun + lifetime_;
}

void OpenExchanges::drop(Open::iterator which, Dropped& dropped) {
  if (which == open_.end()) return;
  dropped.push_back(std::move(*which));
  open_.erase(which);
}

}  // namespace pop
