#include "popper/listeners.h"

#include <algorithm>
#include <iterator>

#include "popper/listener.h"

namespace pop {
namespace {

template <class Listeners>
auto find(Listeners& listeners, const ListenAddress& address) {
  return std::ranges::find_if(listeners, [&](const Listener& one) {
    return one.address && is_same_place(*one.address, address);
  });
}

bool holds(const std::vector<Listener>& listeners, const ListenAddress& address) {
  return find(listeners, address) != listeners.end();
}

}  // namespace

Listeners Listeners::handed_over(std::vector<Listener> sockets) {
  Listeners listeners;
  listeners.open_ = std::move(sockets);
  listeners.handed_over_ = true;
  return listeners;
}

bool Listeners::speak_tls(const std::vector<ListenAddress>& wanted, TlsSupport support) {
  return std::ranges::any_of(wanted, [&](const ListenAddress& one) {
    return resolved(one.tls, support) != ListenTls::none;
  });
}

bool Listeners::speak_tls(TlsSupport support) const {
  return std::ranges::any_of(
      open_, [&](const Listener& one) { return resolved(one.tls, support) != ListenTls::none; });
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
    return std::ranges::none_of(
        wanted, [&](const ListenAddress& place) { return is_same_place(place, *one.address); });
  });
  std::ranges::move(opened, std::back_inserter(open_));
  for (const ListenAddress& address : wanted) find(open_, address)->tls = address.tls;
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
