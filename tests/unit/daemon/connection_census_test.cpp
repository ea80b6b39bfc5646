#include "daemon/connection_census.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "support/catch.h"

using namespace pop;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds memory = seconds{120};
const Census::Time start{std::chrono::hours{24}};

/// An office with processes that watch one another.
struct Town {
  CensusOffice office;
  std::vector<Census> people;

  explicit Town(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const Result<std::size_t> table = office.take_free();
      REQUIRE(table);
      office.assign(*table, process(i));
      Result<Census> census = Census::open(Fd{::dup(office.writable(*table))});
      REQUIRE(census);
      people.push_back(std::move(*census));
    }
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < count; ++j) {
        if (i != j) REQUIRE(people[i].watch(Fd{::dup(office.readable(j))}));
      }
    }
  }
  static pid_t process(std::size_t i) { return static_cast<pid_t>(1000 + i); }
};

AddressKey host(unsigned number) {
  return address_key("10." + std::to_string(number >> 16 & 255) + "." +
                     std::to_string(number >> 8 & 255) + "." + std::to_string(number & 255));
}

}  // namespace

TEST_CASE("Limits take IPv4 addresses whole and IPv6 ones by 64 bits", "[daemon][census]") {
  CHECK(address_key("192.0.2.1") == address_key("::ffff:192.0.2.1"));
  CHECK(address_key("192.0.2.1") != address_key("192.0.2.2"));
  CHECK(address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9"));
  CHECK(address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1"));
  CHECK(address_key("::1") != address_key("127.0.0.1"));
}

TEST_CASE("Every process sees the connections of all", "[daemon][census]") {
  Town town{3};
  const AddressKey one = host(1), other = host(2);
  for (Census& census : town.people) {
    census.enter();
    census.enter_from(one);
  }
  town.people[0].enter();
  town.people[0].enter_from(other);
  for (const Census& census : town.people) {
    CHECK(census.connections() == 4);
    CHECK(census.connections_from(one) == 3);
    CHECK(census.connections_from(other) == 1);
    CHECK(census.connections_from(host(3)) == 0);
  }
  town.people[1].leave();
  town.people[1].leave_from(one);
  CHECK(town.people[2].connections() == 3);
  CHECK(town.people[2].connections_from(one) == 2);
  town.people[1].leave();  // never below nothing
  town.people[1].leave_from(one);
  CHECK(town.people[2].connections() == 3);
  CHECK(town.people[2].connections_from(one) == 2);
}

TEST_CASE("A process that has ended counts no more, and its table serves the next",
          "[daemon][census]") {
  Town town{2};
  town.people[0].enter();
  town.people[0].enter_from(host(1));
  town.people[0].note_failure(host(1), start, memory);
  town.people[0].tell_oldest_idle(start);
  CHECK(town.people[1].connections() == 1);
  town.office.release(Town::process(0));
  CHECK(town.people[1].connections() == 0);
  CHECK(town.people[1].connections_from(host(1)) == 0);
  CHECK(town.people[1].failures_of(host(1), start, memory).count == 0);
  CHECK_FALSE(town.people[1].oldest_idle_elsewhere());
  CHECK(town.office.take_free() == 0U);
  CHECK(town.office.size() == 2);
}

TEST_CASE("The sketch hardly ever counts too much, and never too little", "[daemon][census]") {
  Town town{2};
  for (unsigned i = 0; i < 10'000; ++i) town.people[i % 2].enter_from(host(i));
  for (unsigned i = 0; i < 5; ++i) town.people[0].enter_from(host(77));
  std::size_t too_much = 0;
  for (unsigned i = 0; i < 10'000; ++i) {
    const std::size_t expected = i == 77 ? 6 : 1,
                      counted = town.people[1].connections_from(host(i));
    REQUIRE(counted >= expected);
    if (counted > expected + 2) ++too_much;
  }
  CHECK(too_much < 100);
}

TEST_CASE("What others tell cannot be written, only read", "[daemon][census]") {
  CensusOffice office;
  const Result<std::size_t> table = office.take_free();
  REQUIRE(table);
  constexpr std::size_t size = 4096;
  CHECK(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, office.readable(*table), 0) ==
        MAP_FAILED);
  CHECK(::write(office.readable(*table), "x", 1) < 0);
  CHECK(::ftruncate(office.writable(*table), 0) < 0);
}

TEST_CASE("Failures add up over all processes and are forgotten", "[daemon][census]") {
  Town town{2};
  const AddressKey bad = address_key("2001:db8::1");
  town.people[0].note_failure(bad, start, memory);
  town.people[1].note_failure(bad, start + seconds{10}, memory);
  town.people[1].note_failure(bad, start + seconds{20}, memory);
  for (const Census& census : town.people) {
    const Failures failures = census.failures_of(bad, start + seconds{25}, memory);
    CHECK(failures.count == 3);
    CHECK(failures.since_last == seconds{5});
    CHECK(census.failures_of(host(1), start + seconds{25}, memory).count == 0);
  }
  CHECK(town.people[0].failures_of(bad, start + seconds{125}, memory).count == 2);
  CHECK(town.people[0].failures_of(bad, start + seconds{141}, memory).count == 0);
  town.people[1].note_failure(bad, start + seconds{300}, memory);
  CHECK(town.people[0].failures_of(bad, start + seconds{300}, memory).count == 1);
}

TEST_CASE("An attempt of an address with failures counts from its beginning, wherever it was",
          "[daemon][census]") {
  Town town{2};
  const AddressKey bad = host(1);
  town.people[0].note_failure(bad, start, memory);
  town.people[1].note_attempt(bad, start + seconds{7}, memory);
  const Failures failures = town.people[0].failures_of(bad, start + seconds{8}, memory);
  CHECK(failures.count == 1);
  CHECK(failures.since_last == seconds{1});
  town.people[1].note_attempt(host(2), start, memory);
  CHECK(town.people[0].failures_of(host(2), start, memory).count == 0);
}

TEST_CASE("Failures outlive the process that has noted them, and not their time",
          "[daemon][census]") {
  class Standing final : public Clock {
   public:
    std::chrono::system_clock::time_point wall() const override { return {}; }
    std::chrono::steady_clock::time_point steady() const override { return now; }
    void sleep(milliseconds) override {}
    Census::Time now = start;
  } clock;
  Town town{3};
  REQUIRE(town.office.keep_tallies(clock, {memory, memory, memory, memory}));
  REQUIRE(town.office.keep_tallies(clock, {memory, memory, memory, memory}));
  REQUIRE(town.office.size() == 4);
  Census& last = town.people[2];
  REQUIRE(last.watch(Fd{::dup(town.office.readable(3))}));
  town.people[0].note_failure(host(1), start, memory);
  town.people[1].note_failure(host(1), start + seconds{10}, memory);
  town.people[1].note_failure(host(2), start - seconds{100}, memory);
  clock.now = start + seconds{30};
  for (const std::size_t ended : {0U, 1U}) town.office.release(Town::process(ended));
  const Failures failures = last.failures_of(host(1), clock.now, memory);
  CHECK(failures.count == 2);
  CHECK(failures.since_last == seconds{20});
  last.note_failure(host(1), clock.now, memory);
  CHECK(last.failures_of(host(1), clock.now, memory).count == 3);
  CHECK(last.failures_of(host(2), clock.now, memory).count == 0);
  CHECK(last.failures_of(host(1), clock.now + seconds{121}, memory).count == 0);
  CHECK(town.office.take_free() == 0U);
}

TEST_CASE("Failures take the same room however many addresses fail", "[daemon][census]") {
  Town town{1};
  Census& census = town.people[0];
  for (unsigned i = 0; i < 100'000; ++i) {
    census.note_failure(host(i), start + milliseconds{i}, memory);
  }
  const Census::Time now = start + milliseconds{100'000};
  CHECK(census.failures_of(host(99'999), now, memory).count == 1);
  unsigned remembered = 0;
  for (unsigned i = 0; i < 100'000; ++i)
    remembered += census.failures_of(host(i), now, memory).count;
  CHECK(remembered >= 16'000);
  CHECK(remembered <= 17'000);
}

TEST_CASE("The oldest idle stranger of the others is known", "[daemon][census]") {
  Town town{3};
  CHECK_FALSE(town.people[0].oldest_idle_elsewhere());
  town.people[0].tell_oldest_idle(start);
  CHECK_FALSE(town.people[0].oldest_idle_elsewhere());
  town.people[1].tell_oldest_idle(start + seconds{2});
  town.people[2].tell_oldest_idle(start + seconds{1});
  CHECK(town.people[0].oldest_idle_elsewhere() == start + seconds{1});
  town.people[2].tell_oldest_idle(std::nullopt);
  CHECK(town.people[0].oldest_idle_elsewhere() == start + seconds{2});
}

TEST_CASE("Sessions that outlived their keeper were counted no more", "[daemon][census]") {
  Town town{2};
  Census& keeper = town.people[0];
  for (int i = 0; i < 3; ++i) {
    keeper.enter();
    keeper.enter_from(host(1));
  }
  town.office.hand_on(Town::process(0), {901, 902});
  const Census& other = town.people[1];
  CHECK(other.connections() == 2);
  CHECK(other.connections_from(host(1)) == 3);  // until the last has ended
  CHECK(town.office.take_free() != 0U);
  town.office.release(902);
  CHECK(other.connections() == 1);
  town.office.release(901);
  CHECK(other.connections() == 0);
  CHECK(other.connections_from(host(1)) == 0);
  CHECK(town.office.take_free() == 0U);
}

TEST_CASE("A process that serves alone counts itself", "[daemon][census]") {
  Result<Census> census = Census::alone();
  REQUIRE(census);
  census->enter();
  census->enter_from(host(1));
  CHECK(census->connections() == 1);
  CHECK(census->connections_from(host(1)) == 1);
}

TEST_CASE("Marks and counts of every kind outlive the process that has noted them",
          "[daemon][census]") {
  class Standing final : public Clock {
   public:
    std::chrono::system_clock::time_point wall() const override { return {}; }
    std::chrono::steady_clock::time_point steady() const override { return start; }
    void sleep(milliseconds) override {}
  } clock;
  Town town{3};
  REQUIRE(town.office.keep_tallies(clock, {memory, memory, memory, memory}));
  Census& last = town.people[2];
  REQUIRE(last.watch(Fd{::dup(town.office.readable(3))}));
  for (Census& census : town.people) CHECK(census.seed() == last.seed());
  CHECK(last.seed() != 0);
  town.people[0].count(Tally::guess, 7, start, memory);
  town.people[1].count(Tally::guess, 7, start, memory);
  town.people[0].mark(Tally::repeat, 7, 3, start - seconds{2});
  town.people[1].mark(Tally::repeat, 7, 5, start - seconds{1});
  town.people[1].mark(Tally::success, 7, 1, start);
  CHECK(last.is_marked(Tally::repeat, 7, 3, start, memory));
  CHECK(last.is_marked(Tally::repeat, 7, 5, start, memory));
  for (const std::size_t ended : {1U, 0U}) town.office.release(Town::process(ended));
  CHECK(last.counted(Tally::guess, 7, start, memory).count == 2);
  CHECK(last.counted(Tally::guess, 8, start, memory).count == 0);
  CHECK(last.counted(Tally::address, 7, start, memory).count == 0);
  CHECK_FALSE(last.is_marked(Tally::repeat, 7, 3, start, memory));
  CHECK(last.is_marked(Tally::repeat, 7, 5, start, memory));
  CHECK(last.is_marked(Tally::success, 7, 1, start, memory));
  CHECK_FALSE(last.is_marked(Tally::success, 7, 1, start + memory + seconds{1}, memory));
}
