// The changer as a process: one request of its front, decided with root's rights.

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "auth/guess_hash.h"
#include "base/clock.h"
#include "base/text.h"
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

std::optional<Turn> await_turn(Channel& master, const TurnRequest& request) {
  if (!master.send(encode(request))) return std::nullopt;
  if (request.word == TurnRequest::Word::right) return Turn::now;
  const Result<std::optional<Channel::Received>> answer = master.receive();
  if (!answer || !*answer) return std::nullopt;
  const Result<Turn> turn = decode_turn((*answer)->record);
  return turn ? std::optional{*turn} : std::nullopt;
}

struct Beginning {
  Client client;
  std::uint64_t guess_seed;
};

Result<Beginning> take_beginning(Channel& master) {
  Result<std::optional<Channel::Received>> first = master.receive(), second = master.receive();
  if (!first || !*first || !second || !*second) return fail(Errc::io, "the master has gone");
  Result<Client> client = decode_client((*first)->record);
  const std::optional<std::uint64_t> seed = decimal((*second)->record);
  if (!client || !seed) return fail(Errc::corrupt, "an unknown beginning");
  return Beginning{std::move(*client), *seed};
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
  Result<Beginning> beginning = take_beginning(master);
  Result<std::unique_ptr<PasswordChecker>> checker =
      make_password_checker(settings_for_check(handover->settings), &log);
  if (!beginning || !checker) {
    log.failure("serve a client", beginning ? checker.error() : beginning.error());
    return EXIT_FAILURE;
  }
  const GuessHash guesses{beginning->guess_seed};
  Changer changer{
      {handover->settings, log, system_disk(), **checker,
       [&master](const TurnRequest& request) { return await_turn(master, request); }, guesses},
      std::move(beginning->client)};
  return serve(front, changer, log);
}

}  // namespace pop
