#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "popper/notify/login_notifier.h"

namespace pop {

/// "LOGIN ADDRESS USER" and "LOGOUT ADDRESS" with the empty line after them.
[[nodiscard]] std::string whoson_login(const LoginNotice& notice);
[[nodiscard]] std::string whoson_logout(const std::string& address);

/// The sessions of each address: whoson knows no more than the address, so it hears LOGOUT only
/// after the last of them.
class AddressSessions {
 public:
  void begin(const LoginNotice& notice);
  /// Whether that was the last session of its address. False for a session that did not begin here.
  [[nodiscard]] bool end(const LoginNotice& notice);

 private:
  std::map<std::string, std::set<std::string>> connections_;
};

/// Tells whoson-server about the mailboxes that whoson-rules allow. Asks up to three times, a
/// second each; Errc::denied when the server refuses.
[[nodiscard]] Result<std::unique_ptr<LoginNotifier>> make_whoson_notifier(const Settings& settings);

}  // namespace pop
