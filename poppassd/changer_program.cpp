// The changer as a process: one request of its front, decided with root's rights.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "daemon/handover.h"
#include "daemon/signals.h"
#include "ipc/channel.h"
#include "poppassd/changer.h"
#include "poppassd/roles.h"

namespace pop {
namespace {

void set_close_on_exec(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

bool await_turn(Channel& master, std::string_view word) {
  if (!master.send(word)) return false;
  const Result<std::optional<Channel::Received>> answer = master.receive();
  return answer && *answer && (*answer)->record == turn::now;
}

int serve(Channel& front, Changer& changer, Log& log) {
  Result<std::optional<Channel::Received>> record = front.receive();
  if (record && !*record) return EXIT_SUCCESS;  // nothing was asked
  Result<ChangeRequest> request = record ? decode_change_request((*record)->record)
                                         : std::unexpected(std::move(record).error());
  if (request && (*record)->descriptor.is_open()) request = fail(Errc::corrupt, "a descriptor");
  if (!request) {
    log.failure("the front broke the rules", request.error());
    return EXIT_FAILURE;
  }
  const std::optional<ChangeVerdict> verdict = changer.change(*request);
  if (verdict) (void)front.send(encode(*verdict));  // a client that has gone needs none
  return EXIT_SUCCESS;
}

}  // namespace

int run_changer() {
  ::prctl(PR_SET_NAME, "passd-changer");
  const struct rlimit no_core {};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ignore_terminal_signals();
  const Fd memory{inherited::settings};
  Channel front{Fd{inherited::peer}}, master{Fd{inherited::turns}};
  for (const int descriptor : {memory.get(), front.fd(), master.fd()}) {
    set_close_on_exec(descriptor);  // modules execute programs
  }
  const Result<Handover> handover = take_handover(memory);
  if (!handover) return EXIT_FAILURE;
  Log log = open_program_log("poppassd", handover->log, handover->settings);
  const Result<std::optional<Channel::Received>> first = master.receive();
  if (!first || !*first) return EXIT_FAILURE;
  Result<Client> client = decode_client((*first)->record);
  Result<std::unique_ptr<PasswordChecker>> checker =
      make_password_checker(settings_for_check(handover->settings), &log);
  if (!client || !checker) {
    log.failure("serve a client", client ? checker.error() : client.error());
    return EXIT_FAILURE;
  }
  Changer changer{{handover->settings, log, system_disk(), **checker,
                   [&master](std::string_view word) { return await_turn(master, word); }},
                  std::move(*client)};
  return serve(front, changer, log);
}

}  // namespace pop
