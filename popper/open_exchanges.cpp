#include "popper/open_exchanges.h"

#include <algorithm>
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
  drop(one_to_go(open_, {most, most_of_address}, key_of(open), key_of), dropped);
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

OpenExchanges::Time OpenExchanges::expiry_of(const OpenExchange& open) const {
  return open.attempt.begun + lifetime_;
}

void OpenExchanges::drop(Open::iterator which, Dropped& dropped) {
  if (which == open_.end()) return;
  dropped.push_back(std::move(*which));
  open_.erase(which);
}

}  // namespace pop
