#include "popper/notify/login_notifier.h"

#include <algorithm>
#include <array>

#include "base/secret.h"
#include "conf/show_config.h"
#include "popper/notify/drac_notifier.h"
#include "popper/notify/logudp_notifier.h"
#include "popper/notify/sql_notifier.h"
#include "popper/notify/whoson_notifier.h"

namespace pop {
namespace {

bool wants_sql(const Settings& settings) {
  return !settings.loginfo_host.empty() && !settings.loginfo_query.empty();
}

bool is_about_notices(std::string_view option) {
  constexpr std::array families{"drac-host", "gate-user", "host-name", "loginfo-", "logudp-",
                                "log-",      "debug",     "tracefile", "whoson-"};
  return std::ranges::any_of(
      families, [option](std::string_view family) { return option.starts_with(family); });
}

}  // namespace

bool wants_notices(const Settings& settings) {
  return !settings.logudp_destination.empty() || !settings.whoson_server.empty() ||
         !settings.drac_host.empty() || wants_sql(settings);
}

bool wants_logout_notices(const Settings& settings) {
  return !settings.whoson_server.empty();
}

bool have_same_notices(const Settings& a, const Settings& b) {
  return std::ranges::none_of(differing_options(a, b), is_about_notices);
}

bool has_notice_secrets(const Settings& settings) {
  return !settings.logudp_secret.empty() || !settings.loginfo_password.empty();
}

Result<std::vector<std::unique_ptr<LoginNotifier>>> make_login_notifiers(const Settings& settings,
                                                                         NoticeLog& log) {
  std::vector<std::unique_ptr<LoginNotifier>> notifiers;
  if (!settings.logudp_destination.empty()) {
    Result<std::unique_ptr<LoginNotifier>> made = make_logudp_notifier(settings);
    if (!made) return std::unexpected(std::move(made).error());
    notifiers.push_back(std::move(*made));
  }
  if (!settings.whoson_server.empty()) {
    Result<std::unique_ptr<LoginNotifier>> made = make_whoson_notifier(settings);
    if (!made) return std::unexpected(std::move(made).error());
    notifiers.push_back(std::move(*made));
  }
  if (!settings.drac_host.empty()) {
    Result<std::unique_ptr<LoginNotifier>> made = make_drac_notifier(settings, log);
    if (!made) return std::unexpected(std::move(made).error());
    notifiers.push_back(std::move(*made));
  }
  if (wants_sql(settings)) {
    Result<std::unique_ptr<LoginNotifier>> made = make_sql_notifier(settings);
    if (!made) return std::unexpected(std::move(made).error());
    notifiers.push_back(std::move(*made));
  }
  return notifiers;
}

}  // namespace pop
