#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "conf/configuration.h"

namespace pop {

/// A socket that accepts connections.
struct Listener {
  std::string name;  // for logs
  Fd socket;
  std::optional<ListenAddress> address;  // of one that we opened; else it was handed to us
  ListenTls tls = ListenTls::by_support;
  ListenKerberos kerberos = ListenKerberos::by_option;
};

/// Whether TLS is spoken on one of them.
[[nodiscard]] bool speak_tls(const std::vector<Listener>& listeners, TlsSupport support);
[[nodiscard]] bool speak_tls(const std::vector<ListenAddress>& addresses, TlsSupport support);

/// Whether clients must show a Kerberos ticket on one of them.
[[nodiscard]] bool want_tickets(const std::vector<Listener>& listeners, const Settings& settings);

/// All sockets on which a daemon accepts.
class Listeners {
 public:
  /// Sockets that inetd or systemd opened: set() leaves them alone and opens no other.
  [[nodiscard]] static Listeners handed_over(std::vector<Listener> sockets);

  /// Opens what is wanted and not yet open, then closes what is no longer wanted; what stays keeps
  /// its socket and so the clients that wait in it. On failure nothing has changed.
  [[nodiscard]] Result<void> set(const std::vector<ListenAddress>& wanted);

  void close() { open_.clear(); }
  [[nodiscard]] bool were_handed_over() const { return handed_over_; }
  [[nodiscard]] const std::vector<Listener>& all() const { return open_; }
  /// "127.0.0.1:110, [::1]:110"
  [[nodiscard]] std::string names() const;

 private:
  std::vector<Listener> open_;
  bool handed_over_ = false;
};

}  // namespace pop
