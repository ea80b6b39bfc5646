#include "popper/name_finders.h"

#include <system_error>
#include <thread>
#include <utility>

namespace pop {

NameFinders::NameFinders(Find find, Report report, const Clock& clock)
    : find_{std::move(find)}, report_{std::move(report)}, clock_{clock} {}

void NameFinders::ask(const NameQuestion& question) {
  const std::lock_guard lock{mutex_};
  if (const std::string* name = known_name(question.address)) {
    return report_.answer({question.connection, *name});
  }
  const auto asked = askers_.find(question.address);
  if (asked != askers_.end()) {
    if (asked->second.size() < most_askers) asked->second.push_back(question.connection);
    return;
  }
  if (waiting_.size() >= most_waiting) return;
  askers_[question.address] = {question.connection};
  waiting_.push_back(question.address);
  wake_a_thread();
}

const std::string* NameFinders::known_name(const std::string& address) {
  const auto entry = known_.find(address);
  if (entry == known_.end()) return nullptr;
  if (clock_.steady() < entry->second.until) return &entry->second.name;
  known_.erase(entry);
  return nullptr;
}

void NameFinders::wake_a_thread() {
  if (idle_ >= waiting_.size() || threads_ >= most_threads) return work_is_there_.notify_one();
  try {
    std::thread{[this] { work(); }}.detach();
    ++threads_;
  } catch (const std::system_error&) {
    work_is_there_.notify_one();  // then the others must do
  }
}

void NameFinders::work() {
  std::unique_lock lock{mutex_};
  while (true) {
    ++idle_;
    work_is_there_.wait(lock, [this] { return !waiting_.empty(); });
    --idle_;
    const std::string address = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const ClientName found = find_(address);
    lock.lock();
    take(address, found);
  }
}

void NameFinders::take(const std::string& address, const ClientName& found) {
  make_room();
  const auto keeps = found.name.empty() ? failure_keeps : name_keeps;
  known_[address] = {found.name, clock_.steady() + keeps};
  if (!found.complaint.empty()) report_.complain(found.complaint);
  for (const std::uint64_t connection : askers_[address]) {
    report_.answer({connection, found.name});
  }
  askers_.erase(address);
}

void NameFinders::make_room() {
  if (known_.size() < most_known) return;
  const Time now = clock_.steady();
  std::erase_if(known_, [now](const auto& entry) { return entry.second.until <= now; });
  if (known_.size() >= most_known) known_.clear();
}

}  // namespace pop
