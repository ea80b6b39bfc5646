#include "auth/apop.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "support/catch.h"

namespace pop {
namespace {

using namespace std::chrono_literals;

const std::chrono::system_clock::time_point moment{std::chrono::seconds{1'700'000'000}};

BannerStampKey new_key() {
  Result<BannerStampKey> key = BannerStampKey::generate();
  REQUIRE(key);
  return std::move(*key);
}

std::string stamp_of(const BannerStampKey& key, std::uint64_t counter = 1) {
  return make_banner_stamp(
      key, {.process = 4711, .time = moment, .counter = counter, .host = "pop.example.org"});
}

TEST_CASE("The digest is that of RFC 1939 section 7", "[auth][apop]") {
  const std::string stamp = "<1896.697170952@dbc.mtview.ca.us>";
  const Secret secret{"tanstaaf"};
  CHECK(apop_digest_matches(stamp, secret, "c4c9334bac560ecc979e58001b3e22fb"));
  CHECK(apop_digest_matches(stamp, secret, "C4C9334BAC560ECC979E58001B3E22FB"));
  for (const char* wrong :
       {"", "c4", "c4c9334bac560ecc979e58001b3e22f", "c4c9334bac560ecc979e58001b3e22fc",
        "c4c9334bac560ecc979e58001b3e22fb0"}) {
    CAPTURE(wrong);
    CHECK_FALSE(apop_digest_matches(stamp, secret, wrong));
  }
  CHECK_FALSE(apop_digest_matches(stamp, Secret{"tanstaag"}, "c4c9334bac560ecc979e58001b3e22fb"));
  CHECK_FALSE(apop_digest_matches("<1@x>", secret, "c4c9334bac560ecc979e58001b3e22fb"));
}

TEST_CASE("A stamp is a message-id and names process, time and host", "[auth][apop]") {
  const std::string stamp = stamp_of(new_key(), 3);
  CHECK(stamp.starts_with("<4711.1700000000.3."));
  CHECK(stamp.ends_with("@pop.example.org>"));
  CHECK(stamp.size() == std::string{"<4711.1700000000.3.@pop.example.org>"}.size() + 32);
}

TEST_CASE("No two stamps are equal", "[auth][apop]") {
  const BannerStampKey key = new_key();
  std::set<std::string> stamps;
  for (std::uint64_t counter = 0; counter < 2000; ++counter) stamps.insert(stamp_of(key, counter));
  CHECK(stamps.size() == 2000);
  CHECK(stamp_of(key) != stamp_of(new_key()));
}

TEST_CASE("Its maker knows a stamp until it is too old", "[auth][apop]") {
  const BannerStampKey key = new_key();
  const std::string stamp = stamp_of(key);
  CHECK(verify_banner_stamp(key, stamp, moment, 60s));
  CHECK(verify_banner_stamp(key, stamp, moment + 60s, 60s));
  CHECK(verify_banner_stamp(key, stamp, moment - 1s, 60s));
  CHECK_FALSE(verify_banner_stamp(key, stamp, moment + 61s, 60s));
  CHECK_FALSE(verify_banner_stamp(key, stamp, moment - 10s, 60s));
  CHECK_FALSE(verify_banner_stamp(new_key(), stamp, moment, 60s));
}

TEST_CASE("A stamp changed in any octet is not known", "[auth][apop]") {
  const BannerStampKey key = new_key();
  const std::string stamp = stamp_of(key);
  for (std::size_t at = 0; at < stamp.size(); ++at) {
    CAPTURE(at);
    std::string forged = stamp;
    forged[at] = forged[at] == '1' ? '2' : '1';
    const Result<void> known = verify_banner_stamp(key, forged, moment, 60s);
    REQUIRE_FALSE(known);
    CHECK(known.error().code == Errc::denied);
    CHECK_FALSE(verify_banner_stamp(key, stamp.substr(0, at), moment, 60s));
  }
}

TEST_CASE("What is no stamp at all is refused", "[auth][apop]") {
  const BannerStampKey key = new_key();
  for (const char* text : {"", "<", ">", "<>", "<@>", "<.@>", "<..@>", "<...@h>", "<1.2.3@h>",
                           "<1.2@h>", "1.2.3.4@h", "<1.2.3.@h>", "<1.x.3.4@h>"}) {
    CAPTURE(text);
    CHECK_FALSE(verify_banner_stamp(key, text, moment, 60s));
  }
}

TEST_CASE("A key given to another keeper knows the same stamps, and is wiped behind",
          "[auth][apop]") {
  const BannerStampKey key = new_key();
  std::array<char, BannerStampKey::size> octets{};
  std::ranges::copy(key.octets(), octets.begin());
  const Result<BannerStampKey> same = BannerStampKey::take(octets);
  REQUIRE(same);
  CHECK(verify_banner_stamp(*same, stamp_of(key), moment, 60s));
  CHECK(octets == std::array<char, BannerStampKey::size>{});
}

TEST_CASE("A forked child does not inherit the key", "[auth][apop]") {
  const BannerStampKey key = new_key();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const bool wiped = std::ranges::all_of(key.octets(), [](char c) { return c == '\0'; });
    ::_exit(wiped ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK_FALSE(std::ranges::all_of(key.octets(), [](char c) { return c == '\0'; }));
}

}  // namespace
}  // namespace pop
