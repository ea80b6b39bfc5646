#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "popper/notify/log_pace.h"
#include "popper/notify/login_notifier.h"

namespace pop {

/// A thread that tells one service, so that a slow one keeps no other waiting. Failures are logged,
/// one a minute at most.
class ServiceQueue {
 public:
  static constexpr std::size_t most_waiting = 1000;

  /// `log` and `clock` must outlive the thread, which ends with the object.
  ServiceQueue(std::unique_ptr<LoginNotifier> notifier, NoticeLog& log, Clock& clock);
  ~ServiceQueue();
  ServiceQueue(const ServiceQueue&) = delete;
  ServiceQueue& operator=(const ServiceQueue&) = delete;

  /// Does not block. The notice is lost when most_waiting others wait.
  void put(const LoginNotice& notice);

  /// Blocks until everything was told. False when that took longer than until `deadline`.
  [[nodiscard]] bool finish(std::chrono::steady_clock::time_point deadline);

 private:
  void run();
  void complain(const LoginNotice& notice, std::string_view why);

  std::unique_ptr<LoginNotifier> notifier_;
  NoticeLog& log_;
  Clock& clock_;
  std::mutex mutex_;  // of all that follows
  std::condition_variable changed_;
  std::deque<LoginNotice> waiting_;
  LogPace pace_;
  bool is_telling_ = false;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace pop
