// What a stranger may send before anything is agreed on, and what a gate is given by the master.
// The first octet chooses: 'm' for material, anything else for a handshake.

#include <fcntl.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "support/fuzz_require.h"
#include "tls/client_hello.h"
#include "tls/tls_stream.h"
#include "unit/tls/certificates.h"
#include "unit/tls/tls_client.h"

using namespace pop;
using namespace pop::test;

namespace {

std::shared_ptr<const TlsContext> make_server() {
  static StandingClock clock;
  const MadeCertificate made = make_certificate({.signs_others = true});
  TlsMaterial material = material_of(pair_of(made, {"mail.example.org", "*.example.net"}));
  material.pairs.front().ocsp_response = "response";
  material.pairs.front().ocsp_until = clock.now + std::chrono::hours{1};
  material.client_authorities = pem_of(made);
  TlsPolicy policy = TlsPolicy::for_old_devices();
  policy.client_certificates = ClientCertificates::optional;
  auto keys = std::make_shared<TicketKeys>(TicketKeys::generate().value());
  return TlsContext::create({material, policy, std::move(keys), clock}).value();
}

// A first message that may be whole one day never looks like anything else on the way.
void check_prefixes(std::string_view octets) {
  const HelloState end = hello_state(octets);
  if (end != HelloState::whole && end != HelloState::partial) return;
  bool whole = false;
  for (std::size_t size = 0; size <= octets.size() && size < 2000; ++size) {
    const HelloState state = hello_state(octets.substr(0, size));
    fuzz_require(state == HelloState::whole || (state == HelloState::partial && !whole),
                 "the states of a message's prefixes follow each other");
    whole = state == HelloState::whole;
  }
}

void shake_hands(std::string_view octets) {
  static const std::shared_ptr<const TlsContext> server = make_server();
  const SocketPair sockets = make_sockets();
  (void)::send(sockets.client.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
  ::shutdown(sockets.client.get(), SHUT_WR);
  TlsStream stream = TlsStream::accept(server, sockets.server.get());
  TlsStep step = TlsStep::want_read;
  for (int i = 0; i < 1000 && (step == TlsStep::want_read || step == TlsStep::again); ++i) {
    step = stream.handshake();
  }
  fuzz_require(step == TlsStep::closed || step == TlsStep::failed, "a handshake ends");
  fuzz_require(!stream.failure().empty() && stream.failure().size() <= 200, "it says why");
  std::array<char, 10> room;
  fuzz_require(stream.read(room).step == TlsStep::failed, "the end is final");
  (void)stream.facts();
}

void take_over(std::string_view octets) {
  const auto material = decode_tls_material(octets);
  if (material) {
    fuzz_require(encode(*material).octets() == octets, "there is one form of a material");
  } else {
    fuzz_require(material.error().code == Errc::corrupt, "damaged material is corrupt");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets{reinterpret_cast<const char*>(data), size};
  if (octets.starts_with('m')) {
    take_over(octets.substr(1));
    return 0;
  }
  if (size > 100'000) return 0;  // beyond what a socket takes at once
  check_prefixes(octets);
  shake_hands(octets);
  return 0;
}
