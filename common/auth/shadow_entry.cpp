#include "auth/shadow_entry.h"

#include <shadow.h>

#include <cerrno>
#include <string>

namespace pop {
namespace {

constexpr std::size_t largest_entry = std::size_t{64} << 10;

ShadowEntry entry_of(const spwd& found) {
  ShadowEntry entry;
  entry.hash = Secret{found.sp_pwdp == nullptr ? "" : found.sp_pwdp};
  entry.last_change = found.sp_lstchg;
  entry.maximum_age = found.sp_max;
  entry.inactive = found.sp_inact;
  entry.expires = found.sp_expire;
  return entry;
}

/// POSIX lets an unknown name be any of these.
bool means_unknown(int error) {
  return error == 0 || error == ENOENT || error == ESRCH;
}

}  // namespace

Result<std::optional<ShadowEntry>> find_shadow_entry(std::string_view user) {
  const std::string name{user};
  std::string buffer(4096, '\0');
  spwd room{};
  spwd* found = nullptr;
  int error = ::getspnam_r(name.c_str(), &room, buffer.data(), buffer.size(), &found);
  while (error == EINTR || (error == ERANGE && buffer.size() < largest_entry)) {
    wipe(buffer);
    if (error == ERANGE) buffer.assign(buffer.size() * 2, '\0');
    error = ::getspnam_r(name.c_str(), &room, buffer.data(), buffer.size(), &found);
  }
  std::optional<ShadowEntry> entry;
  if (found != nullptr) entry = entry_of(*found);
  wipe(buffer);
  if (entry || means_unknown(error)) return entry;
  return std::unexpected(Error{Errc::io, errno_error(error, "read the shadow file").text});
}

Result<void> check_expiry(const ShadowEntry& entry, std::int64_t today, ExpiredPassword expired) {
  if (entry.expires >= 0 && today >= entry.expires)
    return fail(Errc::account_expired, "account expired");
  const std::int64_t age = today - entry.last_change;
  const bool has_maximum = entry.maximum_age >= 0 && entry.last_change > 0;
  if (has_maximum && entry.inactive >= 0 && age > entry.maximum_age + entry.inactive) {
    return fail(Errc::password_expired, "password expired, and inactive since");
  }
  if (expired == ExpiredPassword::accept) return {};
  if (entry.last_change == 0) {
    return fail(Errc::password_expired, "password expired: it must be changed");
  }
  if (has_maximum && age > entry.maximum_age) {
    return fail(Errc::password_expired, "password expired");
  }
  return {};
}

}  // namespace pop
