#include "auth/account_rules.h"

#include <algorithm>
#include <string>
#include <utility>

namespace pop {
namespace {

constexpr std::string_view nobody_gets_in = "nobody can log in until it can be read";
constexpr std::string_view last_list_holds =
    "whom it listed before stays refused, until it can be read again";

}  // namespace

AccountRules::AccountRules(const Settings& settings, Log* log)
    : highest_blocked_uid_{settings.block_uid}, log_{log} {
  if (!settings.auth_file.empty()) {
    allowed_.emplace(NamedList{"auth-file", UserList{settings.auth_file}});
    (void)look_into(*allowed_, nobody_gets_in);
  }
  if (!settings.nonauth_file.empty()) {
    refused_.emplace(NamedList{"nonauth-file", UserList{settings.nonauth_file}});
    (void)look_into(*refused_, nobody_gets_in);
  }
}

Result<void> AccountRules::check_name(std::string_view user) {
  const bool is_allowed =
      !allowed_ || (look_into(*allowed_, nobody_gets_in) && *allowed_->users.last_known(user));
  std::optional<bool> is_refused = false;
  if (refused_) {
    const bool was_read = refused_->users.last_known(user).has_value();
    const Result<void> read = look_into(*refused_, was_read ? last_list_holds : nobody_gets_in);
    is_refused = refused_->users.last_known(user);
    if (!is_refused) return fail(Errc::io, "nonauth-file: " + read.error().text);
  }
  if (!is_allowed) return fail(Errc::denied, "not listed in auth-file");
  if (*is_refused) return fail(Errc::denied, "listed in nonauth-file");
  if (only_ != nullptr && std::ranges::find(*only_, user) == only_->end()) {
    return fail(Errc::denied, "not one of the users of this listener");
  }
  return {};
}

// A failure is logged when it begins, not at every login.
Result<void> AccountRules::look_into(NamedList& list, std::string_view what_holds_now) {
  Result<void> read = list.users.refresh();
  if (!read && !list.failed && log_ != nullptr) {
    log_->sentence(Severity::error, std::string{list.option} + ": " + read.error().text + "; " +
                                        std::string{what_holds_now});
  }
  list.failed = !read;
  return read;
}

Result<void> AccountRules::check_uid(uid_t uid) const {
  if (uid == 0) return fail(Errc::denied, "access is blocked for root");
  if (static_cast<std::int64_t>(uid) > highest_blocked_uid_) return {};
  return fail(Errc::denied,
              "access is blocked for UIDs up to " + std::to_string(highest_blocked_uid_));
}

Result<void> check_account_lists(const Settings& settings) {
  for (const auto& [option, file] : {std::pair{"auth-file", settings.auth_file},
                                     std::pair{"nonauth-file", settings.nonauth_file}}) {
    if (file.empty()) continue;
    const Result<void> read = UserList{file}.refresh();
    if (read) continue;
    return fail(read.error().code, std::string{option} + ": " + read.error().text +
                                       "; put the list there, one name a line, or reset " + option);
  }
  return {};
}

}  // namespace pop
