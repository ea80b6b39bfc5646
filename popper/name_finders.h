#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "popper/client_name.h"
#include "popper/name_lookup.h"

namespace pop {

/// A few threads that look names up, and what they have found. Whatever the name servers do, no
/// more than most_threads wait for them, and no more than most_waiting addresses for a thread: what
/// is asked beyond stays without an answer. An address is looked up once, however many ask.
class NameFinders {
 public:
  static constexpr std::size_t most_threads = 8;
  static constexpr std::size_t most_waiting = 256;
  static constexpr std::size_t most_askers = 64;  // of one address
  static constexpr std::size_t most_known = 4096;
  static constexpr std::chrono::seconds name_keeps{600};
  static constexpr std::chrono::seconds failure_keeps{60};

  using Find = std::function<ClientName(const std::string& address)>;
  /// Called from any thread, one at a time; must not block.
  struct Report {
    std::function<void(const NameAnswer&)> answer;
    std::function<void(const std::string& complaint)> complain;
  };

  /// All that is passed must outlive the process: its threads are never joined.
  NameFinders(Find find, Report report, const Clock& clock);
  NameFinders(const NameFinders&) = delete;
  NameFinders& operator=(const NameFinders&) = delete;

  /// Answers at once what is known. Never waits for a look-up.
  void ask(const NameQuestion& question);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Known {
    std::string name;
    Time until;
  };

  [[nodiscard]] const std::string* known_name(const std::string& address);
  void wake_a_thread();
  void work();
  void take(const std::string& address, const ClientName& found);
  void make_room();

  Find find_;
  Report report_;
  const Clock& clock_;
  std::mutex mutex_;  // for all that follows
  std::condition_variable work_is_there_;
  std::deque<std::string> waiting_;
  std::map<std::string, std::vector<std::uint64_t>> askers_;  // waiting, or being looked up
  std::map<std::string, Known> known_;
  std::size_t threads_ = 0, idle_ = 0;
};

}  // namespace pop
