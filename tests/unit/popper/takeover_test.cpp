#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "popper/client_stream.h"
#include "popper/maildrop_claim.h"
#include "popper/peer_trial.h"
#include "popper/takeover_call.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using namespace std::chrono_literals;
using When = TakeoverRule::When;

// --- Whether a client is there

struct Judgement {
  const char* what;
  std::chrono::milliseconds elapsed;
  PeerFacts facts;
  PeerState state;
};

TEST_CASE("A vanished host is told from one that is there", "[popper][takeover]") {
  using enum PeerState;
  const std::array judgements{
      Judgement{"nothing is known yet", 0ms, {false, 0, 90s}, undecided},
      Judgement{"the kernel has given it up", 0ms, {true, 0, 0ms}, gone},
      Judgement{"it has answered the call", 1100ms, {false, 0, 5ms}, there},
      Judgement{"its last packet was on the way", 40ms, {false, 0, 10ms}, undecided},
      Judgement{"that packet came a while ago", 2s, {false, 1, 1990ms}, undecided},
      Judgement{"it has not answered three calls", 3s, {false, 3, 3s}, gone},
      Judgement{"packets may be lost", 3s, {false, 2, 3s}, undecided},
      Judgement{"it was called late, as it took no more, and not again and again",
                6s,
                {false, 2, 60s},
                undecided},
      Judgement{"it was called late, as it took no more", 7s, {false, 3, 60s}, gone},
      Judgement{"one of many was answered", 4s, {false, 1, 3s}, there},
      Judgement{"it was called again and again before", 0ms, {false, 6, 30s}, gone},
      Judgement{"a slow way", 0ms, {false, 2, 9s}, undecided},
      Judgement{"the kernel has not called it", 9s, {false, 0, 60s}, unknown},
      Judgement{"the kernel has called it once only", 9s, {false, 1, 60s}, unknown}};
  const PeerTrial::Time begun{};
  for (const Judgement& one : judgements) {
    CAPTURE(one.what);
    CHECK(PeerTrial{begun}.judge(one.facts, begun + one.elapsed) == one.state);
  }
}

TEST_CASE("Nobody has vanished who has answered within a minute", "[popper][takeover]") {
  CHECK_FALSE(has_vanished({false, 2, 10min}));
  CHECK_FALSE(has_vanished({false, 9, 59s}));
  CHECK(has_vanished({false, 3, 60s}));
  CHECK(has_vanished({true, 0, 0s}));
}

TEST_CASE("What is no TCP connection tells nothing of its peer", "[popper][takeover]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  const Fd one{ends[0]}, other{ends[1]};
  CHECK_FALSE(peer_facts(one.get()));
}

// --- Calls

TEST_CASE("A call says what it said before it was sent", "[popper][takeover]") {
  const std::array<std::optional<TakeoverRule>, 5> rules{
      TakeoverRule{When::dead}, TakeoverRule{When::always}, TakeoverRule{When::idle, 1s},
      TakeoverRule{When::idle, 604800s}, std::nullopt};
  for (const auto& rule : rules) {
    const auto call = TakeoverCall::decode(TakeoverCall{0x123456789, rule}.encoded());
    REQUIRE(call);
    CHECK(call->maildrop == 0x123456789);
    REQUIRE(call->rule.has_value() == rule.has_value());
    if (!rule) continue;
    CHECK(call->rule->when == rule->when);
    CHECK(call->rule->silence == rule->silence);
  }
  CHECK_FALSE(TakeoverCall::decode(0));
  CHECK_FALSE(TakeoverCall::decode(7));  // of no maildrop
}

struct Drop {
  [[nodiscard]] Fd open() const {
    return Fd{::open((directory.path() / ".jo.pop").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  }
  test::TemporaryDirectory directory;
};

TEST_CASE("A lock tells who has it", "[popper][takeover]") {
  const Drop drop;
  const Fd file = drop.open();
  CHECK_FALSE(signer_of_lock(file));
  std::array<int, 2> ready{};
  REQUIRE(::pipe(ready.data()) == 0);
  test::ChildProcess holder{[&] {
    const Fd own = drop.open();
    sign_lock(own);
    if (::write(ready[1], "x", 1) != 1) return 1;
    ::pause();
    return 0;
  }};
  char octet = 0;
  REQUIRE(::read(ready[0], &octet, 1) == 1);
  const auto signer = signer_of_lock(file);
  REQUIRE(signer);
  ::kill(*signer, SIGKILL);
  CHECK(holder.wait() != 0);
  CHECK_FALSE(signer_of_lock(file));
  ::close(ready[0]);
  ::close(ready[1]);
}

// In a process of its own: how a wait for the client ends when it calls itself before.
std::pair<Arrival, int> arrival_after(const TakeoverCall& call, std::uint64_t own_maildrop) {
  const int status =
      test::ChildProcess{[&] {
        std::array<int, 2> ends{};
        std::array<char, 16> room{};
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return 200;
        if (::write(ends[1], "NOOP\r\n", 6) != 6) return 201;
        catch_end_signals();
        ClientStream client{Fd{ends[0]}, Fd{}, 20s};
        client.takeover().hear_calls_for(own_maildrop);
        if (!send_call(::getpid(), call)) return 202;
        const Arrival arrival = client.read(room).arrival;
        return static_cast<int>(arrival) * 10 +
               (client.takeover().ending() ? 1 + static_cast<int>(*client.takeover().ending()) : 0);
      }}.wait();
  return {static_cast<Arrival>(status / 10), status % 10};
}

TEST_CASE("A session ends for a call that is meant for it", "[popper][takeover]") {
  const auto always = TakeoverRule{When::always};
  const int wanted = 1 + static_cast<int>(TakeoverWatch::Ending::wanted);
  CHECK(arrival_after({5, always}, 5) == std::pair{Arrival::taken_over, wanted});
  CHECK(arrival_after({6, always}, 5) == std::pair{Arrival::bytes, 0});
  CHECK(arrival_after({5, TakeoverRule{When::idle, 600s}}, 5) == std::pair{Arrival::bytes, 0});
  CHECK(arrival_after({5, std::nullopt}, 5) == std::pair{Arrival::bytes, 0});
}

TEST_CASE("A signal without a call is none", "[popper][takeover]") {
  const int status = test::ChildProcess{[] {
                       begin_to_hear_calls();
                       ::kill(::getpid(), SIGURG);
                       if (take_call()) return 1;
                       if (!send_call(::getpid(), {9, std::nullopt})) return 2;
                       const auto call = take_call();
                       if (!call || call->call.maildrop != 9 || call->call.rule) return 3;
                       return take_call() ? 4 : 0;
                     }}.wait();
  CHECK(status == 0);
}

// --- Who wants a maildrop

TEST_CASE("A lock that nobody has signed is not waited for", "[popper][takeover]") {
  const Drop drop;
  const Fd file = drop.open();
  TakeoverWatch watch{-1};
  int tries = 0;
  MaildropClaim claim{{When::always}, watch, system_clock()};
  while (claim.wait_for(file)) ++tries;
  CHECK(tries < 100);
  CHECK(claim.asked() == 0);
  MaildropClaim never{{When::never}, watch, system_clock()};
  CHECK_FALSE(never.wait_for(file));
}

TEST_CASE("Who hears that the holder stays waits no longer", "[popper][takeover]") {
  const Drop drop;
  const Fd file = drop.open();
  const auto maildrop = mark_of(file);
  REQUIRE(maildrop);
  const int status = test::ChildProcess{[&] {
                       begin_to_hear_calls();
                       std::array<int, 2> ready{};
                       if (::pipe(ready.data()) != 0) return 200;
                       const pid_t holder = ::fork();
                       if (holder == 0) {
                         const Fd own = drop.open();
                         sign_lock(own);
                         (void)!::write(ready[1], "x", 1);
                         const auto call = wait_for_call(20s);
                         if (!call || call->call.maildrop != *maildrop || !call->call.rule)
                           ::_exit(1);
                         (void)send_call(call->from, {*maildrop, std::nullopt});
                         (void)wait_for_call(1s);
                         ::_exit(0);
                       }
                       char octet = 0;
                       if (::read(ready[0], &octet, 1) != 1) return 201;
                       TakeoverWatch watch{-1};
                       MaildropClaim claim{{When::dead}, watch, system_clock()};
                       while (claim.wait_for(file)) {
                       }
                       return claim.was_refused() && claim.asked() == holder ? 0 : 1;
                     }}.wait();
  CHECK(status == 0);
}

TEST_CASE("A call that came before the lock was signed ends nothing", "[popper][takeover]") {
  const Drop drop;
  const Fd file = drop.open();
  const auto maildrop = mark_of(file);
  REQUIRE(maildrop);
  const int status = test::ChildProcess{[&] {
                       begin_to_hear_calls();
                       TakeoverWatch watch{-1};
                       MaildropClaim claim{{When::never}, watch, system_clock()};
                       if (!send_call(::getpid(), {*maildrop, TakeoverRule{When::always}}))
                         return 200;
                       claim.on_taken(file);
                       if (watch.must_end()) return 1;
                       if (!send_call(::getpid(), {*maildrop, TakeoverRule{When::always}}))
                         return 201;
                       return watch.must_end() ? 0 : 2;
                     }}.wait();
  CHECK(status == 0);
}

TEST_CASE("An answer to an older claim refuses no later one", "[popper][takeover]") {
  const Drop drop;
  const Fd file = drop.open();
  const auto maildrop = mark_of(file);
  REQUIRE(maildrop);
  const int status = test::ChildProcess{[&] {
                       begin_to_hear_calls();
                       std::array<int, 2> ready{};
                       if (::pipe(ready.data()) != 0) return 200;
                       const pid_t claimer = ::getpid();
                       const pid_t holder = ::fork();
                       if (holder == 0) {
                         const Fd own = drop.open();
                         sign_lock(own);
                         if (send_call(claimer, {*maildrop, std::nullopt}))
                           (void)!::write(ready[1], "x", 1);
                         ::pause();
                         ::_exit(0);
                       }
                       ::close(ready[1]);
                       char octet = 0;
                       if (::read(ready[0], &octet, 1) != 1) return 201;
                       TakeoverWatch watch{-1};
                       MaildropClaim claim{{When::dead}, watch, system_clock()};
                       const bool waits = claim.wait_for(file);
                       ::kill(holder, SIGKILL);
                       return waits && !claim.was_refused() && claim.asked() == holder ? 0 : 1;
                     }}.wait();
  CHECK(status == 0);
}

}  // namespace
}  // namespace pop
