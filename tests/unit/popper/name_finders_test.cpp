#include "popper/name_finders.h"

#include <atomic>
#include <set>
#include <thread>

#include "support/catch.h"

using namespace pop;

namespace {

using namespace std::chrono_literals;

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return {}; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point{std::chrono::seconds{seconds}};
  }
  void sleep(std::chrono::milliseconds) override {}

  std::atomic<std::int64_t> seconds{1};
};

/// Look-ups that wait until they may go on. Never destroyed, for the threads go on with the
/// process.
struct Bench {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = true;
  std::size_t inside = 0, most_inside = 0, look_ups = 0;
  std::multiset<std::uint64_t> answered;
  std::set<std::string> names;
  std::size_t complaints = 0;
  StillClock clock;
  NameFinders finders{[this](const std::string& address) { return find(address); },
                      {[this](const NameAnswer& answer) { take(answer); },
                       [this](const std::string&) {
                         const std::lock_guard lock{mutex};
                         ++complaints;
                       }},
                      clock};

  static Bench& make() {
    static std::vector<std::unique_ptr<Bench>>& all = *new std::vector<std::unique_ptr<Bench>>;
    return *all.emplace_back(std::make_unique<Bench>());
  }

  ClientName find(const std::string& address) {
    std::unique_lock lock{mutex};
    ++look_ups;
    most_inside = std::max(most_inside, ++inside);
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    --inside;
    if (address == "192.0.2.66") return {"", "nobody knows"};
    return {"host-" + address, ""};
  }

  void take(const NameAnswer& answer) {
    const std::lock_guard lock{mutex};
    answered.insert(answer.connection);
    names.insert(answer.name);
    changed.notify_all();
  }

  void set_open(bool now) {
    const std::lock_guard lock{mutex};
    open = now;
    changed.notify_all();
  }

  /// Patience is for a busy machine only.
  template <class Condition>
  bool soon(Condition condition) {
    std::unique_lock lock{mutex};
    return changed.wait_for(lock, 20s, condition);
  }
};

std::string address_of(std::size_t number) {
  return "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250);
}

}  // namespace

TEST_CASE("A name is looked up once and then known for a while", "[popper][names]") {
  Bench& bench = Bench::make();
  bench.finders.ask({1, "192.0.2.1"});
  REQUIRE(bench.soon([&] { return bench.answered.contains(1); }));
  CHECK(bench.names == std::set<std::string>{"host-192.0.2.1"});
  bench.finders.ask({2, "192.0.2.1"});
  CHECK(bench.answered.contains(2));  // at once
  CHECK(bench.look_ups == 1);
  bench.clock.seconds += NameFinders::name_keeps.count() + 1;
  bench.finders.ask({3, "192.0.2.1"});
  REQUIRE(bench.soon([&] { return bench.answered.contains(3); }));
  CHECK(bench.look_ups == 2);
}

TEST_CASE("That there is no name is known, too, but not for long", "[popper][names]") {
  Bench& bench = Bench::make();
  bench.finders.ask({1, "192.0.2.66"});
  REQUIRE(bench.soon([&] { return bench.answered.contains(1); }));
  CHECK(bench.names == std::set<std::string>{""});
  CHECK(bench.complaints == 1);
  bench.finders.ask({2, "192.0.2.66"});
  CHECK(bench.look_ups == 1);
  bench.clock.seconds += NameFinders::failure_keeps.count() + 1;
  bench.finders.ask({3, "192.0.2.66"});
  REQUIRE(bench.soon([&] { return bench.answered.contains(3); }));
  CHECK(bench.look_ups == 2);
}

TEST_CASE("Whoever asks for an address that is being looked up gets the same answer",
          "[popper][names]") {
  Bench& bench = Bench::make();
  bench.set_open(false);
  for (std::uint64_t i = 1; i <= NameFinders::most_askers + 10; ++i) {
    bench.finders.ask({i, "192.0.2.1"});
  }
  bench.set_open(true);
  REQUIRE(bench.soon([&] { return bench.answered.size() == NameFinders::most_askers; }));
  CHECK(bench.look_ups == 1);
}

TEST_CASE("Name servers that do not answer hold up a bounded number of threads and questions",
          "[popper][names]") {
  Bench& bench = Bench::make();
  bench.set_open(false);
  constexpr std::size_t many = 1000;
  // The first few are with threads before the others come, so that it is known who waits.
  for (std::size_t i = 0; i < NameFinders::most_threads; ++i) {
    bench.finders.ask({i, address_of(i)});
    REQUIRE(bench.soon([&] { return bench.inside == i + 1; }));
  }
  for (std::size_t i = NameFinders::most_threads; i < many; ++i) {
    bench.finders.ask({i, address_of(i)});
  }
  bench.set_open(true);
  constexpr std::size_t bound = NameFinders::most_threads + NameFinders::most_waiting;
  REQUIRE(bench.soon([&] { return bench.answered.size() == bound; }));
  CHECK(bench.look_ups == bound);
  CHECK(bench.most_inside == NameFinders::most_threads);
  bench.finders.ask({many, "192.0.2.1"});  // and all is well again
  CHECK(bench.soon([&] { return bench.answered.contains(many); }));
}
