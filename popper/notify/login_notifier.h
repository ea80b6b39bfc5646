#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "conf/settings.h"
#include "log/log.h"
#include "popper/notify/login_notice.h"

namespace pop {

/// One service that hears of logins. Belongs to one thread.
class LoginNotifier {
 public:
  virtual ~LoginNotifier() = default;

  /// For the log: "logudp", "whoson", "drac", "loginfo".
  [[nodiscard]] virtual std::string_view name() const = 0;

  /// Tells the service, or does nothing where this notice is not for it. May block for some
  /// seconds. Any error is for the log: the notice is lost.
  [[nodiscard]] virtual Result<void> tell(const LoginNotice& notice) = 0;
};

/// The log of the notifiers, whose threads share it.
class NoticeLog {
 public:
  explicit NoticeLog(Log& log) : log_{log} {}
  void sentence(Severity severity, std::string_view text) {
    const std::scoped_lock lock{mutex_};
    log_.sentence(severity, text);
  }

 private:
  std::mutex mutex_;
  Log& log_;
};

/// Whether any service is configured; the secrets are not needed to tell.
[[nodiscard]] bool wants_notices(const Settings& settings);
/// Whether some service must hear of the end of sessions.
[[nodiscard]] bool wants_logout_notices(const Settings& settings);
/// Whether both lead to the same notices, so that a notifier can outlive a reload.
[[nodiscard]] bool have_same_notices(const Settings& a, const Settings& b);

/// Whether there is anything that forget_notice_secrets() would overwrite.
[[nodiscard]] bool has_notice_secrets(const Settings& settings);

/// One for each service that is configured. `log` must outlive them. Errors are mistakes in the
/// settings that their check did not find.
[[nodiscard]] Result<std::vector<std::unique_ptr<LoginNotifier>>> make_login_notifiers(
    const Settings& settings, NoticeLog& log);

}  // namespace pop
