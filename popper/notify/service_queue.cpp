#include "popper/notify/service_queue.h"

#include <string>
#include <utility>

#include "base/text.h"

namespace pop {

ServiceQueue::ServiceQueue(std::unique_ptr<LoginNotifier> notifier, NoticeLog& log, Clock& clock)
    : notifier_{std::move(notifier)}, log_{log}, clock_{clock}, thread_{[this] { run(); }} {}

ServiceQueue::~ServiceQueue() {
  {
    const std::scoped_lock lock{mutex_};
    is_ending_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  thread_.join();
}

void ServiceQueue::put(const LoginNotice& notice) {
  {
    const std::scoped_lock lock{mutex_};
    if (waiting_.size() >= most_waiting) return complain(notice, "too many notices wait");
    waiting_.push_back(notice);
  }
  changed_.notify_all();
}

bool ServiceQueue::finish(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock{mutex_};
  return changed_.wait_until(lock, deadline, [this] { return waiting_.empty() && !is_telling_; });
}

void ServiceQueue::run() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
    if (is_ending_) return;
    const LoginNotice notice = std::move(waiting_.front());
    waiting_.pop_front();
    is_telling_ = true;
    lock.unlock();
    const Result<void> told = notifier_->tell(notice);
    lock.lock();
    is_telling_ = false;
    if (!told) complain(notice, told.error().text);
    changed_.notify_all();
  }
}

// Under the mutex.
void ServiceQueue::complain(const LoginNotice& notice, std::string_view why) {
  const auto held_back = pace_.next(clock_.steady());
  if (!held_back) return;
  std::string line = std::string{notifier_->name()} + ": nobody was told that " + notice.user +
                     " from " + notice.address +
                     (notice.kind == LoginNotice::Kind::login ? " logged in: " : " logged out: ") +
                     std::string{why};
  if (*held_back > 0) line += " (and " + std::to_string(*held_back) + " before)";
  log_.sentence(Severity::warning, line);
}

}  // namespace pop
