#include "popper/session_program.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace pop {
namespace {

using Words = std::vector<std::string>;

struct Case {
  const char *arguments, *useropt, *login;
  Words expected;
};

TEST_CASE("Arguments of a session program", "[popper][session]") {
  const Case cases[] = {
      {"", "", "jo", {"/bin/popit"}},
      {"popit", "", "jo", {"popit"}},
      {"  popit\t-x   y ", "", "jo", {"popit", "-x", "y"}},
      {"popit", "/([^%@+]*)", "jo/opt@example.org", {"popit", "--", "opt"}},
      {"popit", "/([^%@+]*)", "jo@example.org", {"popit"}},
      {"popit", "jo.*", "jo@x", {"popit", "--", "jo@x"}},
      {"popit", "^(a)|b", "b", {"popit"}},
      {"popit", "/(.*)", "jo/; rm -rf x", {"popit", "--", "; rm -rf x"}},
  };
  for (const Case& one : cases) {
    CAPTURE(one.arguments, one.useropt, one.login);
    Settings settings;
    settings.session_program = "/bin/popit";
    settings.session_arguments = one.arguments;
    settings.useropt = one.useropt;
    Account account;
    account.name = "jo";
    account.login = one.login;
    const Result<Words> words = session_program_arguments(settings, account);
    REQUIRE(words);
    CHECK(*words == one.expected);
  }
}

TEST_CASE("A useropt that is no expression is an error", "[popper][session]") {
  Settings settings;
  settings.useropt = "(";
  const Result<Words> words = session_program_arguments(settings, Account{});
  REQUIRE_FALSE(words);
  CHECK(words.error().code == Errc::usage);
}

TEST_CASE("The environment of a session program is the documented one", "[popper][session]") {
  SessionStart start;
  start.account.name = "jo";
  start.account.login = "jo+box@example.org";
  start.account.folder = "box";
  start.account.home = "/home/jo";
  start.address = "192.0.2.1";
  CHECK(session_program_environment(start) == Words{"SHELL=/bin/sh", "HOME=/home/jo", "USER=jo",
                                                    "EXTENSION=box", "LOGNAME=jo+box@example.org",
                                                    "REMOTE_ADDR=192.0.2.1",
                                                    "PATH=/usr/local/bin:/usr/bin:/bin"});
}

}  // namespace
}  // namespace pop
