#include "popper/takeover_call.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace pop {
namespace {

constexpr unsigned rule_bits = 20;
constexpr std::uintptr_t rule_mask = (std::uintptr_t{1} << rule_bits) - 1;
constexpr std::uintptr_t says_dead = rule_mask, says_it_stays = rule_mask - 1, says_always = 0;
constexpr std::uint64_t maildrop_mask = UINTPTR_MAX >> rule_bits;

// Beyond what any program locks, and any file holds.
constexpr off_t signature_at = off_t{1} << 62;

// Written by the handler, which runs only while this thread waits with the signal let in.
std::atomic<std::uintptr_t> heard_number = 0;
std::atomic<pid_t> heard_from = 0;
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free &&
              std::atomic<pid_t>::is_always_lock_free);

void note(const siginfo_t& info) {
  if (info.si_code != SI_QUEUE) return;  // the kernel's, about a file or a socket
  heard_number.store(reinterpret_cast<std::uintptr_t>(info.si_value.sival_ptr));
  heard_from.store(info.si_pid);
}

extern "C" void note_call(int /*signal*/, siginfo_t* info, void* /*context*/) {
  note(*info);
}

sigset_t call_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGURG);
  return set;
}

std::optional<ReceivedCall> take_noted() {
  const auto call = TakeoverCall::decode(heard_number.exchange(0));
  if (!call) return std::nullopt;
  return ReceivedCall{*call, heard_from.load()};
}

struct flock signature() {
  struct flock place {};
  place.l_type = F_WRLCK;
  place.l_whence = SEEK_SET;
  place.l_start = signature_at;
  place.l_len = 1;
  return place;
}

}  // namespace

std::uintptr_t TakeoverCall::encoded() const {
  std::uintptr_t said = says_it_stays;
  if (rule) {
    switch (rule->when) {
      case TakeoverRule::When::never:
        break;
      case TakeoverRule::When::dead:
        said = says_dead;
        break;
      case TakeoverRule::When::idle:
        said = static_cast<std::uintptr_t>(rule->silence.count()) & rule_mask;
        break;
      case TakeoverRule::When::always:
        said = says_always;
        break;
    }
  }
  return (static_cast<std::uintptr_t>(maildrop & maildrop_mask) << rule_bits) | said;
}

std::optional<TakeoverCall> TakeoverCall::decode(std::uintptr_t number) {
  TakeoverCall call{number >> rule_bits, {}};
  if (call.maildrop == 0) return std::nullopt;
  switch (const std::uintptr_t said = number & rule_mask) {
    case says_it_stays:
      break;
    case says_dead:
      call.rule = TakeoverRule{TakeoverRule::When::dead};
      break;
    case says_always:
      call.rule = TakeoverRule{TakeoverRule::When::always};
      break;
    default:
      call.rule = TakeoverRule{TakeoverRule::When::idle,
                               std::chrono::seconds{static_cast<std::int64_t>(said)}};
  }
  return call;
}

std::optional<std::uint64_t> mark_of(const Fd& lock_file) {
  struct stat st {};
  if (::fstat(lock_file.get(), &st) != 0) return std::nullopt;
  constexpr unsigned half = 32;
  const std::uint64_t mixed = st.st_ino ^ (std::uint64_t{st.st_dev} << half >> rule_bits);
  const std::uint64_t mark = mixed & maildrop_mask;
  return mark == 0 ? 1 : mark;
}

void sign_lock(const Fd& lock_file) {
  struct flock place = signature();
  (void)::fcntl(lock_file.get(), F_SETLK, &place);
}

std::optional<pid_t> signer_of_lock(const Fd& lock_file) {
  struct flock place = signature();
  if (::fcntl(lock_file.get(), F_GETLK, &place) != 0) return std::nullopt;
  if (place.l_type == F_UNLCK || place.l_pid <= 1) return std::nullopt;
  return place.l_pid;
}

void begin_to_hear_calls() {
  const sigset_t set = call_signal();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  struct sigaction action {};
  action.sa_sigaction = note_call;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGURG, &action, nullptr);
}

std::optional<ReceivedCall> take_call() {
  if (auto noted = take_noted()) return noted;
  sigset_t pending;
  if (::sigpending(&pending) != 0 || ::sigismember(&pending, SIGURG) != 1) return std::nullopt;
  return wait_for_call(std::chrono::milliseconds{0});
}

std::optional<ReceivedCall> wait_for_call(std::chrono::milliseconds at_most) {
  const sigset_t set = call_signal();
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(at_most);
  const timespec limit{whole.count(), std::chrono::nanoseconds{at_most - whole}.count()};
  siginfo_t info{};
  if (::sigtimedwait(&set, &info, &limit) == SIGURG) note(info);
  return take_noted();
}

bool send_call(pid_t to, const TakeoverCall& call) {
  const sigval value{.sival_ptr = reinterpret_cast<void*>(call.encoded())};
  return ::sigqueue(to, SIGURG, value) == 0 || errno == EAGAIN;
}

}  // namespace pop
