#include "popper/session_process.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "base/disk.h"
#include "base/secret.h"
#include "popper/client_stream.h"
#include "popper/mail_user.h"
#include "popper/role_log.h"
#include "popper/session.h"
#include "popper/session_program.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

// As ps(1) shows them.
constexpr const char* serving_name = "pop-session";
constexpr const char* idle_name = "pop-idle";

// Keeps 0 to 2 and the one, which becomes 3.
Result<Fd> close_all_but(Fd kept) {
  constexpr int place = 3;
  if (kept.get() != place && ::dup3(kept.get(), place, O_CLOEXEC) < 0) {
    const int saved = errno;
    return fail_errno(saved, "keep a session's descriptor");
  }
  (void)kept.release();
  if (::close_range(place + 1, ~0U, 0) != 0) {
    const int saved = errno;
    return fail_errno(saved, "close inherited descriptors");
  }
  return Fd{place};
}

// The log has a descriptor, too, which only it knows.
Result<Fd> close_inherited(Fd kept, const Handover& handover, std::optional<Log>& log) {
  log.reset();
  Result<Fd> moved = close_all_but(std::move(kept));
  log.emplace(open_log(handover.log, handover.settings));
  return moved;
}

void begin_session_process() {
  catch_end_signals();
  ::prctl(PR_SET_NAME, serving_name);
}

Result<void> take_user_over(SessionStart& start, const SessionBirth& birth,
                            std::optional<Log>& log) {
  const Settings& settings = birth.handover.settings;
  // A hash directory is shared, so it must not belong to the user who comes first.
  Result<void> hashed = make_hash_directories(system_disk(), settings, mail_user(start.account));
  if (!hashed) return hashed;
  // Needs NSS, so it comes before the descriptors go.
  Result<SessionRights> rights = session_rights(start.account, settings);
  if (!rights) return std::unexpected(rights.error());
  Result<Fd> client = close_inherited(std::move(start.client), birth.handover, log);
  if (!client) return std::unexpected(client.error());
  start.client = std::move(*client);
  if (!settings.session_program.empty()) return become(rights->identity);
  return enter_rights(*rights, birth.filter);
}

bool serve_next(Channel& channel, const SessionBirth& birth, std::optional<Log>& log) {
  Result<std::optional<Channel::Received>> received = channel.receive();
  if (!received || !*received) return false;
  Result<SessionStart> start = decode_session_start((*received)->record);
  if (!start || !(*received)->descriptor.is_open()) {
    log->failure("serve the next client",
                 start ? Error{Errc::corrupt, "no client"} : start.error());
    return false;
  }
  start->client = std::move((*received)->descriptor);
  ::prctl(PR_SET_NAME, serving_name);
  const bool well = serve_session(std::move(*start), birth.handover, log);
  ::prctl(PR_SET_NAME, idle_name);
  return well;
}

}  // namespace

int run_session(SessionStart start, const SessionBirth& birth, std::optional<Log>& log) {
  begin_session_process();
  ::mallopt(M_PERTURB, 0);  // the keeper's care for freed secrets; here is only the user's own mail
  if (const Result<void> done = take_user_over(start, birth, log); !done) {
    log->failure("start a session for " + start.account.name, done.error(),
                 {{"id", start.connection}});
    if (start.client.is_open()) refuse_session(start.client, done.error());
    return EXIT_FAILURE;
  }
  if (!birth.handover.settings.session_program.empty()) {
    return become_session_program(std::move(start), birth.handover, *log);
  }
  return serve_session(std::move(start), birth.handover, log) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run_session_after_session(const SessionRights& rights, Channel channel,
                              const SessionBirth& birth, std::optional<Log>& log) {
  begin_session_process();
  overwrite_freed_memory();
  Result<Fd> kept = close_inherited(std::move(channel).release(), birth.handover, log);
  const Result<void> done =
      kept ? enter_rights(rights, birth.filter) : std::unexpected(kept.error());
  if (!done) {
    log->failure("start a session process", done.error());
    return EXIT_FAILURE;
  }
  Channel keeper{std::move(*kept)};
  while (serve_next(keeper, birth, log)) {
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
