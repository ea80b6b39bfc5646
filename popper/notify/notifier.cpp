#include "popper/notify/notifier.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <vector>

#include "auth/account.h"
#include "base/clock.h"
#include "daemon/signals.h"
#include "popper/notify/login_notifier.h"
#include "popper/notify/service_queue.h"
#include "daemon/privileges.h"
#include "popper/role_log.h"

namespace pop {
namespace {

// For what is left at the end: the master waits longer, and when it is in a hurry it says so.
constexpr std::chrono::seconds patience{5}, hurried_patience{1};

using Services = std::vector<std::unique_ptr<ServiceQueue>>;

/// Hands each notice to every service until nobody can send any more.
class Notifier {
 public:
  Notifier(Channel notices, Fd signals, const Services& services)
      : notices_{std::move(notices)}, signals_{std::move(signals)}, services_{services} {}

  void run() {
    while (receive()) {
    }
    const auto deadline = system_clock().steady() + (is_hurried_ ? hurried_patience : patience);
    for (const std::unique_ptr<ServiceQueue>& service : services_) {
      // What takes longer is lost, and the log has heard why it takes so long.
      static_cast<void>(service->finish(deadline));
    }
  }

 private:
  [[nodiscard]] bool receive() {
    std::array<pollfd, 2> waiting{{{notices_.fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) return errno == EINTR;
    signalfd_siginfo signal{};
    if (waiting[1].revents != 0 && ::read(signals_.get(), &signal, sizeof signal) > 0) {
      is_hurried_ = true;
    }
    if (waiting[0].revents == 0) return true;
    const Result<std::optional<Channel::Received>> received = notices_.receive();
    if (!received) return received.error().code == Errc::corrupt;
    if (!*received) return false;
    const Result<LoginNotice> notice = decode_login_notice((*received)->record);
    if (!notice) return true;  // no keeper sends such
    for (const std::unique_ptr<ServiceQueue>& service : services_) service->put(*notice);
    return true;
  }

  Channel notices_;
  Fd signals_;  // SIGTERM
  const Services& services_;
  bool is_hurried_ = false;
};

/// gate-user, but without the empty root: names are looked up and libraries loaded.
Result<void> give_up_rights(const Settings& settings) {
  const struct rlimit no_core {};
  ::setrlimit(RLIMIT_CORE, &no_core);
  if (!runs_as_root()) return become({::geteuid(), ::getegid(), {}, 0077});
  const Result<Account> user = find_system_account(settings.gate_user);
  if (!user) return std::unexpected(Error{user.error()}.in("gate-user"));
  return become({user->uid, user->gid, {}, 0077});
}

// Does not come back: a thread may hang in a service, and there is nothing left to undo.
[[noreturn]] void serve(Channel notices, const Handover& handover, Log& log) {
  ::prctl(PR_SET_NAME, "pop-notifier");
  Fd signals = receive_signals({SIGTERM});
  if (const Result<void> given_up = give_up_rights(handover.settings); !given_up) {
    log.failure("start the notifier", given_up.error());
    ::_exit(EXIT_FAILURE);
  }
  NoticeLog shared_log{log};
  Result<std::vector<std::unique_ptr<LoginNotifier>>> notifiers =
      make_login_notifiers(handover.settings, shared_log);
  if (!notifiers) {
    log.failure("start the notifier", notifiers.error());
    ::_exit(EXIT_FAILURE);
  }
  Services services;
  for (std::unique_ptr<LoginNotifier>& notifier : *notifiers) {
    services.push_back(
        std::make_unique<ServiceQueue>(std::move(notifier), shared_log, system_clock()));
  }
  Notifier{std::move(notices), std::move(signals), services}.run();
  ::_exit(EXIT_SUCCESS);
}

}  // namespace

int run_notifier() {
  ignore_terminal_signals();
  Fd memory{inherited::settings};
  Channel notices{Fd{inherited::notices}};
  ::fcntl(notices.fd(), F_SETFD, FD_CLOEXEC);
  const Result<Handover> handover = take_handover(memory);
  if (!handover) return EXIT_FAILURE;
  Log log = open_log(handover->log, handover->settings);
  memory = Fd{};
  serve(std::move(notices), *handover, log);
}

Result<std::optional<Channel>> fork_notifier(const Handover& handover, std::optional<Log>& log) {
  if (!wants_notices(handover.settings)) return std::nullopt;
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(ends.error());
  ::fcntl(ends->first.fd(), F_SETFL, O_NONBLOCK);
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork the notifier");
  }
  if (child > 0) return std::move(ends->first);
  ignore_terminal_signals();
  log.reset();
  const int notices = ends->second.fd();
  // The client must see the end of its connection when the session ends it.
  ::close_range(STDERR_FILENO + 1, static_cast<unsigned>(notices) - 1, 0);
  ::close_range(static_cast<unsigned>(notices) + 1, ~0U, 0);
  log.emplace(open_log(handover.log, handover.settings));
  serve(std::move(ends->second), handover, *log);
}

}  // namespace pop
