#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/handover.h"
#include "popper/restart_delay.h"

namespace pop {

/// The notifier as its master sees it: started when any service is configured, started again with
/// back-off when it ends. What keepers send meanwhile waits for it.
class NotifierProcess {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Made ready, not started; nullptr when no service is configured.
  [[nodiscard]] static Result<std::shared_ptr<NotifierProcess>> create(const Handover& handover);

  /// What keepers inherit to send notices to; does not block. Valid until leave().
  [[nodiscard]] int keepers_end() const { return keepers_->fd(); }

  void start_if_due(Log& log, Clock& clock);
  /// When start_if_due() has something to do again.
  [[nodiscard]] std::optional<Time> next_due() const;
  /// Whether the child was the notifier; then start_if_due() replaces it.
  [[nodiscard]] bool take_end(pid_t child, int wait_status, Log& log, Clock& clock);

  /// It will end after the last keeper that has its channel, and nobody will replace it. Its
  /// process id; 0 when there is none.
  [[nodiscard]] pid_t leave();

 private:
  NotifierProcess(Fd settings, Channel keepers, Channel own);

  Fd settings_;
  std::optional<Channel> keepers_, own_;
  pid_t pid_ = 0;
  Time started_{}, due_{};
  RestartDelay delay_;
};

}  // namespace pop
