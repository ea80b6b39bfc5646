// A gate as a process: takes what it was handed, shuts itself in, then serves.

#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

#include "popper/gate.h"
#include "popper/privileges.h"
#include "popper/role_log.h"
#include "popper/sandbox.h"
#include "popper/signals.h"

namespace pop {
namespace {

Result<void> shut_in(const Handover& handover) {
  ::tzset();  // reads a file, which the sandbox would not let the log do later
  if (Result<void> confined = confine_gate(handover.settings); !confined) return confined;
  return enter_gate_sandbox();
}

template <class Equip>
int serve(const Handover& handover, Log& log, Result<Census> census, Pulse* pulse, Equip equip) {
  ::prctl(PR_SET_NAME, "pop-gate");
  const Result<ConnectionLimits> limits = ConnectionLimits::from_open_files(handover.settings);
  if (!limits || !census) {
    log.failure("start a gate", !limits ? limits.error() : census.error());
    return EXIT_FAILURE;
  }
  Result<Gate> gate = Gate::create({handover, log, system_clock(), *limits, *census, pulse});
  Result<void> done = gate ? shut_in(handover) : std::unexpected(gate.error());
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
  return serve(*handover, log, std::move(census), &*pulse,
               [&](Gate& gate) { gate.obey(std::move(master)); });
}

int run_single_gate(const Handover& handover, Log& log, Fd client, Channel keeper,
                    std::optional<Channel> resolver) {
  return serve(handover, log, Census::alone(), nullptr, [&](Gate& gate) {
    gate.retire();  // after the one
    if (resolver) gate.ask_names_of(std::move(*resolver));
    gate.adopt(std::move(client));
    gate.add_keeper(std::move(keeper));
  });
}

}  // namespace pop
