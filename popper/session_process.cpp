#include "popper/session_process.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

#include "auth/pam_transaction.h"
#include "base/disk.h"
#include "base/secret.h"
#include "popper/client_stream.h"
#include "popper/mail_user.h"
#include "popper/role_log.h"
#include "popper/session.h"
#include "popper/session_groups.h"
#include "popper/session_program.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

// As ps(1) shows them.
constexpr const char* serving_name = "pop-session";
constexpr const char* idle_name = "pop-idle";
constexpr const char* holding_name = "pop-pam";

// PAM modules may hang: then what holds them is killed, and all goes that it leads.
constexpr unsigned longest_step_of_pam = 60;

// Keeps 0 to 2 and those that are open, which become 3 and what follows.
Result<void> close_all_but(std::initializer_list<Fd*> kept) {
  constexpr int place = 3;
  const int above = place + static_cast<int>(kept.size());
  for (Fd* const one : kept) {  // out of the way of each other
    if (!one->is_open() || one->get() >= above) continue;
    *one = Fd{::fcntl(one->get(), F_DUPFD_CLOEXEC, above)};
    if (!one->is_open()) return fail(Errc::io, "keep a session's descriptor");
  }
  int next = place;
  for (Fd* const one : kept) {
    if (!one->is_open()) continue;
    if (::dup3(one->get(), next, O_CLOEXEC) < 0) {
      const int saved = errno;
      return fail_errno(saved, "keep a session's descriptor");
    }
    (void)one->release();
    *one = Fd{next++};
  }
  if (::close_range(static_cast<unsigned>(next), ~0U, 0) == 0) return {};
  const int saved = errno;
  return fail_errno(saved, "close inherited descriptors");
}

// The log has a descriptor, too, which only it knows.
Result<void> close_inherited(std::initializer_list<Fd*> kept, const Handover& handover,
                             std::optional<Log>& log) {
  log.reset();
  Result<void> closed = close_all_but(kept);
  log.emplace(open_log(handover.log, handover.settings));
  return closed;
}

Result<void> close_inherited(SessionStart& start, const Handover& handover,
                             std::optional<Log>& log) {
  return close_inherited({&start.client, &start.socket, &start.submissions}, handover, log);
}

void begin_session_process() {
  catch_end_signals();
  ::prctl(PR_SET_NAME, serving_name);
}

Result<void> take_user_over(SessionStart& start, const SessionBirth& birth,
                            BulletinAccess& bulletins, std::optional<Log>& log) {
  const Settings& settings = birth.handover.settings;
  // A hash directory is shared, so it must not belong to the user who comes first.
  Result<void> hashed = make_hash_directories(system_disk(), settings, mail_user(start.account));
  if (!hashed) return hashed;
  // Needs NSS, so it comes before the descriptors go.
  Result<SessionRights> rights = session_rights(start.account, settings);
  if (!rights) return std::unexpected(rights.error());
  bulletins.groups = session_groups(start.account, settings);
  if (Result<void> closed = close_inherited(start, birth.handover, log); !closed) return closed;
  if (!settings.session_program.empty()) return become(rights->identity);
  start_teller(bulletins, settings, start.account.name, birth.filter);
  return enter_rights(*rights, birth.filter);
}

bool serve_next(Channel& channel, Activity& activity, const SessionBirth& birth,
                BulletinAccess& bulletins, std::optional<Log>& log) {
  Result<std::optional<Channel::Received>> received = channel.receive();
  Fd socket;
  if (received && *received && (*received)->record == socket_record) {
    socket = std::move((*received)->descriptor);
    received = channel.receive();
  }
  if (!received || !*received) return false;
  Result<SessionStart> start = decode_session_start((*received)->record);
  if (!start || !(*received)->descriptor.is_open()) {
    log->failure("serve the next client",
                 start ? Error{Errc::corrupt, "no client"} : start.error());
    return false;
  }
  start->client = std::move((*received)->descriptor);
  start->socket = std::move(socket);
  start->activity = &activity;
  start->languages = &birth.languages;
  ::prctl(PR_SET_NAME, serving_name);
  const bool well = serve_session(std::move(*start), birth.handover, bulletins, log);
  ::prctl(PR_SET_NAME, idle_name);
  return well && !bulletins.is_outdated();
}

int serve_as_user(SessionStart start, const SessionBirth& birth, std::optional<Log>& log) {
  begin_session_process();
  start.languages = &birth.languages;
  ::mallopt(M_PERTURB, 0);  // the keeper's care for freed secrets; here is only the user's own mail
  BulletinAccess bulletins;
  if (const Result<void> done = take_user_over(start, birth, bulletins, log); !done) {
    log->failure("start a session for " + start.account.name, done.error(),
                 {{"id", start.connection}});
    if (start.client.is_open()) refuse_session(start.client, done.error());
    return EXIT_FAILURE;
  }
  if (!birth.handover.settings.session_program.empty()) {
    return become_session_program(std::move(start), birth.handover, *log);
  }
  return serve_session(std::move(start), birth.handover, bulletins, log) ? EXIT_SUCCESS
                                                                         : EXIT_FAILURE;
}

// --- Sessions with one of PAM's

// SIGTERM goes to the group: the user's process ends then, and this one after it.
void stay_for_the_end(int) {}

void begin_holding() {
  ::prctl(PR_SET_NAME, holding_name);
  ::setpgid(0, 0);
  ::signal(SIGCHLD, SIG_DFL);
  struct sigaction stay {};
  stay.sa_handler = stay_for_the_end;
  stay.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &stay, nullptr);
  ::sigaction(SIGHUP, &stay, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

int status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return EXIT_FAILURE << 8;
  }
  return status;
}

// So that the keeper learns of a crash as of any session's.
int end_alike(int status) {
  if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
  ::signal(WTERMSIG(status), SIG_DFL);
  ::raise(WTERMSIG(status));
  return EXIT_FAILURE;
}

Result<void> begin_pam_session(PamSession& pam, SessionStart& start, const SessionBirth& birth,
                               std::optional<Log>& log) {
  // Before the modules open what must last.
  if (Result<void> closed = close_inherited(start, birth.handover, log); !closed) return closed;
  ::alarm(longest_step_of_pam);
  Result<void> begun = pam.begin();
  ::alarm(0);
  return begun;
}

// This process leads the session for PAM's modules, which may bind what they do to a process.
int serve_within(std::shared_ptr<PamSession> pam, SessionStart start, const SessionBirth& birth,
                 std::optional<Log>& log) {
  const std::string user = start.account.name, connection = start.connection;
  const auto fail_to = [&](std::string_view doing, const Error& error) {
    log->failure(std::string{doing} + user, error, {{"id", connection}});
  };
  begin_holding();
  if (const Result<void> begun = begin_pam_session(*pam, start, birth, log); !begun) {
    fail_to("open a PAM session for ", begun.error());
    if (start.client.is_open()) refuse_session(start.client, begun.error());
    return EXIT_FAILURE;
  }
  wipe_stack_below();
  const pid_t child = ::fork();
  if (child == 0) {
    pam.reset();
    return serve_as_user(std::move(start), birth, log);
  }
  if (child < 0) {
    const int saved = errno;
    const Error error = errno_error(saved, "fork a session");
    fail_to("start a session for ", error);
    refuse_session(start.client, error);
  }
  start = {};  // the client's descriptor is the child's alone
  const int status = child < 0 ? EXIT_FAILURE << 8 : status_of(child);
  ::alarm(longest_step_of_pam);
  const Result<void> ended = pam->end();
  pam.reset();
  ::alarm(0);
  if (!ended) fail_to("close the PAM session of ", ended.error());
  return end_alike(status);
}

}  // namespace

int run_session(SessionStart start, const SessionBirth& birth, std::optional<Log>& log) {
  if (birth.submissions >= 0 && !start.account.is_virtual && !start.account.is_read_only) {
    start.submissions = Fd{::fcntl(birth.submissions, F_DUPFD_CLOEXEC, 3)};
  }
  std::shared_ptr<PamSession> pam = std::exchange(start.account.pam_session, nullptr);
  if (pam) return serve_within(std::move(pam), std::move(start), birth, log);
  return serve_as_user(std::move(start), birth, log);
}

void signal_session(pid_t session, int signal) {
  const bool leads_a_group = ::getpgid(session) == session;
  ::kill(leads_a_group ? -session : session, signal);
}

int run_session_after_session(ServerInTurn server, const SessionBirth& birth,
                              std::optional<Log>& log) {
  begin_session_process();
  overwrite_freed_memory();
  const Settings& settings = birth.handover.settings;
  BulletinAccess bulletins{.groups = session_groups(server.rights.identity, settings),
                           .teller = {},
                           .no_teller = {},
                           .serves_many = true,
                           .site = nullptr,
                           .database = {}};
  Fd kept = std::move(server.channel).release();
  Result<void> done = close_inherited({&kept}, birth.handover, log);
  if (done) {
    start_teller(bulletins, settings, {}, birth.filter);
    done = enter_rights(server.rights, birth.filter);
  }
  if (!done) {
    log->failure("start a session process", done.error());
    return EXIT_FAILURE;
  }
  Channel keeper{std::move(kept)};
  while (serve_next(keeper, server.activity, birth, bulletins, log)) {
    wipe_stack_below();
    if (!keeper.send(idle_report)) break;  // the keeper has gone
  }
  return EXIT_SUCCESS;
}

void overwrite_freed_memory() {
  ::mallopt(M_PERTURB, 0x5a);
}

namespace {

// An array of this much would do for all of the stack, but every page of it would be touched, and
// most of them for the first time.
constexpr std::uintptr_t page = 4096;
constexpr std::uintptr_t way_back = 1024;
constexpr std::uintptr_t given_back = 64 * page;

template <std::uintptr_t octets>
[[gnu::noinline]] void overwrite_stack_below() {
  std::array<char, octets> below;
  wipe(below);
}

}  // namespace

// Whole pages go back to the kernel, which gives zeros for them; what was never used costs nothing
// then. What is nearest is overwritten, since there lies the way back out of madvise().
[[gnu::noinline]] void wipe_stack_below() {
  overwrite_stack_below<way_back + page>();
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t end = (here - way_back) / page * page;
  void* const begin = reinterpret_cast<void*>(end - given_back);
  if (::madvise(begin, given_back, MADV_DONTNEED) == 0) return;
  // ENOMEM: the stack has never been that deep; what there is of it has gone all the same.
  if (errno != ENOMEM) overwrite_stack_below<given_back>();
}

void give_free_memory_back() {
  ::malloc_trim(0);
  wipe_stack_below();
}

}  // namespace pop
