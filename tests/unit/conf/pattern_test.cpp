#include "conf/pattern.h"
#include "support/catch.h"

using namespace pop;
using namespace std::string_literals;

TEST_CASE("A pattern finds its first parenthesis", "[conf][pattern]") {
  const auto folder = Pattern::compile(R"(\+([^%@/]*))");
  REQUIRE(folder);
  const auto found = folder->find("jo+lists@example.org");
  REQUIRE(found);
  CHECK(found->before == "jo");
  CHECK(found->group == "lists");
  CHECK_FALSE(folder->find("jo@example.org"));
  CHECK_FALSE(folder->find("jo\0+lists"s));
}

TEST_CASE("A parenthesis that took no part is not found", "[conf][pattern]") {
  const auto either = Pattern::compile("a|(b)");
  REQUIRE(either);
  CHECK_FALSE(either->find("a"));
}

TEST_CASE("Without a parenthesis the whole match is extracted", "[conf][pattern]") {
  const auto extract = [](const char* expression, std::string_view text) {
    const auto pattern = Pattern::compile(expression);
    REQUIRE(pattern);
    return pattern->extract(text).value_or("nothing");
  };
  CHECK(extract("/([a-z]*)", "jo/opt@x") == "opt");
  CHECK(extract("/[a-z]*", "jo/opt@x") == "/opt");
  CHECK(extract("a|(b)", "a") == "nothing");
  CHECK(extract("x", "jo") == "nothing");
  CHECK(extract("j", "jo\0"s) == "nothing");
}

TEST_CASE("What is no expression says why", "[conf][pattern]") {
  const auto broken = Pattern::compile("(unclosed");
  REQUIRE_FALSE(broken);
  CHECK(broken.error().starts_with("\"(unclosed\" is no regular expression: "));
}

TEST_CASE("The first rule that matches decides", "[conf][pattern]") {
  const auto rules = RuleList::parse("deny:^root@ allow:@example\\.org$  deny:.");
  REQUIRE(rules);
  CHECK(rules->allows("jo@EXAMPLE.org"));
  CHECK_FALSE(rules->allows("root@example.org"));
  CHECK_FALSE(rules->allows("jo@example.net"));
  const auto none = RuleList::parse("");
  REQUIRE(none);
  CHECK_FALSE(none->allows("anybody"));
  CHECK_FALSE(RuleList::parse("permit:x"));
}
