#include "conf/expiry_policy.h"

#include "support/catch.h"

namespace pop {
namespace {

using Strings = std::vector<std::string>;

TEST_CASE("Ages and sizes are read with their units", "[conf][expiry]") {
  struct Age {
    const char* text;
    std::int64_t seconds;
  };
  for (const Age& age : {Age{"0s", 0}, Age{"45s", 45}, Age{"30m", 1800}, Age{"12H", 43'200},
                         Age{"90d", 7'776'000}, Age{"6w", 3'628'800}}) {
    CAPTURE(age.text);
    CHECK(parse_age(age.text)->count() == age.seconds);
  }
  for (const char* text :
       {"", "d", "90", "-1d", "9 d", "90days", "1y", "36526d", "1.5d", "18446744073709551615w"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_age(text));
  }
  CHECK(parse_octets("0") == 0U);
  CHECK(parse_octets("1234") == 1234U);
  CHECK(parse_octets("64k") == 65'536U);
  CHECK(parse_octets("10M") == 10'485'760U);
  CHECK(parse_octets("2G") == std::uint64_t{2} << 30);
  CHECK(parse_octets("1T") == std::uint64_t{1} << 40);
  for (const char* text : {"", "k", "1kB", "-1", "1 M", "99999999T", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_octets(text));
  }
}

TEST_CASE("A header condition has a name and an expression", "[conf][expiry]") {
  CHECK(parse_header_condition("Subject: sale") == "Subject: sale");
  CHECK(parse_header_condition("X-Spam:^yes") == "X-Spam:^yes");
  for (const char* text : {"", "Subject", "Subject:", "Subject:  ", ": x", "A b: x"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_header_condition(text));
  }
}

TEST_CASE("An expiry policy is read in its order", "[conf][expiry]") {
  const auto policy = parse_expiry_policy(
      "# who may keep what\n"
      "[[policy]]\nusers = \"jo\"\nrules = []\n"
      "[[policy]]\nusers = [\"test-*\"]\ngroups = [\"students\", \"guests\"]\n"
      "rules = [\n"
      "  {header = \"X-Spam: yes\", older-than = \"7d\"},\n"
      "  {retrieved = true, retrieved-for = \"2w\"},\n"
      "]\n"
      "[[policy]]\nrules = [{max-messages = 100, max-size = \"1G\", larger-than = 5000, "
      "          retrieved = false, header = [\"A: b\", \"C: d\"]}]\n",
      "policy.toml");
  REQUIRE(policy);
  REQUIRE(policy->parts.size() == 3);
  CHECK(policy->parts[0].users == Strings{"jo"});
  CHECK(policy->parts[0].rules.empty());
  CHECK(policy->parts[1].groups == Strings{"students", "guests"});
  REQUIRE(policy->parts[1].rules.size() == 2);
  CHECK(policy->parts[1].rules[0].headers == Strings{"X-Spam: yes"});
  CHECK(policy->parts[1].rules[0].older_than == std::chrono::days{7});
  CHECK(policy->parts[1].rules[1].retrieved == true);
  CHECK(policy->parts[1].rules[1].retrieved_for == std::chrono::weeks{2});
  const ExpiryRule& last = policy->parts[2].rules.at(0);
  CHECK(last.max_messages == 100U);
  CHECK(last.max_octets == std::uint64_t{1} << 30);
  CHECK(last.larger_than == 5000U);
  CHECK(last.retrieved == false);
  CHECK(last.headers == Strings{"A: b", "C: d"});
}

TEST_CASE("Every mistake of an expiry policy is told with its place", "[conf][expiry]") {
  struct Row {
    const char *text, *complaint;
  };
  for (const Row& row : {
           Row{"rules = 1\n",
               "p:1:1: unknown key \"rules\"; a policy file holds [[policy]] tables"},
           Row{"[policy]\nrules = []\n", "policy must be written as [[policy]] tables"},
           Row{"[[policy]]\nuser = \"jo\"\nrules = []\n", "did you mean users"},
           Row{"[[policy]]\nusers = \"jo\"\n", "a [[policy]] wants rules"},
           Row{"[[policy]]\nusers = []\nrules = []\n", "p:2:9: users wants names"},
           Row{"[[policy]]\ngroups = [1]\nrules = []\n", "groups wants names"},
           Row{"[[policy]]\nrules = [{}]\n", "would let all mail go"},
           Row{"[[policy]]\nrules = [1]\n", "rules must be a list of tables"},
           Row{"[[policy]]\nrules = [{older = \"1d\"}]\n", "unknown key \"older\" in a rule"},
           Row{"[[policy]]\nrules = [{older-than = 90}]\n", "older-than wants an age"},
           Row{"[[policy]]\nrules = [{max-messages = \"many\"}]\n", "max-messages wants a number"},
           Row{"[[policy]]\nrules = [{max-messages = -1}]\n", "max-messages wants a number"},
           Row{"[[policy]]\nrules = [{larger-than = -1}]\n", "larger-than wants octets"},
           Row{"[[policy]]\nrules = [{retrieved = \"yes\"}]\n", "retrieved wants true or false"},
           Row{"[[policy]]\nrules = [{header = \"Subject\"}]\n",
               "header wants the name of a field"},
           Row{"[[policy]]\nwarning = \"/text\"\nrules = []\n", "p:1:1: warning wants warn-days"},
           Row{"[[policy]\n", "p:1"},
       }) {
    CAPTURE(row.text);
    const auto policy = parse_expiry_policy(row.text, "p");
    REQUIRE_FALSE(policy);
    REQUIRE(policy.error().size() == 1);
    CHECK_THAT(to_string(policy.error()[0]), Catch::Contains(row.complaint));
  }
  const auto several = parse_expiry_policy(
      "[[policy]]\nrules = [{older-than = \"x\"}, {max-size = true}]\nfoo = 1\n", "p");
  REQUIRE_FALSE(several);
  CHECK(several.error().size() == 3);
}

}  // namespace
}  // namespace pop
