#include "auth/login_shell.h"

#include <unistd.h>

#include <algorithm>

namespace pop {

ShellVerdict judge_shell(const Account& account, std::span<const std::string> listed) {
  if (account.is_virtual) return ShellVerdict::permitted;
  if (account.shell.empty()) return ShellVerdict::none;
  const auto is_listed = [&](const std::string& shell) {
    return std::ranges::find(listed, shell) != listed.end();
  };
  const std::string any{any_shell};
  if (is_listed(account.shell) || is_listed(any) || is_listed(any + "/")) {
    return ShellVerdict::permitted;
  }
  return ShellVerdict::not_listed;
}

std::vector<std::string> listed_shells() {
  std::vector<std::string> shells;
  ::setusershell();
  while (const char* shell = ::getusershell()) shells.emplace_back(shell);
  ::endusershell();
  return shells;
}

}  // namespace pop
