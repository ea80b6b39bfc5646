#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "auth/credential_db.h"
#include "auth/guess_hash.h"
#include "auth/password_check.h"
#include "base/disk.h"
#include "base/error.h"
#include "conf/settings.h"
#include "log/log.h"
#include "poppassd/change_messages.h"

namespace pop {

/// The settings under which the old password is checked: by PAM's service for poppassd; whatever
/// clear-text-password says, for the front has decided about that; and a password that has expired
/// is good enough to be changed.
[[nodiscard]] Settings settings_for_check(Settings settings);

/// Checks one old password and sets one new one: in the credential file for whom popper checks
/// with that, else by PAM. Root's part of a connection, to be used once.
class Changer {
 public:
  /// Asks the master and blocks until it answers, unless the word needs no answer. nullopt: it has
  /// gone, and nothing may be done any more.
  using AwaitTurn = std::function<std::optional<Turn>(const TurnRequest& request)>;
  /// All must outlive it. `checker` works by settings_for_check(settings).
  struct Context {
    const Settings& settings;
    Log& log;
    Disk& disk;
    PasswordChecker& checker;
    AwaitTurn await_turn;
    const GuessHash& guesses;  // with the master's seed
  };
  Changer(Context context, Client client)
      : context_{std::move(context)}, client_{std::move(client)} {}

  /// Blocks as long as PAM does, and as long as the master wants addresses that have failed to
  /// wait. What is logged needs no more. nullopt: the master has gone.
  [[nodiscard]] std::optional<ChangeVerdict> change(const ChangeRequest& request);

 private:
  [[nodiscard]] ChangeVerdict judge(const std::string& user, const ChangeRequest& request,
                                    const Account& account);
  [[nodiscard]] Result<void> set_new(const Account& account, const ChangeRequest& request);
  [[nodiscard]] Result<void> set_in_file(const std::string& user, const ChangeRequest& request);
  [[nodiscard]] Result<void> set_by_pam(const Account& account, const ChangeRequest& request);
  void keep_record_in_step(const std::string& user, const ChangeRequest& request);
  void log_rejection(const std::string& user, const Error& why, Turn turn);
  void log_failure(const std::string& user, const Error& why);

  Context context_;
  Client client_;
};

}  // namespace pop
