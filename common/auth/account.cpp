#include "auth/account.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace pop {
namespace {

constexpr std::size_t longest_name = 64;
constexpr std::size_t largest_entry = std::size_t{1} << 20;

bool is_allowed(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet >= 0x20 && octet != 0x7f && c != '/';
}

std::size_t suggested_size() {
  const long suggested = ::sysconf(_SC_GETPW_R_SIZE_MAX);
  return suggested > 0 ? static_cast<std::size_t>(suggested) : 1024;
}

Account account_of(const passwd& entry) {
  return {.name = entry.pw_name,
          .uid = entry.pw_uid,
          .gid = entry.pw_gid,
          .home = entry.pw_dir,
          .maildrop = {},
          .shell = entry.pw_shell,
          .is_virtual = false};
}

/// POSIX lets an unknown name be any of these; everything else is a failure of the service.
bool means_unknown(int error) {
  return error == 0 || error == ENOENT || error == ESRCH;
}

/// `look_up` is getpwnam_r or getpwuid_r with its key.
template <class LookUp>
Result<Account> look_up_account(const LookUp& look_up) {
  std::vector<char> buffer(suggested_size());
  passwd entry{};
  passwd* found = nullptr;
  int error = look_up(entry, buffer, found);
  while (error == EINTR || (error == ERANGE && buffer.size() < largest_entry)) {
    if (error == ERANGE) buffer.resize(buffer.size() * 2);
    error = look_up(entry, buffer, found);
  }
  if (found != nullptr) return account_of(entry);
  if (means_unknown(error)) return fail(Errc::not_found, "no such user");
  return std::unexpected(Error{Errc::io, errno_error(error, "look up the user").text});
}

}  // namespace

bool is_safe_user_name(std::string_view name) {
  if (name.empty() || name.size() > longest_name) return false;
  if (name.front() == '.' || name.front() == '-') return false;
  return std::ranges::all_of(name, is_allowed);
}

Result<Account> find_system_account(std::string_view name) {
  const std::string wanted{name};
  return look_up_account([&](passwd& entry, std::vector<char>& buffer, passwd*& found) {
    return ::getpwnam_r(wanted.c_str(), &entry, buffer.data(), buffer.size(), &found);
  });
}

Result<Account> find_system_account(uid_t uid) {
  return look_up_account([&](passwd& entry, std::vector<char>& buffer, passwd*& found) {
    return ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
  });
}

std::vector<Account> system_accounts() {
  std::vector<Account> accounts;
  ::setpwent();
  while (const passwd* entry = ::getpwent()) accounts.push_back(account_of(*entry));
  ::endpwent();
  return accounts;
}

}  // namespace pop
