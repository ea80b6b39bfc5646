// The front as a process: takes what it was handed, shuts itself in, then serves.

#include <fcntl.h>
#include <sys/prctl.h>
#include <time.h>

#include <cstdlib>

#include "daemon/handover.h"
#include "daemon/privileges.h"
#include "daemon/sandbox.h"
#include "daemon/signals.h"
#include "poppassd/front.h"
#include "poppassd/roles.h"
#include "tls/tls_material.h"
#include "tls/tls_policy.h"

namespace pop {
namespace {

// Nobody resumes a session with it: it serves one connection.
Result<std::shared_ptr<const TlsContext>> context_from(const Settings& settings) {
  if (::fcntl(inherited::certificates, F_GETFD) < 0) return nullptr;
  const Fd sealed{inherited::certificates};
  if (const Result<void> ready = prepare_tls_library(); !ready) {
    return std::unexpected(ready.error());
  }
  const Result<Secret> octets = read_sealed(sealed);
  if (!octets) return std::unexpected(octets.error());
  const Result<TlsMaterial> material = decode_tls_material(octets->octets());
  if (!material) return std::unexpected(material.error());
  TlsPolicyReading reading = tls_policy_of(settings);  // the master has told its warnings
  reading.policy.session_lifetime = {};
  return TlsContext::create({*material, reading.policy, nullptr, system_clock()});
}

Result<Client> take_client(Channel& changer) {
  Result<std::optional<Channel::Received>> first = changer.receive();
  if (!first) return std::unexpected(first.error());
  if (!*first) return fail(Errc::io, "the master has gone");
  return decode_client((*first)->record);
}

Result<void> shut_in(const Settings& settings) {
  ::tzset();  // reads a file, which the sandbox would not let the log do later
  if (Result<void> confined = confine_gate(settings); !confined) return confined;
  return enter_gate_sandbox();
}

int give_up(Log& log, const Error& why) {
  log.failure("serve a client", why);
  return EXIT_FAILURE;
}

}  // namespace

int run_front() {
  ::prctl(PR_SET_NAME, "passd-front");
  ignore_terminal_signals();
  const Fd memory{inherited::settings};
  Channel changer{Fd{inherited::peer}};
  Fd socket{inherited::client};
  const Result<Handover> handover = take_handover(memory);
  if (!handover) return EXIT_FAILURE;
  Log log = open_program_log("poppassd", handover->log, handover->settings);
  Result<std::shared_ptr<const TlsContext>> tls = context_from(handover->settings);
  if (!tls) return give_up(log, tls.error());
  Result<Client> client = take_client(changer);
  if (!client) return give_up(log, client.error());
  if (::fcntl(socket.get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) return EXIT_FAILURE;
  if (const Result<void> done = shut_in(handover->settings); !done) {
    return give_up(log, done.error());
  }
  Front{{handover->settings, handover->host, log, system_clock(), std::move(*tls)},
        std::move(*client),
        std::move(socket),
        std::move(changer)}
      .run();
  return EXIT_SUCCESS;
}

}  // namespace pop
