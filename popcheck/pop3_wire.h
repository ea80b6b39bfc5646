#pragma once

#include <netdb.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "tls/tls_client.h"

namespace pop {

/// How long a probe may take, and a single answer in it.
struct ProbeTime {
  std::chrono::steady_clock::time_point end;
  std::chrono::milliseconds answer;

  /// The end of the next wait.
  [[nodiscard]] std::chrono::steady_clock::time_point next() const;
};

/// Where a server can be reached, best first.
class ServerAddresses {
 public:
  struct Free {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
  };
  using List = std::unique_ptr<addrinfo, Free>;
  using Resolver = std::function<Result<List>(const std::string& host, std::uint16_t port)>;

  /// Asks the system's resolver, not longer than `until`: a resolver that is still at it then is
  /// left to itself. Errc::not_found: the name is unknown. Errc::io: no answer in time.
  [[nodiscard]] static Result<ServerAddresses> find(const std::string& host, std::uint16_t port,
                                                    std::chrono::steady_clock::time_point until);
  /// For tests: asks another resolver, in a thread of its own that may live on.
  [[nodiscard]] static Result<ServerAddresses> find(const std::string& host, std::uint16_t port,
                                                    std::chrono::steady_clock::time_point until,
                                                    Resolver resolver);
  [[nodiscard]] const addrinfo* first() const { return list_.get(); }

 private:
  explicit ServerAddresses(List list) : list_{std::move(list)} {}

  List list_;
};

/// One connection to a server that may say anything: lines in, octets out, in clear or under TLS.
/// Nothing waits longer than ProbeTime allows, and nothing grows beyond longest_line.
class Pop3Wire {
 public:
  static constexpr std::size_t longest_line = std::size_t{1} << 20;

  /// The first address that takes a connection. Errc::io: none does.
  [[nodiscard]] static Result<Pop3Wire> connect(const ServerAddresses& addresses,
                                                const ProbeTime& time);
  /// For tests: over a connected, non-blocking socket.
  Pop3Wire(Fd socket, const ProbeTime& time) : socket_{std::move(socket)}, time_{time} {}

  struct Line {
    std::string text;  // without its end
    bool crlf = true;  // false: LF alone
  };
  /// Errc::io: hung up or no answer in time. Errc::limit: a line without an end.
  [[nodiscard]] Result<Line> read_line();
  /// Octets that have come and were not read yet, without waiting longer than `patience`.
  [[nodiscard]] std::string read_unasked(std::chrono::milliseconds patience);
  /// Whether the server hangs up, before the next wait ends, and says nothing more.
  enum class End : std::uint8_t { hung_up, says_more, stays };
  [[nodiscard]] End wait_for_end();
  [[nodiscard]] Result<void> write(std::string_view octets);

  /// What was read in clear is dropped; how much of it there was is the server's fault to tell.
  [[nodiscard]] Result<void> begin_tls(TlsClient::Wishes wishes);
  [[nodiscard]] const TlsClient* tls() const { return tls_ ? &*tls_ : nullptr; }
  [[nodiscard]] std::size_t unread() const { return received_.size() - taken_; }

  void hang_up() { socket_ = Fd{}; }

 private:
  [[nodiscard]] Result<std::size_t> receive(std::span<char> room,
                                            std::chrono::steady_clock::time_point until);
  [[nodiscard]] Result<void> receive_more(std::chrono::steady_clock::time_point until);

  Fd socket_;
  ProbeTime time_;
  std::optional<TlsClient> tls_;
  std::string received_;
  std::size_t taken_ = 0;  // of received_
};

}  // namespace pop
