#include "popper/resolver.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "auth/account.h"
#include "base/clock.h"
#include "daemon/signals.h"
#include "popper/client_name.h"
#include "popper/name_finders.h"
#include "popper/name_lookup.h"
#include "daemon/privileges.h"
#include "popper/role_log.h"

namespace pop {
namespace {

// NSS reads files and talks to services, so there is no other root directory, but no rights either.
Result<void> give_up_rights(const Settings& settings) {
  if (!runs_as_root()) return become({::getuid(), ::getgid(), {}, 0077});
  const Result<Account> user = find_system_account(settings.gate_user);
  if (!user) return std::unexpected(Error{user.error()}.in("gate-user"));
  return become({user->uid, user->gid, {}, 0077});
}

// A silent name server is asked once, and not for long; who runs this program may say otherwise.
void bound_look_ups() {
  ::setenv("RES_OPTIONS", "timeout:3 attempts:1", 0);
}

// The threads of `finders` go on with the process, so it is never taken down.
void serve(Channel& gate, Log& log) {
  ::fcntl(gate.fd(), F_SETFL, O_NONBLOCK);  // a gate that takes no answer gets none
  NameFinders::Report report{
      [&gate](const NameAnswer& answer) { (void)gate.send(encode(answer)); },
      [&log](const std::string& complaint) { log.sentence(Severity::debug, complaint); }};
  static NameFinders finders{find_client_name, std::move(report), system_clock()};
  while (true) {
    pollfd waiting{gate.fd(), POLLIN, 0};
    ::poll(&waiting, 1, -1);
    Result<std::optional<Channel::Received>> received = gate.receive();
    if (!received && received.error().code == Errc::busy) continue;
    if (!received) return log.failure("hear the gate", received.error());
    if (!*received) return;
    const Result<NameQuestion> question = decode_name_question((*received)->record);
    if (!question) return log.failure("gate broke the rules", question.error());
    finders.ask(*question);
  }
}

}  // namespace

int run_resolver() {
  ignore_terminal_signals();
  const Fd memory{inherited::settings};
  Channel gate{Fd{inherited::gate_channel}};
  const Result<Handover> handover = take_handover(memory);
  if (!handover) return EXIT_FAILURE;
  Log log = open_log(handover->log, handover->settings);
  return run_single_resolver(*handover, log, std::move(gate));
}

int run_single_resolver(const Handover& handover, Log& log, Channel gate) {
  ::prctl(PR_SET_NAME, "pop-resolver");
  if (const Result<void> done = give_up_rights(handover.settings); !done) {
    log.failure("start a resolver", done.error());
    return EXIT_FAILURE;
  }
  bound_look_ups();
  serve(gate, log);
  ::_exit(EXIT_SUCCESS);  // threads may still use what would go out of scope now
}

}  // namespace pop
