#include "auth/password_check.h"

#include <optional>

#include "auth/apop.h"
#include "auth/credential_db.h"
#include "auth/login_cost.h"
#include "auth/login_policy.h"
#include "auth/pam_transaction.h"
#include "auth/password_hash.h"

namespace pop {
namespace {

using Record = std::optional<Credential>;

// pam_unix hashes twice for a wrong password: it looks first whether the empty one would do.
constexpr int hashes_of_pam = 2;
constexpr int hashes_of_credential_file = 1;

ApopSecret apop_secret_of(const Record& record) {
  const bool present = record && record->apop_secret && !record->apop_secret->empty();
  return present ? ApopSecret::present : ApopSecret::absent;
}

/// Not being able to look is not a verdict on the user, whatever the look-up calls it.
Error as_unavailable(Error error) {
  return {Errc::io, std::move(error.text)};
}

Result<Account> virtual_account(std::string_view user, const Credential::Virtual& who) {
  if (who.uid == 0) return fail(Errc::denied, "a virtual user must not be root");
  return Account{.name = std::string{user},
                 .uid = who.uid,
                 .gid = who.gid,
                 .home = who.home,
                 .maildrop = who.maildrop,
                 .shell = {},
                 .is_virtual = true};
}

/// Errc::denied for an unknown user and for one of the system itself.
Result<Account> permitted_system_account(std::string_view user) {
  Result<Account> account = find_system_account(user);
  if (!account && account.error().code == Errc::not_found) {
    return fail(Errc::denied, "unknown user");
  }
  if (!account) return account;
  if (Result<void> allowed = uid_allowed(account->uid); !allowed) {
    return std::unexpected(allowed.error());
  }
  return account;
}

class ConfiguredChecker final : public PasswordChecker {
 public:
  explicit ConfiguredChecker(const Settings& settings)
      : source_{settings.auth_source},
        pam_service_{settings.pam_service},
        clear_text_{settings.clear_text_password},
        expired_{settings.check_password_expired ? PamTransaction::ExpiredPassword::deny
                                                 : PamTransaction::ExpiredPassword::accept},
        credentials_{settings.credential_file},
        cost_{source_ == AuthSource::pam ? system_hash_setting : ordinary_hash_setting,
              source_ == AuthSource::pam ? hashes_of_pam : hashes_of_credential_file} {}

  Result<Account> check_password(std::string_view user, const Secret& password,
                                 const LoginOrigin& origin) override {
    const LoginCost::CpuTime start = LoginCost::now();
    Result<Account> account = judge_password(user, password, origin);
    if (!account && account.error().code == Errc::denied) {
      cost_.even_out(LoginCost::now() - start);
    }
    return account;
  }

  Result<Account> check_apop(std::string_view user, std::string_view banner_stamp,
                             std::string_view digest, const LoginOrigin& origin) override;

  bool apop_usable() const override { return credentials_.available(); }

 private:
  Result<Record> find_record(std::string_view user) const;
  Result<Account> judge_password(std::string_view user, const Secret& password,
                                 const LoginOrigin& origin);
  Result<Account> ask_pam(std::string_view user, const Secret& password, const LoginOrigin& origin);
  Result<void> check_with_pam(std::string_view user, const LoginOrigin& origin) const;
  Result<PamTransaction> start_pam(std::string_view user, const Secret& password,
                                   const LoginOrigin& origin) const;
  static Result<Account> account_of_record(std::string_view user, const Credential& record);

  AuthSource source_;
  std::string pam_service_;
  ClearText clear_text_;
  PamTransaction::ExpiredPassword expired_;
  CredentialDb credentials_;
  LoginCost cost_;
};

Result<Record> ConfiguredChecker::find_record(std::string_view user) const {
  Result<Record> record = credentials_.find(user);
  if (record) return record;
  // PAM alone is a complete set-up; a file that is there but cannot be read may hold the policy.
  const bool no_file = record.error().code == Errc::not_found;
  if (no_file && source_ == AuthSource::pam) return Record{};
  return std::unexpected(as_unavailable(std::move(record).error()));
}

Result<Account> ConfiguredChecker::judge_password(std::string_view user, const Secret& password,
                                                  const LoginOrigin& origin) {
  if (!is_safe_user_name(user)) return fail(Errc::denied, "not a name a user can have");
  const Result<Record> record = find_record(user);
  if (!record) return std::unexpected(record.error());
  const Result<void> allowed = clear_text_allowed(clear_text_, apop_secret_of(*record), origin);
  if (!allowed) return std::unexpected(allowed.error());

  const bool is_virtual = *record && (*record)->virtual_user;
  if (source_ == AuthSource::pam && !is_virtual) return ask_pam(user, password, origin);
  if (!*record) return fail(Errc::denied, "unknown user: not in the credential file");
  const std::string& hash = (*record)->password_hash;
  if (hash.empty()) return fail(Errc::denied, "has no password in the credential file");
  if (!password_hash_matches(password, hash)) return fail(Errc::denied, "wrong password");
  return account_of_record(user, **record);
}

Result<Account> ConfiguredChecker::account_of_record(std::string_view user,
                                                     const Credential& record) {
  if (record.virtual_user) return virtual_account(user, *record.virtual_user);
  return permitted_system_account(user);
}

Result<Account> ConfiguredChecker::ask_pam(std::string_view user, const Secret& password,
                                           const LoginOrigin& origin) {
  const Result<Account> account = find_system_account(user);
  if (!account && account.error().code != Errc::not_found) return account;
  // Users of the system are not even tried: modules that count failures would let strangers lock
  // root out. Unknown ones are, so that the modules log them as they log the others.
  if (account) {
    if (Result<void> allowed = uid_allowed(account->uid); !allowed) {
      return std::unexpected(allowed.error());
    }
  }
  Result<PamTransaction> transaction = start_pam(user, password, origin);
  if (!transaction) return std::unexpected(std::move(transaction).error());
  const LoginCost::CpuTime start = LoginCost::now();
  Result<void> passed = transaction->authenticate();
  if (!passed && account) cost_.learn(LoginCost::now() - start);
  if (passed) passed = transaction->check_account(expired_);
  if (!passed) return std::unexpected(std::move(passed).error());
  if (!account) return fail(Errc::denied, "PAM knows the user, the system does not");
  return account;
}

Result<PamTransaction> ConfiguredChecker::start_pam(std::string_view user, const Secret& password,
                                                    const LoginOrigin& origin) const {
  return PamTransaction::start({.service = pam_service_,
                                .user = std::string{user},
                                .password = password.clone(),
                                .address = origin.address});
}

Result<void> ConfiguredChecker::check_with_pam(std::string_view user,
                                               const LoginOrigin& origin) const {
  Result<PamTransaction> transaction = start_pam(user, Secret{}, origin);
  if (!transaction) return std::unexpected(std::move(transaction).error());
  return transaction->check_account(expired_);
}

Result<Account> ConfiguredChecker::check_apop(std::string_view user, std::string_view banner_stamp,
                                              std::string_view digest, const LoginOrigin& origin) {
  if (!is_safe_user_name(user)) return fail(Errc::denied, "not a name a user can have");
  const Result<Record> record = credentials_.find(user);
  if (!record) return std::unexpected(as_unavailable(record.error()));
  const bool has_secret = apop_secret_of(*record) == ApopSecret::present;
  static const Secret nobodys{"no user has this one"};
  const bool matches =
      apop_digest_matches(banner_stamp, has_secret ? *(*record)->apop_secret : nobodys, digest);
  if (!has_secret) return fail(Errc::denied, "APOP: has no secret in the credential file");
  if (!matches) return fail(Errc::denied, "APOP: wrong digest");

  Result<Account> account = account_of_record(user, **record);
  if (!account || account->is_virtual || source_ != AuthSource::pam) return account;
  Result<void> alive = check_with_pam(user, origin);
  if (!alive) return std::unexpected(std::move(alive).error());
  return account;
}

}  // namespace

Result<std::unique_ptr<PasswordChecker>> make_password_checker(const Settings& settings) {
  if (settings.auth_source == AuthSource::shadow) {
    return fail(Errc::usage, "auth-source: this build cannot check passwords against shadow");
  }
  if (settings.clear_text_password == ClearText::tls) {
    return fail(Errc::usage, "clear-text-password: tls would let nobody in, this build has no TLS");
  }
  return std::make_unique<ConfiguredChecker>(settings);
}

}  // namespace pop
