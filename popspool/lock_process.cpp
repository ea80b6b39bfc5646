// Both sides talk over a socket pair of datagrams: the process says "+PATH" once the locks are
// held, or "-", a digit of Errc and the text; asked to let go, it says the same again.

#include "popspool/lock_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <optional>

#include "base/clock.h"
#include "conf/scope.h"
#include "store/backoff.h"
#include "store/locked_spool.h"
#include "store/maildir_location.h"

namespace pop {
namespace {

using std::chrono::milliseconds;

/// Well below any age at which a dotlock counts as abandoned.
constexpr milliseconds refresh_interval{5000};
constexpr std::size_t longest_message = 8192;

constexpr char error_digit(Errc code) {
  return static_cast<char>('a' + static_cast<int>(code));
}

void say(const Fd& socket, std::string text) {
  text.resize(std::min(text.size(), longest_message));
  (void)::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
}

void say(const Fd& socket, const Error& error) {
  say(socket, std::string{"-"} + error_digit(error.code) + error.text);
}

/// What the other side says; empty when there is no other side any more.
std::string hear(const Fd& socket) {
  std::array<char, longest_message> text{};
  for (;;) {
    const ssize_t got = ::recv(socket.get(), text.data(), text.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    return {text.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
  }
}

Result<std::string> understood(const std::string& said) {
  if (said.starts_with('+')) return said.substr(1);
  if (said.size() < 2) return fail(Errc::io, "internal error: the process that holds locks ended");
  return fail(static_cast<Errc>(said[1] - 'a'), said.substr(2));
}

/// The locks themselves, in the process that holds them.
class HeldLocks {
 public:
  HeldLocks(const MaildropContext& context, const MailUser& user)
      : context_{context}, user_{user} {}

  /// The path of the mail.
  Result<std::string> take(milliseconds patience) {
    Result<MaildropLocation> location = locate_maildrop(context_.disk, context_.settings, user_);
    if (!location) return std::unexpected(std::move(location).error());
    location_ = std::move(*location);
    const Result<MailFormat> format = format_of_maildrop(context_, user_, *location_);
    if (!format) return std::unexpected(format.error());
    Backoff until{context_.clock, patience};
    for (;;) {
      Result<std::string> taken = *format == MailFormat::maildir ? take_maildir() : take_spool();
      if (taken || taken.error().code != Errc::busy || !until.wait()) return taken;
    }
  }

  Result<void> refresh() { return spool_ ? spool_->lock().refresh() : Result<void>{}; }

 private:
  Result<std::string> take_spool() {
    Result<LockedSpool> locked = LockedSpool::open(context_, user_, *location_);
    if (!locked) return std::unexpected(std::move(locked).error());
    spool_.emplace(std::move(*locked));
    return location_->spool.path();
  }

  Result<std::string> take_maildir() {
    Result<std::optional<MaildirLocation>> maildir =
        locate_maildir(context_.disk, context_.settings, user_, *location_);
    if (!maildir) return std::unexpected(std::move(maildir).error());
    if (!*maildir) return fail(Errc::not_found, "there is no " + location_->spool.path());
    Result<SessionLock> session = SessionLock::acquire(context_, (*maildir)->drop, user_);
    if (!session) return std::unexpected(std::move(session).error());
    session_.emplace(std::move(*session));
    return (*maildir)->root->path.native();
  }

  const MaildropContext& context_;
  const MailUser& user_;
  std::optional<MaildropLocation> location_;
  std::optional<LockedSpool> spool_;
  std::optional<SessionLock> session_;
};

/// Until somebody says that it is enough, or nobody is left who could.
void hold(HeldLocks& locks, const Fd& socket) {
  Result<void> held;
  pollfd polled{.fd = socket.get(), .events = POLLIN, .revents = 0};
  for (;;) {
    const int ready = ::poll(&polled, 1, static_cast<int>(refresh_interval.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready != 0) break;
    if (held) held = locks.refresh();
  }
  if (hear(socket).empty()) return;
  if (held) {
    say(socket, "+");
  } else {
    say(socket, held.error());
  }
}

void take_and_hold(const MailTarget& target, const Settings& settings, milliseconds patience,
                   const Fd& socket) {
  if (target.identity) {
    if (const Result<void> done = become(*target.identity); !done) {
      return say(socket, done.error());
    }
  }
  const MailUser& user = target.user;
  const UserSettings own = settings_of_user(
      settings, system_disk(), {.name = user.name, .uid = user.uid, .home = user.home.native()});
  const MaildropContext context{own.settings, system_disk(), system_clock()};
  HeldLocks locks{context, user};
  const Result<std::string> mail = locks.take(patience);
  if (!mail) return say(socket, mail.error());
  say(socket, "+" + *mail);
  hold(locks, socket);
}

[[noreturn]] void be_the_process(const MailTarget& target, const Settings& settings,
                                 milliseconds patience, Fd socket) {
  // A signal from the terminal is for the program that works under the locks.
  (void)::setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_IGN);
  const auto kept = static_cast<unsigned>(socket.get());
  if (kept > 3) (void)::close_range(3, kept - 1, 0);
  (void)::close_range(kept + 1, ~0U, 0);
  try {
    take_and_hold(target, settings, patience, socket);
  } catch (const std::exception& bug) {
    say(socket, Error{Errc::io, std::string{"internal error: "} + bug.what()});
  }
  ::_exit(0);
}

}  // namespace

Result<LockProcess> LockProcess::start(const MailTarget& target, const Settings& settings,
                                       std::chrono::seconds patience) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail_errno(errno, "make a socket pair");
  }
  Fd ours{ends[0]};
  Fd theirs{ends[1]};
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) {
    ours = Fd{};
    be_the_process(target, settings, patience, std::move(theirs));
  }
  theirs = Fd{};
  const Result<std::string> mail = understood(hear(ours));
  LockProcess process{pid, std::move(ours), mail.value_or("")};
  if (!mail) return std::unexpected(mail.error());
  return process;
}

LockProcess::~LockProcess() {
  if (lifeline_.is_open()) (void)release();
}

Result<void> LockProcess::release() {
  say(lifeline_, "release");
  const Result<std::string> done = understood(hear(lifeline_));
  lifeline_ = Fd{};
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!done) return std::unexpected(done.error());
  return {};
}

}  // namespace pop
