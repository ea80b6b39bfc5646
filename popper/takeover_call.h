#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "conf/takeover_rule.h"

namespace pop {

/// What one session says to another of this host about a maildrop: a number that SIGURG carries,
/// which does nothing to a process that does not expect it. Who may send it to whom is the kernel's
/// matter: the user's own processes and root.
struct TakeoverCall {
  /// Which maildrop, as mark_of() has it.
  std::uint64_t maildrop = 0;
  /// End, if this rule says so; none: the answer that the session stays.
  std::optional<TakeoverRule> rule;

  /// Never 0. 20 bits of it are the rule, what is left of a pointer is the maildrop.
  [[nodiscard]] std::uintptr_t encoded() const;
  [[nodiscard]] static std::optional<TakeoverCall> decode(std::uintptr_t number);
};

/// A number for the session lock's file, the same in every process as long as the file exists.
/// nullopt: the file cannot be looked at.
[[nodiscard]] std::optional<std::uint64_t> mark_of(const Fd& lock_file);

/// Lets others know which process has the lock, until it closes any descriptor of the file. On a
/// file system whose locks of both kinds are one, as NFS, it has no effect.
void sign_lock(const Fd& lock_file);
/// Who has signed; nullopt: nobody, or nobody whom this process could send a signal to.
[[nodiscard]] std::optional<pid_t> signer_of_lock(const Fd& lock_file);

struct ReceivedCall {
  TakeoverCall call;
  pid_t from = 0;  // as it says itself
};

/// From now on calls wait until one of these functions takes them; the signal itself is to be let
/// in only in a wait that it shall interrupt.
void begin_to_hear_calls();
/// The latest that has come, also during such a wait.
[[nodiscard]] std::optional<ReceivedCall> take_call();
/// Blocks so long at most.
[[nodiscard]] std::optional<ReceivedCall> wait_for_call(std::chrono::milliseconds at_most);
/// False: there is no such process any more, or it is somebody else's.
[[nodiscard]] bool send_call(pid_t to, const TakeoverCall& call);

}  // namespace pop
