#include "popper/open_exchanges.h"

#include <algorithm>
#include <utility>

namespace pop {

void OpenExchanges::add(OpenExchange open) {
  std::erase_if(open_, [&](const OpenExchange& other) {
    return other.attempt.connection == open.attempt.connection;
  });
  if (open_.size() >= most) open_.pop_front();
  open_.push_back(std::move(open));
}

std::optional<OpenExchange> OpenExchanges::take(std::uint64_t connection, Time now) {
  std::erase_if(open_,
                [&](const OpenExchange& open) { return open.attempt.begun + lifetime_ < now; });
  const auto found = std::ranges::find_if(open_, [connection](const OpenExchange& open) {
    return open.attempt.connection == connection;
  });
  if (found == open_.end()) return std::nullopt;
  OpenExchange taken = std::move(*found);
  open_.erase(found);
  return taken;
}

}  // namespace pop
