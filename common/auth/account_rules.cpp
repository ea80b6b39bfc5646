#include "auth/account_rules.h"

#include <string>

namespace pop {

AccountRules::AccountRules(const Settings& settings, Log* log)
    : highest_blocked_uid_{settings.block_uid}, log_{log} {
  if (!settings.auth_file.empty()) {
    allowed_.emplace(NamedList{"auth-file", UserList{settings.auth_file}});
  }
  if (!settings.nonauth_file.empty()) {
    refused_.emplace(NamedList{"nonauth-file", UserList{settings.nonauth_file}});
  }
}

Result<void> AccountRules::check_name(std::string_view user) {
  const bool is_allowed = !allowed_ || lists(*allowed_, user);
  const bool is_refused = refused_ && lists(*refused_, user);
  if (!is_allowed) return fail(Errc::denied, "not listed in auth-file");
  if (is_refused) return fail(Errc::denied, "listed in nonauth-file");
  return {};
}

// A failure is logged when it begins, not at every login.
bool AccountRules::lists(NamedList& list, std::string_view user) {
  const Result<bool> listed = list.users.contains(user);
  if (!listed && !list.failed && log_ != nullptr) {
    log_->sentence(Severity::error, std::string{list.option} + ": " + listed.error().text);
  }
  list.failed = !listed;
  return listed && *listed;
}

Result<void> AccountRules::check_uid(uid_t uid) const {
  if (uid == 0) return fail(Errc::denied, "access is blocked for root");
  if (static_cast<std::int64_t>(uid) > highest_blocked_uid_) return {};
  return fail(Errc::denied,
              "access is blocked for UIDs up to " + std::to_string(highest_blocked_uid_));
}

}  // namespace pop
