#include "auth/login_shell.h"

#include "support/catch.h"

namespace pop {
namespace {

Account account_with(std::string shell) {
  Account account;
  account.name = "jo";
  account.shell = std::move(shell);
  return account;
}

TEST_CASE("A shell must be listed, as it is written", "[auth][shell]") {
  const std::vector<std::string> listed{"/bin/sh", "/usr/bin/bash"};
  CHECK(judge_shell(account_with("/bin/sh"), listed) == ShellVerdict::permitted);
  for (const char* shell : {"/bin/bash", "/bin/sh ", "/bin/s", "/usr/sbin/nologin", any_shell}) {
    CAPTURE(shell);
    CHECK(judge_shell(account_with(shell), listed) == ShellVerdict::not_listed);
  }
  CHECK(judge_shell(account_with(""), listed) == ShellVerdict::none);
  CHECK(judge_shell(account_with("/bin/sh"), {}) == ShellVerdict::not_listed);
}

TEST_CASE("The wildcard lets every shell pass, but not none", "[auth][shell]") {
  for (const char* wildcard : {"/POPPER/ANY/SHELL", "/POPPER/ANY/SHELL/"}) {
    const std::vector<std::string> listed{"/bin/sh", wildcard};
    CAPTURE(wildcard);
    CHECK(judge_shell(account_with("/usr/sbin/nologin"), listed) == ShellVerdict::permitted);
    CHECK(judge_shell(account_with(""), listed) == ShellVerdict::none);
  }
  const std::vector<std::string> other{"/POPPER/ANY/SHELLS"};
  CHECK(judge_shell(account_with("/bin/sh"), other) == ShellVerdict::not_listed);
}

TEST_CASE("Virtual users need no shell", "[auth][shell]") {
  Account account = account_with("");
  account.is_virtual = true;
  CHECK(judge_shell(account, {}) == ShellVerdict::permitted);
}

TEST_CASE("The list of shells is read anew each time", "[auth][shell]") {
  const std::vector<std::string> first = listed_shells();
  CHECK_FALSE(first.empty());
  CHECK(listed_shells() == first);
}

}  // namespace
}  // namespace pop
