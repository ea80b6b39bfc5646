#include "popper/inetd.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>
#include <vector>

#include "auth/voucher.h"
#include "base/clock.h"
#include "daemon/listener.h"
#include "daemon/role.h"
#include "daemon/scoreboard_reader.h"
#include "daemon/signals.h"
#include "ipc/channel.h"
#include "popper/gate.h"
#include "popper/keeper.h"
#include "popper/kerberos.h"
#include "popper/language_files.h"
#include "popper/mail_submission.h"
#include "popper/notify/notice_sender.h"
#include "popper/resolver.h"
#include "popper/role_log.h"
#include "popper/session_board.h"
#include "popper/session_process.h"

namespace pop {
namespace {

/// What the gate is to have, and nobody who serves it.
struct GatesOwn {
  Fd client, certificates;
};

// The gate's end. Who serves it ends by itself when the gate has gone; it is done without one that
// cannot be started.
template <class Run>
std::optional<Channel> spawn_attendant(GatesOwn& own, Run run) {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::nullopt;
  const pid_t child = ::fork();
  if (child < 0) return std::nullopt;
  if (child > 0) return std::move(ends->first);
  own = {};
  { const Channel not_ours = std::move(ends->first); }
  ::_exit(run(std::move(ends->second)));
}

// The gate ends by itself when the keeper or the client has gone.
Result<Channel> spawn_gate(const Handover& handover, Log& log, GatesOwn own, Fd& vouchers) {
  std::optional<Channel> resolver, acceptor;
  if (handover.settings.kerberos || wants_gssapi(handover.settings)) {
    acceptor = spawn_attendant(own, [&](Channel gate) {
      return run_single_kerberos_acceptor(handover, log, std::move(gate), vouchers);
    });
  }
  if (handover.settings.reverse_lookup) {
    resolver = spawn_attendant(own, [&](Channel gate) {
      vouchers = Fd{};
      return run_single_resolver(handover, log, std::move(gate));
    });
  }
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(ends.error());
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork the gate");
  }
  if (child > 0) return std::move(ends->first);
  vouchers = Fd{};
  { const Channel not_ours = std::move(ends->first); }
  ::_exit(run_single_gate(handover, log,
                          {std::move(own.client), std::move(ends->second), std::move(resolver),
                           std::move(acceptor), std::move(own.certificates)}));
}

LoginNotice notice_of(const SessionStart& login) {
  LoginNotice notice;
  notice.user = login.account.name;
  notice.login = login.account.login;
  notice.address = login.address;
  notice.client_name = login.client_name;
  notice.connection = login.connection;
  return notice;
}

// Answers the gate until it has gone or somebody has logged in.
void serve_gate(Keeper& keeper, Channel& gate, Log& log) {
  while (!keeper.is_over()) {
    Result<std::optional<Channel::Received>> received = gate.receive();
    if (received && !*received) return;
    Result<KeeperMessage> answer = received ? keeper.answer(std::move(**received))
                                            : std::unexpected(std::move(received).error());
    if (!answer) return log.failure("gate broke the rules", answer.error());
    const Fd relay_end = keeper.take_relay_end();
    if (const Result<void> sent = gate.send(encode(*answer), relay_end.get()); !sent) return;
  }
}

// There is no keeper any more that could take mail from the session. The tender ends with it.
SubmissionEnds fork_tender_of_mail(const SessionStart& login, const Settings& settings, Log& log) {
  if (login.account.is_virtual || login.account.is_read_only) return {};
  Result<SubmissionEnds> ends = open_submissions(settings);
  if (!ends) log.failure("take no mail from clients", ends.error());
  if (!ends || !ends->session.is_open()) return {};
  const pid_t child = ::fork();
  if (child < 0) return {};
  if (child > 0) {
    ends->keeper = Fd{};
    return std::move(*ends);
  }
  ::prctl(PR_SET_NAME, "pop-mailer");
  constexpr int place = 3;
  if (ends->keeper.get() != place && ::dup3(ends->keeper.get(), place, O_CLOEXEC) < 0) {
    ::_exit(EXIT_FAILURE);
  }
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(nowhere.get(), standard);  // the client of an inetd
  }
  ::close_range(place + 1, ~0U, 0);
  tend_submissions(Fd{place}, settings);
  ::_exit(EXIT_SUCCESS);
}

// Only once the gate has been forked, so that it cannot have it.
SessionBoard open_board(const Settings& settings, Log& log) {
  ::signal(wake_signal, SIG_IGN);  // until the session can be woken by it
  if (settings.scoreboard.empty()) return {};
  Result<Fd> file = Scoreboard::open_file(settings.scoreboard);
  Result<Scoreboard> board =
      file ? Scoreboard::map(std::move(*file)) : std::unexpected(file.error());
  if (board) return {std::move(*board), log};
  log.sentence(Severity::info, "no scoreboard: " + board.error().text);
  return {};
}

}  // namespace

int serve_single_client(SingleClient single, const Handover& handover, std::optional<Log>& log) {
  ignore_terminal_signals();
  ::signal(SIGCHLD, SIG_DFL);
  Result<Fd> key = VoucherKey::create();
  Result<Channel> gate =
      key ? spawn_gate(handover, *log, {std::move(single.client), std::move(single.certificates)},
                       *key)
          : std::unexpected(key.error());
  prepare_keeper_memory();
  const Result<VoucherKey> vouchers = key ? VoucherKey::open(*key) : std::unexpected(key.error());
  if (key) *key = Fd{};
  Result<Fd> memory = StampLedger::create();
  Result<StampLedger> stamps =
      memory ? StampLedger::open(*memory) : std::unexpected(memory.error());
  Result<std::unique_ptr<PasswordChecker>> checker =
      make_password_checker(handover.settings, &*log);
  if (!gate || !vouchers || !stamps || !checker) {
    log->failure("start a keeper", !gate       ? gate.error()
                                   : !vouchers ? vouchers.error()
                                   : !stamps   ? stamps.error()
                                               : checker.error());
    return EXIT_FAILURE;
  }
  SaslServer sasl{handover.settings, handover.host};
  SessionBoard board = open_board(handover.settings, *log);
  Activity activity = board.own();
  count_up(activity.counters().connections);
  std::optional<SessionStart> login;
  Keeper keeper{{handover, **checker, *stamps, *vouchers, *log, 0, &sasl, activity},
                Keeper::Logins::one,
                [&](SessionStart start) {
                  login = std::move(start);
                  return Result<void>{};
                }};
  serve_gate(keeper, *gate, *log);
  keeper.end_exchanges();
  if (!login) return EXIT_SUCCESS;
  ::signal(SIGCHLD, SIG_IGN);  // the gate ends now, and nobody waits for it
  if (single.notices) {
    NoticeSender{std::move(*single.notices), handover.host, *log, system_clock()}.on_login(
        notice_of(*login));
  }
  wipe_stack_below();
  const Result<SessionFilter> filter = SessionFilter::make();
  if (!filter) {
    log->failure("start a session", filter.error());
    return EXIT_FAILURE;
  }
  login->serial = board.next_serial();
  login->activity = &activity;
  board.become_session(scoreboard_facts(*login, handover.settings));
  const Languages languages = load_languages(handover.settings, *log);
  SubmissionEnds mail = fork_tender_of_mail(*login, handover.settings, *log);
  return run_session(*std::move(login), {handover, *filter, languages, mail.session.get()}, log);
}

int serve_single_client_anew(SingleClient single, const Handover& handover,
                             std::optional<Log>& log) {
  const Result<Fd> memory = seal_handover(handover);
  if (!memory) {
    log->failure("serve a client", memory.error());
    return EXIT_FAILURE;
  }
  std::vector<Placed> descriptors{{memory->get(), inherited::settings},
                                  {single.client.get(), inherited::client}};
  if (single.notices) descriptors.push_back({single.notices->fd(), inherited::notices});
  if (single.certificates.is_open()) {
    descriptors.push_back({single.certificates.get(), inherited::certificates});
  }
  log.reset();
  const Error why = become_role(single_role, descriptors);
  log.emplace(open_log(handover.log, handover.settings));
  log->failure("serve a client", why);
  return EXIT_FAILURE;
}

int run_single() {
  ::prctl(PR_SET_NAME, "popper");
  Fd memory{inherited::settings};
  SingleClient single;
  single.client = Fd{inherited::client};
  if (::fcntl(inherited::notices, F_GETFD) >= 0) single.notices.emplace(Fd{inherited::notices});
  if (::fcntl(inherited::certificates, F_GETFD) >= 0) {
    single.certificates = Fd{inherited::certificates};
  }
  const Result<Handover> handover = take_handover(memory);
  if (!handover) return EXIT_FAILURE;
  memory = Fd{};
  for (const int descriptor : {inherited::client, inherited::notices, inherited::certificates}) {
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  }
  std::optional<Log> log{open_log(handover->log, handover->settings)};
  return serve_single_client(std::move(single), *handover, log);
}

}  // namespace pop
