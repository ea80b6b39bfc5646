#include "daemon/listeners.h"

#include <algorithm>
#include <iterator>

#include "daemon/listener.h"

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

template <class Places>
bool any_speaks_tls(const Places& places, TlsSupport support) {
  return std::ranges::any_of(
      places, [&](const auto& one) { return resolved(one.tls, support) != ListenTls::none; });
}

}  // namespace

bool speak_tls(const std::vector<Listener>& listeners, TlsSupport support) {
  return any_speaks_tls(listeners, support);
}

bool speak_tls(const std::vector<ListenAddress>& addresses, TlsSupport support) {
  return any_speaks_tls(addresses, support);
}

bool want_tickets(const std::vector<Listener>& listeners, const Settings& settings) {
  return std::ranges::any_of(listeners, [&](const Listener& one) {
    return resolved(one.tls, one.kerberos, settings).kerberos == ListenKerberos::yes;
  });
}

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
    return std::ranges::none_of(
        wanted, [&](const ListenAddress& place) { return is_same_place(place, *one.address); });
  });
  std::ranges::move(opened, std::back_inserter(open_));
  for (const ListenAddress& address : wanted) {
    const auto found = find(open_, address);
    found->tls = address.tls;
    found->kerberos = address.kerberos;
    found->address = address;
  }
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
