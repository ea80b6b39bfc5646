#include "popper/stamp_ledger.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <string>

#include "support/catch.h"

using namespace pop;

namespace {

StampLedger open_ledger(const Fd& memory) {
  Result<StampLedger> ledger = StampLedger::open(memory);
  REQUIRE(ledger);
  return std::move(*ledger);
}

std::string issue(StampLedger& ledger, std::int64_t now = 1000, std::int64_t expires = 1060) {
  Result<std::string> stamp = ledger.issue("host.example", now, expires);
  REQUIRE(stamp);
  return *stamp;
}

}  // namespace

TEST_CASE("A stamp looks like a Message-ID and is never the same", "[popper][apop]") {
  const Result<Fd> memory = StampLedger::create();
  REQUIRE(memory);
  StampLedger ledger = open_ledger(*memory);
  std::set<std::string> stamps;
  for (int i = 0; i < 1000; ++i) {
    const std::string stamp = issue(ledger);
    CHECK(stamp.starts_with('<'));
    CHECK(stamp.ends_with("@host.example>"));
    CHECK(stamp.find_first_of(" \t\r\n") == std::string::npos);
    stamps.insert(stamp);
  }
  CHECK(stamps.size() == 1000);
}

TEST_CASE("A stamp is good once, until it expires", "[popper][apop]") {
  const Result<Fd> memory = StampLedger::create();
  REQUIRE(memory);
  StampLedger ledger = open_ledger(*memory);
  const std::string first = issue(ledger), second = issue(ledger), third = issue(ledger);
  CHECK(ledger.take(first, "host.example", 1060));
  CHECK_FALSE(ledger.take(first, "host.example", 1001));
  CHECK_FALSE(ledger.take(second, "host.example", 1061));
  CHECK_FALSE(ledger.take(third, "other.example", 1001));
  CHECK(ledger.take(third, "host.example", 1001));
}

TEST_CASE("Nothing but the whole stamp is taken for it", "[popper][apop]") {
  const Result<Fd> memory = StampLedger::create();
  REQUIRE(memory);
  StampLedger ledger = open_ledger(*memory);
  const std::string stamp = issue(ledger);
  for (std::size_t i = 0; i < stamp.size(); ++i) {
    CAPTURE(i);
    CHECK_FALSE(ledger.take(stamp.substr(0, i), "host.example", 1001));
    std::string altered = stamp;
    altered[i] = altered[i] == '1' ? '2' : '1';
    CHECK_FALSE(ledger.take(altered, "host.example", 1001));
  }
  CHECK_FALSE(ledger.take(stamp + "x", "host.example", 1001));
  CHECK_FALSE(ledger.take("<ffffffffffffffffff.1.1.1@host.example>", "host.example", 1001));
  CHECK_FALSE(ledger.take("<0.0.0.0@host.example>", "host.example", 0));
  CHECK(ledger.take(stamp, "host.example", 1001));
}

TEST_CASE("Keepers share one ledger, and the oldest stamps make room", "[popper][apop]") {
  const Result<Fd> memory = StampLedger::create();
  REQUIRE(memory);
  StampLedger one = open_ledger(*memory), other = open_ledger(*memory);
  const std::string oldest = issue(one), next = issue(one);
  for (std::size_t i = 0; i < StampLedger::slots - 1; ++i) (void)issue(other);
  CHECK_FALSE(other.take(oldest, "host.example", 1001));
  CHECK(other.take(next, "host.example", 1001));
  CHECK_FALSE(one.take(next, "host.example", 1001));
}

TEST_CASE("Stamps that are given back make room for those that are out", "[popper][apop]") {
  const Result<Fd> memory = StampLedger::create();
  REQUIRE(memory);
  StampLedger ledger = open_ledger(*memory);
  const std::string held = issue(ledger);
  for (std::size_t i = 0; i < 3 * StampLedger::slots; ++i) {
    ledger.give_back(issue(ledger), "host.example");
  }
  CHECK(ledger.take(held, "host.example", 1001));
}

TEST_CASE("A stamp that was given back is good no more, and others cannot be", "[popper][apop]") {
  const Result<Fd> memory = StampLedger::create();
  REQUIRE(memory);
  StampLedger ledger = open_ledger(*memory);
  const std::string ours = issue(ledger), other = issue(ledger);
  ledger.give_back(other.substr(0, other.size() - 1), "host.example");
  ledger.give_back("<1.3e8.0.0@host.example>", "host.example");
  ledger.give_back(ours, "host.example");
  CHECK_FALSE(ledger.take(ours, "host.example", 1001));
  CHECK(ledger.take(other, "host.example", 1001));
}

TEST_CASE("A forked child has no ledger", "[popper][apop]") {
  const Result<Fd> memory = StampLedger::create();
  REQUIRE(memory);
  StampLedger ledger = open_ledger(*memory);
  (void)issue(ledger);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);                // the test runner would report it
    (void)ledger.issue("host.example", 1, 2);  // touches memory that is not there
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
