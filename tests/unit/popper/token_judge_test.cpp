#include "popper/token_judge.h"

#include "support/catch.h"

using namespace pop;

namespace {

std::string read(std::string_view answer, std::string_view scope = "") {
  const auto owner = read_token_answer(answer, scope, 1000);
  if (owner) return *owner;
  switch (owner.error().kind) {
    case TokenFault::Kind::unknown:
      CHECK(owner.error().error.code == Errc::io);
      return "?";
    case TokenFault::Kind::narrow_scope:
      CHECK(owner.error().error.code == Errc::denied);
      return "narrow";
    default:
      CHECK(owner.error().error.code == Errc::denied);
      return "denied";
  }
}

}  // namespace

TEST_CASE("What oauth-helper may answer, and what it means", "[popper][oauth]") {
  struct Row {
    std::string_view answer, meaning;
  };
  const Row rows[] = {
      {"active\nuser jo\n", "jo"},
      {"user jo\nactive\n", "jo"},
      {"active\nuser jo@example.org\nexpires 1001\n", "jo@example.org"},
      {"active\nuser jo\nexpires 1000\n", "denied"},
      {"inactive\n", "denied"},
      {"inactive\nuser jo\n", "denied"},
      {"", "?"},
      {"user jo\n", "?"},
      {"active\n", "?"},
      {"active\nuser \n", "?"},
      {"active\nuser jo", "?"},
      {"active\ninactive\nuser jo\n", "?"},
      {"active\nactive\nuser jo\n", "?"},
      {"active\nuser jo\nuser al\n", "?"},
      {"active\nuser jo\nscope a\nscope b\n", "?"},
      {"active\nuser jo\nexpires never\n", "?"},
      {"active\nuser jo\nexpires\n", "?"},
      {"active\nuser jo\nexpires -1\n", "?"},
      {"active\nuser jo\nclaim al\n", "?"},
      {"claim al\nactive\nuser jo\n", "?"},
      {"active\nuser jo\n\n", "?"},
      {"Active\nuser jo\n", "?"},
      {"active\r\nuser jo\r\n", "?"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.answer);
    CHECK(read(row.answer) == row.meaning);
  }
}

TEST_CASE("Half of a login-timeout of one second is some time", "[popper][oauth]") {
  using std::chrono::milliseconds, std::chrono::seconds;
  Settings settings;
  settings.oauth_timeout = seconds{10};
  settings.login_timeout = seconds{1};
  CHECK(token_patience(settings) == milliseconds{500});
  settings.login_timeout = seconds{5};
  CHECK(token_patience(settings) == milliseconds{2500});
  settings.login_timeout = seconds{60};
  CHECK(token_patience(settings) == seconds{10});
}

TEST_CASE("A token must have every scope that is wanted", "[popper][oauth]") {
  constexpr std::string_view answer = "active\nuser jo\nscope mail pop openid\n";
  CHECK(read(answer, "") == "jo");
  CHECK(read(answer, "pop") == "jo");
  CHECK(read(answer, " openid  mail ") == "jo");
  CHECK(read(answer, "po") == "narrow");
  CHECK(read(answer, "mail calendar") == "narrow");
  CHECK(read("active\nuser jo\n", "mail") == "narrow");
}
