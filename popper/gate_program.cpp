// A gate as a process: takes what it was handed, shuts itself in, then serves.

#include <poll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "daemon/privileges.h"
#include "daemon/sandbox.h"
#include "daemon/signals.h"
#include "popper/gate.h"
#include "popper/language_files.h"
#include "popper/role_log.h"
#include "popper/session_board.h"
#include "tls/tls_context.h"
#include "tls/tls_files.h"
#include "tls/tls_policy.h"

namespace pop {
namespace {

// Longer nobody waits for a Kerberos acceptor to be there.
constexpr std::chrono::milliseconds longest_start{15'000};

Result<void> shut_in(const Handover& handover) {
  ::tzset();  // reads a file, which the sandbox would not let the log do later
  if (Result<void> confined = confine_gate(handover.settings); !confined) return confined;
  return enter_gate_sandbox();
}

// Once shut in, the library could not read its configuration any more.
Result<void> prepare_tls(const Settings& settings) {
  return has_certificate(settings) ? prepare_tls_library() : Result<void>{};
}

ListenTls mode_of(const Settings& settings) {
  return resolved(ListenTls::by_support, ListenKerberos::by_option, settings).tls;
}

Result<TlsMaterial> load_material(const Settings& settings, Log& log) {
  const Result<TlsFiles> files = tls_files_of(settings);
  if (!files) return std::unexpected(files.error());
  Result<LoadedTlsMaterial> loaded = load_tls_material(*files, system_clock());
  if (!loaded) return std::unexpected(loaded.error());
  for (const std::string& warning : loaded->warnings) log.sentence(Severity::warning, warning);
  return std::move(loaded->material);
}

Result<TlsMaterial> take_material(const Fd& sealed) {
  const Result<Secret> octets = read_sealed(sealed);
  if (!octets) return std::unexpected(octets.error());
  return decode_tls_material(octets->octets());
}

// Of a gate that nobody supplies. Nobody resumes a session with it: it serves one connection.
Result<std::shared_ptr<const TlsContext>> own_context(const Settings& settings, Fd sealed,
                                                      Log& log) {
  if (mode_of(settings) == ListenTls::none) return nullptr;
  const Result<TlsMaterial> material =
      sealed.is_open() ? take_material(sealed) : load_material(settings, log);
  if (!material) return std::unexpected(material.error());
  TlsPolicyReading reading = tls_policy_of(settings);
  for (const std::string& warning : reading.warnings) log.sentence(Severity::warning, warning);
  reading.policy.session_lifetime = {};
  return TlsContext::create({*material, reading.policy, nullptr, system_clock()});
}

// Whether it can judge tickets decides about what the client is offered.
void wait_for_word(const Channel& acceptor) {
  pollfd waiting{acceptor.fd(), POLLIN, 0};
  (void)::poll(&waiting, 1, static_cast<int>(longest_start.count()));
}

/// What others see of it; by default nobody looks.
struct Watched {
  Pulse* pulse = nullptr;
  Activity activity{};
};

template <class Equip>
int serve(const Handover& handover, Log& log, Result<Census> census, Watched watched, Equip equip) {
  ::prctl(PR_SET_NAME, "pop-gate");
  const Result<ConnectionLimits> limits = ConnectionLimits::from_open_files(handover.settings);
  if (!limits || !census) {
    log.failure("start a gate", !limits ? limits.error() : census.error());
    return EXIT_FAILURE;
  }
  const Languages languages = load_languages(handover.settings, log);
  Result<Gate> gate = Gate::create({handover, log, system_clock(), *limits, *census, languages,
                                    watched.pulse, std::move(watched.activity)});
  Result<void> done = gate ? prepare_tls(handover.settings) : std::unexpected(gate.error());
  if (done) done = shut_in(handover);
  if (!done) {
    log.failure("start a gate", done.error());
    return EXIT_FAILURE;
  }
  equip(*gate);
  done = gate->run();
  if (done) return EXIT_SUCCESS;
  log.failure("serve as a gate", done.error());
  return EXIT_FAILURE;
}

}  // namespace

int run_gate() {
  ignore_terminal_signals();
  Fd memory{inherited::settings};
  Channel master{Fd{inherited::control}};
  Fd shared{inherited::pulse}, counts{inherited::census};
  Result<Pulse> pulse = Pulse::open(shared);
  const Result<Handover> handover = take_handover(memory);
  if (!handover || !pulse) return EXIT_FAILURE;
  memory = Fd{};
  shared = Fd{};
  Result<Census> census = Census::open(counts);
  counts = Fd{};
  Log log = open_log(handover->log, handover->settings);
  Watched watched{&*pulse};
  if (Fd scoreboard = take_inherited_scoreboard(handover->settings); scoreboard.is_open()) {
    watched.activity = take_own_page(std::move(scoreboard), PlaceKind::gate, log);
  }
  return serve(*handover, log, std::move(census), std::move(watched),
               [&](Gate& gate) { gate.obey(std::move(master)); });
}

int run_single_gate(const Handover& handover, Log& log, SingleGate single) {
  Result<std::shared_ptr<const TlsContext>> tls =
      own_context(handover.settings, std::move(single.certificates), log);
  if (!tls) {
    log.failure("serve TLS", tls.error());
    return EXIT_FAILURE;
  }
  return serve(handover, log, Census::alone(), {}, [&](Gate& gate) {
    gate.retire();  // after the one
    gate.serve_tls(std::move(*tls));
    if (single.resolver) gate.ask_names_of(std::move(*single.resolver));
    if (single.acceptor) {
      wait_for_word(*single.acceptor);
      gate.ask_tickets_of(std::move(*single.acceptor));
    }
    gate.adopt(std::move(single.client),
               resolved(ListenTls::by_support, ListenKerberos::by_option, handover.settings));
    gate.add_keeper(std::move(single.keeper));
  });
}

Result<Fd> seal_single_certificates(const Settings& settings, Log& log) {
  if (mode_of(settings) == ListenTls::none) return Fd{};
  const Result<TlsMaterial> material = load_material(settings, log);
  if (!material) return std::unexpected(material.error());
  const Result<Fd> sealed = seal_secret(encode(*material));
  if (!sealed) return std::unexpected(sealed.error());
  return open_sealed_again(*sealed);
}

}  // namespace pop
