#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "conf/takeover_rule.h"
#include "popper/takeover_watch.h"
#include "store/session_lock.h"

namespace pop {

/// What session-takeover makes of a maildrop that another session holds: the holder is asked to
/// end, if the rule says so, and waited for a few seconds. One that commits is only waited for. A
/// holder on another host, and who is no session, cannot be asked: that ends the wait at once.
class MaildropClaim final : public LockClaim {
 public:
  /// `watch` is told which calls are for us once the lock is ours. All outlive this.
  MaildropClaim(TakeoverRule rule, TakeoverWatch& watch, Clock& clock)
      : rule_{rule}, watch_{watch}, clock_{clock} {}

  [[nodiscard]] bool wait_for(const Fd& drop) override;
  void on_taken(const Fd& drop) override;

  /// The session that was asked last; 0: none was.
  [[nodiscard]] pid_t asked() const { return asked_; }
  /// That it answered that its client is there.
  [[nodiscard]] bool was_refused() const { return was_refused_; }
  /// Since the first wait.
  [[nodiscard]] std::chrono::milliseconds waited() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  [[nodiscard]] bool ask(const Fd& drop, std::uint64_t maildrop, Time now);

  TakeoverRule rule_;
  TakeoverWatch& watch_;
  Clock& clock_;
  std::optional<Time> begun_;
  Time next_call_{};
  pid_t asked_ = 0;
  std::uint32_t without_holder_ = 0;  // looks in a row
  bool was_refused_ = false;
};

}  // namespace pop
