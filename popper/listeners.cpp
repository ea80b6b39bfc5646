#include "popper/listeners.h"

#include <algorithm>
#include <iterator>

#include "popper/listener.h"

namespace pop {
namespace {

bool holds(const std::vector<Listener>& listeners, const ListenAddress& address) {
  return std::ranges::find(listeners, address, &Listener::address) != listeners.end();
}

}  // namespace

Listeners Listeners::handed_over(std::vector<Listener> sockets) {
  Listeners listeners;
  listeners.open_ = std::move(sockets);
  listeners.handed_over_ = true;
  return listeners;
}

Result<void> Listeners::set(const std::vector<ListenAddress>& wanted) {
  if (handed_over_) return {};
  std::vector<Listener> opened;
  for (const ListenAddress& address : wanted) {
    if (holds(open_, address) || holds(opened, address)) continue;
    Result<Fd> socket = open_listener(address);
    if (!socket) return std::unexpected(socket.error());
    opened.push_back({to_string(address), std::move(*socket), address});
  }
  std::erase_if(open_, [&](const Listener& one) {
    return std::ranges::find(wanted, one.address) == wanted.end();
  });
  std::ranges::move(opened, std::back_inserter(open_));
  return {};
}

std::string Listeners::names() const {
  std::string names;
  for (const Listener& listener : open_) {
    if (!names.empty()) names += ", ";
    names += listener.name;
  }
  return names;
}

}  // namespace pop
