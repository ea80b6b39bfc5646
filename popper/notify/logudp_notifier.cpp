#include "popper/notify/logudp_notifier.h"

#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/hex.h"
#include "auth/apop.h"
#include "base/secret.h"
#include "base/text.h"
#include "popper/notify/udp_service.h"

namespace pop {
namespace {

void set_multicast_ttl(const Fd& socket, int ttl) {
  sockaddr_storage self{};
  socklen_t size = sizeof self;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&self), &size) != 0) return;
  if (self.ss_family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof ttl);
  } else {
    ::setsockopt(socket.get(), IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl);
  }
}

/// 32 hex digits that nobody can foresee.
Result<std::string> fresh_challenge() {
  std::array<unsigned char, 16> octets{};
  if (::getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size())) {
    const int saved = errno;
    return fail_errno(saved, "get random numbers");
  }
  return in_hex(octets);
}

class LogudpNotifier final : public LoginNotifier {
 public:
  LogudpNotifier(ServiceAddress destination, int multicast_ttl, Secret secret)
      : destination_{std::move(destination)},
        multicast_ttl_{multicast_ttl},
        secret_{std::move(secret)} {}

  [[nodiscard]] std::string_view name() const override { return "logudp"; }

  [[nodiscard]] Result<void> tell(const LoginNotice& notice) override {
    if (notice.kind != LoginNotice::Kind::login) return {};
    std::optional<PacketSignature> signature;
    if (!secret_.empty()) {
      Result<std::string> challenge = fresh_challenge();
      if (!challenge) return std::unexpected(std::move(challenge).error());
      Result<PacketSignature> made = sign_packet(std::move(*challenge), secret_.octets());
      if (!made) return std::unexpected(std::move(made).error());
      signature = std::move(*made);
    }
    const Result<Fd> socket = connect_udp(destination_);
    if (!socket) return std::unexpected(socket.error());
    set_multicast_ttl(*socket, multicast_ttl_);
    return send_datagram(*socket, logudp_packet(notice, signature));
  }

 private:
  ServiceAddress destination_;
  int multicast_ttl_;
  Secret secret_;
};

}  // namespace

std::string logudp_packet(const LoginNotice& notice,
                          const std::optional<PacketSignature>& signature) {
  std::string packet;
  if (signature) packet += "md5 " + signature->digest + " " + signature->challenge + "\n";
  packet += "time " + std::to_string(notice.time) + "\n";
  packet += "service " + std::string{LoginNotice::service} + "\n";
  packet += "user " + escaped(notice.user) + "\n";
  packet += "ip " + escaped(notice.address) + "\n";
  packet += "source " + escaped(notice.host) + "\n";
  return packet + ".\n";
}

Result<PacketSignature> sign_packet(std::string challenge, std::string_view secret) {
  std::optional<std::string> digest = challenge_digest(challenge, secret);
  if (!digest) return fail(Errc::denied, "this host forbids MD5");
  return PacketSignature{std::move(*digest), std::move(challenge)};
}

Result<std::unique_ptr<LoginNotifier>> make_logudp_notifier(const Settings& settings) {
  Judged<ServiceAddress> destination = parse_service_address(settings.logudp_destination);
  if (!destination) return fail(Errc::usage, "logudp-destination " + destination.error());
  return std::make_unique<LogudpNotifier>(std::move(*destination),
                                          static_cast<int>(settings.logudp_multicast_ttl),
                                          Secret{settings.logudp_secret});
}

}  // namespace pop
