#include "daemon/login_failures.h"

#include <string>

#include "auth/guess_hash.h"
#include "support/catch.h"

using namespace pop;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

struct Site {
  Census census = *Census::alone();
  Settings settings;
  GuessHash hash{1234567};
  LoginFailures failures{settings, census};
  LoginFailures::Time now{std::chrono::hours{24}};

  GuessKeys guess(std::string_view user, std::string_view password) const {
    return hash.of(user, Secret{password});
  }
  void fail(std::string_view from, std::string_view user, std::string_view password) {
    failures.note_failure(address_key(from), guess(user, password), now);
  }
  milliseconds left(std::string_view from) const { return failures.left(address_key(from), now); }
  milliseconds wait(std::string_view from, std::string_view user, std::string_view password) const {
    return failures.wait(address_key(from), guess(user, password), now);
  }
};

std::string host(int number) {
  return "10.0." + std::to_string(number / 250) + "." + std::to_string(number % 250);
}

}  // namespace

TEST_CASE("A client that repeats one wrong password is not taken for a guesser",
          "[daemon][failures]") {
  Site site;
  for (int i = 0; i < 20; ++i) {
    site.fail("192.0.2.1", "jo", "old password");
    CHECK(site.left("192.0.2.1") == seconds{1});
    site.now += minutes{1};
  }
  CHECK(site.failures.is_repeated(address_key("192.0.2.1"), site.guess("jo", "old password"),
                                  site.now));
  CHECK_FALSE(site.failures.is_repeated(address_key("192.0.2.2"), site.guess("jo", "old password"),
                                        site.now));
  CHECK_FALSE(
      site.failures.is_repeated(address_key("192.0.2.1"), site.guess("jo", "other"), site.now));
  CHECK_FALSE(site.failures.is_repeated(address_key("192.0.2.1"), site.guess("kim", "old password"),
                                        site.now));
  CHECK(site.wait("192.0.2.9", "jo", "right") == seconds{0});
}

TEST_CASE("Two programs that take turns with their wrong passwords are no guessers either",
          "[daemon][failures]") {
  Site site;
  for (int i = 0; i < 20; ++i) site.fail("192.0.2.1", "jo", i % 2 == 0 ? "old" : "older");
  CHECK(site.left("192.0.2.1") == seconds{2});
}

TEST_CASE("One who guesses waits longer with each guess", "[daemon][failures]") {
  Site site;
  for (int i = 0; i < 40; ++i) site.fail("192.0.2.1", "jo", "guess" + std::to_string(i));
  CHECK(site.left("192.0.2.1") == seconds{60});
}

TEST_CASE("To have tried before what is tried now helps a guesser once in some hundred times",
          "[daemon][failures]") {
  Site site;
  int repeated = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string password = "guess" + std::to_string(i);
    if (site.failures.is_repeated(address_key("192.0.2.1"), site.guess("jo", password), site.now)) {
      ++repeated;
    }
    site.fail("192.0.2.1", "jo", password);
  }
  CHECK(repeated < 60);
}

TEST_CASE("Many addresses that try one user wait, each by itself", "[daemon][failures]") {
  Site site;
  for (int i = 0; i < 5; ++i) site.fail(host(i), "jo", "guess" + std::to_string(i));
  CHECK(site.wait(host(99), "jo", "right") == seconds{0});
  site.fail(host(5), "jo", "guess5");
  CHECK(site.wait(host(99), "jo", "right") == seconds{1});
  for (int i = 6; i < 50; ++i) site.fail(host(i), "jo", "guess" + std::to_string(i));
  CHECK(site.wait(host(99), "jo", "right") == seconds{15});
  CHECK(site.left(host(99)) == seconds{0});
  CHECK(site.wait(host(99), "kim", "right") == seconds{0});
  site.now += LoginFailures::guess_memory + seconds{1};
  CHECK(site.wait(host(99), "jo", "right") == seconds{0});
}

TEST_CASE("Who has logged in from an address does not wait for what others try",
          "[daemon][failures]") {
  Site site;
  site.failures.note_success(address_key("192.0.2.1"), site.guess("jo", "right"), site.now);
  for (int i = 0; i < 50; ++i) site.fail(host(i), "jo", "guess" + std::to_string(i));
  CHECK(site.wait("192.0.2.1", "jo", "right") == seconds{0});
  CHECK(site.wait("192.0.2.2", "jo", "right") == seconds{15});
  CHECK(site.wait("192.0.2.1", "kim", "right") == seconds{0});
}

TEST_CASE("One password tried on many users makes who tries it wait", "[daemon][failures]") {
  Site site;
  for (int i = 0; i < 10; ++i) site.fail(host(i), "user" + std::to_string(i), "Summer2026");
  CHECK(site.wait(host(99), "jo", "Summer2026") == seconds{0});
  for (int i = 10; i < 50; ++i) site.fail(host(i), "user" + std::to_string(i), "Summer2026");
  CHECK(site.wait(host(99), "jo", "Summer2026") == seconds{15});
  CHECK(site.wait(host(99), "jo", "right") == seconds{0});
}

TEST_CASE("Digests count for their user and their address", "[daemon][failures]") {
  Site site;
  const GuessKeys guess = site.hash.of("jo");
  for (int i = 0; i < 10; ++i) site.failures.note_failure(address_key(host(i)), guess, site.now);
  CHECK(site.failures.wait(address_key(host(99)), guess, site.now) > seconds{0});
  CHECK(site.left(host(3)) == seconds{1});
  CHECK_FALSE(site.failures.is_repeated(address_key(host(3)), guess, site.now));
}

TEST_CASE("Without failure-delay nobody waits", "[daemon][failures]") {
  Site site;
  site.settings.failure_delay = seconds{0};
  LoginFailures failures{site.settings, site.census};
  for (int i = 0; i < 50; ++i) {
    failures.note_failure(address_key(host(i)), site.guess("jo", "wrong"), site.now);
  }
  CHECK(failures.wait(address_key(host(99)), site.guess("jo", "wrong"), site.now) == seconds{0});
  CHECK(failures.left(address_key(host(1)), site.now) == seconds{0});
}
