#include "auth/password_check.h"

#include <sys/stat.h>

#include <initializer_list>
#include <optional>
#include <utility>

#include "auth/account_rules.h"
#include "auth/apop.h"
#include "auth/credential_db.h"
#include "auth/device_use.h"
#include "auth/login_cost.h"
#include "auth/login_name.h"
#include "auth/login_policy.h"
#include "auth/mail_account.h"
#include "auth/pam_transaction.h"
#include "auth/password_hash.h"
#include "auth/password_memo.h"
#include "auth/saslprep.h"
#include "auth/shadow_entry.h"
#include "base/clock.h"
#include "base/utf8.h"

namespace pop {
namespace {

using Record = std::optional<Credential>;

// pam_unix hashes twice for a wrong password: it looks first whether the empty one would do.
constexpr int hashes_of_pam = 2;
constexpr int hashes_of_our_own = 1;

ApopSecret apop_secret_of(const Record& record) {
  return record && record->has_apop_secret() ? ApopSecret::present : ApopSecret::absent;
}

/// Not being able to look is not a verdict on the user, whatever the look-up calls it.
Error as_unavailable(Error error) {
  return {Errc::io, std::move(error.text)};
}

std::chrono::sys_seconds now_in_seconds() {
  return std::chrono::floor<std::chrono::seconds>(system_clock().wall());
}

std::int64_t days_since_1970() {
  const auto now = system_clock().wall().time_since_epoch();
  return std::chrono::floor<std::chrono::days>(now).count();
}

/// No part can end another.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) {
    all += std::to_string(part.size()) + ":";
    all += part;
  }
  return all;
}

/// Changes with whatever is done to the file.
std::string identity_of(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return "none;";
  std::string identity;
  for (const auto part :
       {std::int64_t{st.st_size}, std::int64_t{st.st_mtim.tv_sec}, std::int64_t{st.st_mtim.tv_nsec},
        std::int64_t{st.st_ctim.tv_sec}, std::int64_t{st.st_ctim.tv_nsec}}) {
    identity += std::to_string(part) + ",";
  }
  return identity + std::to_string(st.st_dev) + "," + std::to_string(st.st_ino) + ";";
}

class ConfiguredChecker final : public PasswordChecker {
 public:
  ConfiguredChecker(const Settings& settings, Log* log)
      : source_{settings.auth_source},
        holds_sessions_{settings.pam_session},
        pam_service_{settings.pam_service},
        clear_text_{settings.clear_text_password},
        expired_{settings.check_password_expired ? ExpiredPassword::deny : ExpiredPassword::accept},
        names_{settings},
        rules_{settings, log},
        credentials_{settings.credential_file},
        device_uses_{settings.credential_file},
        log_{log},
        cost_{source_ == AuthSource::credentials ? ordinary_hash_setting : system_hash_setting,
              source_ == AuthSource::pam ? hashes_of_pam : hashes_of_our_own} {}

  /// With a PAM session modules must see the password each time.
  Result<void> begin_memo(std::chrono::seconds lifetime) {
    if (lifetime == lifetime.zero() || holds_sessions_) return {};
    Result<PasswordMemo> memo = PasswordMemo::create(lifetime);
    if (!memo) return std::unexpected(memo.error());
    memo_ = std::move(*memo);
    return {};
  }

  Result<Account> check_password(std::string_view typed, const Secret& password,
                                 const LoginOrigin& origin) override;
  Result<Account> check_apop(std::string_view typed, std::string_view banner_stamp,
                             std::string_view digest, const LoginOrigin& origin) override;
  Result<Account> check_identity(std::string_view typed, const LoginOrigin& origin) override;
  bool apop_usable() const override { return credentials_.available(); }

 private:
  Result<Record> find_record(std::string_view user) const;
  Result<Account> judge_evenly(const LoginName& name, const Secret& password,
                               const LoginOrigin& origin);
  Result<Account> judge_password(const LoginName& name, const Secret& password,
                                 const LoginOrigin& origin);
  Result<Account> judge_digest(const LoginName& name, std::string_view banner_stamp,
                               std::string_view digest, const LoginOrigin& origin);
  Result<void> check_may_try(std::string_view user, const Record& record,
                             const LoginOrigin& origin) const;
  Result<Account> ask_device(std::string_view user, const Record& record,
                             const DevicePassword& device, const LoginOrigin& origin);
  Result<Account> ask_for_password(std::string_view user, const Record& record,
                                   const Secret& password, const LoginOrigin& origin);
  Result<Account> ask_record(std::string_view user, const Record& record, const Secret& password);
  Result<Account> judge_identity(std::string_view user, const LoginOrigin& origin);
  Result<Account> account_without_password(std::string_view user, const Record& record,
                                           const LoginOrigin& origin);
  void note_use(const DevicePassword& device, const LoginOrigin& origin);
  Result<Account> ask_shadow(std::string_view user, const Secret& password);
  Result<Account> ask_pam(std::string_view user, const Secret& password, const LoginOrigin& origin);
  Result<void> compare(std::string_view user, const Secret& password, std::string_view hash);
  Result<void> authenticate(PamTransaction& transaction, const Result<Account>& account,
                            const Secret& password, const std::string& subject);
  std::string pam_subject(std::string_view user, const LoginOrigin& origin) const;
  bool is_remembered(std::string_view subject, const Secret& password) const;
  void remember(std::string_view subject, const Secret& password);
  Result<void> check_rules(std::string_view user, const Result<Account>& account);
  Result<Account> account_of_record(std::string_view user, const Credential& record);
  Result<Account> permitted_system_account(std::string_view user);
  Result<std::shared_ptr<PamSession>> check_alive(std::string_view user,
                                                  const LoginOrigin& origin) const;
  Result<void> check_shadow_expiry(std::string_view user) const;
  Result<PamTransaction> start_pam(std::string_view user, const Secret& password,
                                   const LoginOrigin& origin) const;
  std::shared_ptr<PamSession> session_of(PamTransaction transaction) const;
  void pass_credentials(PamTransaction& transaction) const;
  void log_messages(std::string_view user, PamTransaction& transaction) const;

  AuthSource source_;
  bool holds_sessions_;
  std::string pam_service_;
  ClearText clear_text_;
  ExpiredPassword expired_;
  LoginNames names_;
  AccountRules rules_;
  CredentialDb credentials_;
  DeviceUses device_uses_;
  Log* log_;
  LoginCost cost_;
  std::optional<PasswordMemo> memo_;
  bool pam_was_asked_ = false;  // in this attempt
  std::string compared_;        // hash_kind_of() what this attempt's password was compared with
};

Result<void> check_form(const LoginName& name) {
  if (!is_safe_user_name(name.user)) return fail(Errc::denied, "not a name a user can have");
  if (!is_safe_folder(name.folder)) return fail(Errc::denied, "not a name a folder can have");
  return {};
}

Result<Account> with_login(Result<Account> account, std::string_view typed, LoginName name) {
  if (!account) return account;
  account->login = typed;
  account->folder = std::move(name.folder);
  account->as_text = name.as_text;
  return account;
}

// RFC 6856 section 2.2: clients prepare a password that is not ASCII, or do not, and so did who set
// it. Who exists makes no difference to whether there is a second form, only PAM hears of the first
// alone: its modules would count one mistake twice and lock users out.
Result<Account> ConfiguredChecker::check_password(std::string_view typed, const Secret& password,
                                                  const LoginOrigin& origin) {
  LoginName name = names_.treat(typed);
  rules_.admit_only(origin.only);
  pam_was_asked_ = false;
  Result<Account> account = judge_evenly(name, password, origin);
  const bool is_wrong = !account && account.error().code == Errc::denied;
  if (is_wrong && !is_plain_ascii(password.octets())) {
    const Secret prepared = saslprep(password);
    if (prepared.octets() != password.octets()) {
      Result<Account> second = judge_evenly(name, prepared, origin);
      if (second || !pam_was_asked_) account = std::move(second);
    }
  }
  return with_login(std::move(account), typed, std::move(name));
}

Result<Account> ConfiguredChecker::judge_evenly(const LoginName& name, const Secret& password,
                                                const LoginOrigin& origin) {
  const LoginCost::CpuTime start = LoginCost::now();
  compared_.clear();
  Result<Account> account = judge_password(name, password, origin);
  if (!account && account.error().code == Errc::denied) {
    cost_.even_out(LoginCost::now() - start, compared_);
  }
  return account;
}

Result<Record> ConfiguredChecker::find_record(std::string_view user) const {
  Result<Record> record = credentials_.find(user);
  if (record) return record;
  // The system's users alone are a complete set-up; a file that is there but cannot be read may
  // hold the policy.
  const bool no_file = record.error().code == Errc::not_found;
  if (no_file && source_ != AuthSource::credentials) return Record{};
  return std::unexpected(as_unavailable(std::move(record).error()));
}

Result<Account> ConfiguredChecker::judge_password(const LoginName& name, const Secret& password,
                                                  const LoginOrigin& origin) {
  if (Result<void> good = check_form(name); !good) return std::unexpected(good.error());
  const Result<Record> record = find_record(name.user);
  if (!record) return std::unexpected(record.error());
  if (Result<void> may_try = check_may_try(name.user, *record, origin); !may_try) {
    return std::unexpected(std::move(may_try).error());
  }
  // Whatever is wrong about a device password, what follows costs the same as without it.
  const std::optional<std::string> digest = device_digest(password);
  const DevicePassword* const device =
      digest && *record ? find_device((*record)->devices, *digest) : nullptr;
  if (device == nullptr) return ask_for_password(name.user, *record, password, origin);
  const Result<void> good = check_device(*device, now_in_seconds(), origin.address);
  if (good) return ask_device(name.user, *record, *device, origin);
  Result<Account> asked = ask_for_password(name.user, *record, password, origin);
  if (!asked && asked.error().code == Errc::denied) asked.error().text = good.error().text;
  return asked;
}

// Whoever is refused before the password is looked at is looked up as the others are.
Result<void> ConfiguredChecker::check_may_try(std::string_view user, const Record& record,
                                              const LoginOrigin& origin) const {
  Result<void> may_try = clear_text_allowed(clear_text_, apop_secret_of(record), origin);
  if (may_try && record && record->is_locked()) may_try = fail(Errc::denied, "account locked");
  const bool is_virtual = record && record->virtual_user;
  if (!may_try && !is_virtual && source_ != AuthSource::credentials) {
    (void)find_system_account(user);
  }
  return may_try;
}

// --- Device passwords

Result<Account> ConfiguredChecker::ask_device(std::string_view user, const Record& record,
                                              const DevicePassword& device,
                                              const LoginOrigin& origin) {
  Result<Account> account = account_without_password(user, record, origin);
  if (!account) return account;
  account->is_read_only = device.rights == DevicePassword::Rights::read_only;
  account->device = device.name;
  note_use(device, origin);
  return account;
}

// A login does not depend on it, so a failure is only told.
void ConfiguredChecker::note_use(const DevicePassword& device, const LoginOrigin& origin) {
  const Result<void> noted = device_uses_.record(device, {now_in_seconds(), origin.address});
  if (!noted && log_ != nullptr) log_->failure("note the use of a device password", noted.error());
}

Result<Account> ConfiguredChecker::ask_for_password(std::string_view user, const Record& record,
                                                    const Secret& password,
                                                    const LoginOrigin& origin) {
  const bool is_virtual = record && record->virtual_user;
  if (!is_virtual && source_ == AuthSource::pam) return ask_pam(user, password, origin);
  if (!is_virtual && source_ == AuthSource::shadow) return ask_shadow(user, password);
  return ask_record(user, record, password);
}

// The subject holds the hash, so another one is another matter.
Result<void> ConfiguredChecker::compare(std::string_view user, const Secret& password,
                                        std::string_view hash) {
  const std::string subject = joined({"hash", user, hash});
  if (is_remembered(subject, password)) return {};
  compared_ = hash_kind_of(hash);
  if (!password_hash_matches(password, hash)) return fail(Errc::denied, "wrong password");
  remember(subject, password);
  return {};
}

// --- What was right before

bool ConfiguredChecker::is_remembered(std::string_view subject, const Secret& password) const {
  return memo_ && memo_->knows(subject, password, system_clock().steady());
}

void ConfiguredChecker::remember(std::string_view subject, const Secret& password) {
  if (memo_) memo_->learn(subject, password, system_clock().steady());
}

// --- The credential file

Result<Account> ConfiguredChecker::ask_record(std::string_view user, const Record& record,
                                              const Secret& password) {
  if (Result<void> allowed = rules_.check_name(user); !allowed) {
    return std::unexpected(std::move(allowed).error());
  }
  if (!record) return fail(Errc::denied, "unknown user: not in the credential file");
  const std::string& hash = record->password_hash;
  if (hash.empty()) return fail(Errc::denied, "has no password in the credential file");
  if (Result<void> right = compare(user, password, hash); !right) {
    return std::unexpected(right.error());
  }
  return account_of_record(user, *record);
}

Result<Account> ConfiguredChecker::account_of_record(std::string_view user,
                                                     const Credential& record) {
  if (!record.virtual_user) return permitted_system_account(user);
  Result<Account> account = virtual_account(user, *record.virtual_user);
  if (!account) return account;
  if (Result<void> allowed = check_rules(user, account); !allowed) {
    return std::unexpected(std::move(allowed).error());
  }
  return account;
}

Result<Account> ConfiguredChecker::permitted_system_account(std::string_view user) {
  Result<Account> account = find_system_account(user);
  if (!account && account.error().code != Errc::not_found) return account;
  if (Result<void> allowed = check_rules(user, account); !allowed) {
    return std::unexpected(std::move(allowed).error());
  }
  if (!account) return fail(Errc::denied, "unknown user");
  return account;
}

// After the look-ups, so that those take place for everybody.
Result<void> ConfiguredChecker::check_rules(std::string_view user, const Result<Account>& account) {
  if (Result<void> allowed = rules_.check_name(user); !allowed) return allowed;
  return account ? rules_.check_uid(account->uid) : Result<void>{};
}

// --- The system's password files

Result<Account> ConfiguredChecker::ask_shadow(std::string_view user, const Secret& password) {
  Result<Account> account = permitted_system_account(user);
  if (!account) return account;
  const Result<std::optional<ShadowEntry>> entry = find_shadow_entry(user);
  if (!entry) return std::unexpected(entry.error());
  if (!*entry) return fail(Errc::denied, "has no entry in the shadow file");
  const std::string_view hash = (*entry)->hash.octets();
  if (hash.empty()) return fail(Errc::denied, "has an empty password");
  if (hash.starts_with('!') || hash.starts_with('*')) return fail(Errc::denied, "account locked");
  Result<void> passed = compare(user, password, hash);
  if (passed) passed = check_expiry(**entry, days_since_1970(), expired_);
  if (!passed) return std::unexpected(std::move(passed).error());
  return account;
}

// --- PAM

Result<Account> ConfiguredChecker::ask_pam(std::string_view user, const Secret& password,
                                           const LoginOrigin& origin) {
  Result<Account> account = find_system_account(user);
  if (!account && account.error().code != Errc::not_found) return account;
  // Whom the rules refuse is not even tried: modules that count failures would let strangers lock
  // root out. Unknown users are, so that the modules log them as they log the others.
  if (Result<void> allowed = check_rules(user, account); !allowed) {
    return std::unexpected(std::move(allowed).error());
  }
  if (std::exchange(pam_was_asked_, true)) return fail(Errc::denied, "PAM has been asked");
  Result<PamTransaction> transaction = start_pam(user, password, origin);
  if (!transaction) return std::unexpected(std::move(transaction).error());
  const std::string subject = memo_ ? pam_subject(user, origin) : std::string{};
  Result<void> passed = authenticate(*transaction, account, password, subject);
  if (passed) passed = transaction->check_account(expired_);
  if (!passed) return std::unexpected(std::move(passed).error());
  if (!account) return fail(Errc::denied, "PAM knows the user, the system does not");
  if (!holds_sessions_) pass_credentials(*transaction);
  log_messages(user, *transaction);
  account->pam_session = session_of(std::move(*transaction));
  return account;
}

// Such as that a password will soon expire: POP3 has no way to tell.
void ConfiguredChecker::log_messages(std::string_view user, PamTransaction& transaction) const {
  std::string said = transaction.take_messages();
  if (said.empty() || log_ == nullptr) return;
  log_->event(Severity::info, "pam-said", {{"user", std::string{user}}, {"text", std::move(said)}});
}

// Without authentication PAM has not seen the password, as after APOP.
Result<void> ConfiguredChecker::authenticate(PamTransaction& transaction,
                                             const Result<Account>& account, const Secret& password,
                                             const std::string& subject) {
  if (!subject.empty() && is_remembered(subject, password)) return {};
  const LoginCost::CpuTime start = LoginCost::now();
  Result<void> passed = transaction.authenticate();
  if (!passed && account) cost_.learn(LoginCost::now() - start);
  if (passed && !subject.empty()) remember(subject, password);
  return passed;
}

// What PAM's answer is known to depend on. Empty: nobody can tell, so nothing is remembered.
std::string ConfiguredChecker::pam_subject(std::string_view user, const LoginOrigin& origin) const {
  const Result<std::optional<ShadowEntry>> entry = find_shadow_entry(user);
  if (!entry) return {};
  const std::string_view hash = *entry ? (*entry)->hash.octets() : std::string_view{};
  std::string subject = joined({"pam", pam_service_, user, origin.address, hash});
  for (const std::string& file :
       {std::string{"/etc/pam.d"}, "/etc/pam.d/" + pam_service_, std::string{"/etc/passwd"},
        std::string{"/etc/shadow"}, std::string{"/etc/nologin"}, std::string{"/run/nologin"}}) {
    subject += identity_of(file);
  }
  return subject;
}

std::shared_ptr<PamSession> ConfiguredChecker::session_of(PamTransaction transaction) const {
  if (!holds_sessions_) return nullptr;
  return std::make_shared<PamSession>(std::move(transaction));
}

// They are gone again before the session begins, so it does not need them.
void ConfiguredChecker::pass_credentials(PamTransaction& transaction) const {
  const Result<void> passed = transaction.pass_credentials();
  if (!passed && log_ != nullptr) log_->failure("use a user's credentials", passed.error());
}

Result<PamTransaction> ConfiguredChecker::start_pam(std::string_view user, const Secret& password,
                                                    const LoginOrigin& origin) const {
  return PamTransaction::start({.service = pam_service_,
                                .user = std::string{user},
                                .password = password.clone(),
                                .address = origin.address});
}

// --- APOP

Result<Account> ConfiguredChecker::check_apop(std::string_view typed, std::string_view banner_stamp,
                                              std::string_view digest, const LoginOrigin& origin) {
  LoginName name = names_.treat(typed);
  rules_.admit_only(origin.only);
  Result<Account> account = judge_digest(name, banner_stamp, digest, origin);
  return with_login(std::move(account), typed, std::move(name));
}

Result<Account> ConfiguredChecker::judge_digest(const LoginName& name,
                                                std::string_view banner_stamp,
                                                std::string_view digest,
                                                const LoginOrigin& origin) {
  if (Result<void> good = check_form(name); !good) return std::unexpected(good.error());
  const Result<Record> record = credentials_.find(name.user);
  if (!record) return std::unexpected(as_unavailable(record.error()));
  const bool has_secret = apop_secret_of(*record) == ApopSecret::present;
  static const Secret nobodys{"no user has this one"};
  const Secret& secret = has_secret ? *(*record)->apop_secret : nobodys;
  // RFC 6856 section 2.2: the client has prepared it, or not.
  const bool matches = apop_digest_matches(banner_stamp, secret, digest) ||
                       apop_digest_matches(banner_stamp, saslprep(secret), digest);
  if (!has_secret) return fail(Errc::denied, "APOP: has no secret in the credential file");
  if (!matches) return fail(Errc::denied, "APOP: wrong digest");

  if ((*record)->is_locked()) return fail(Errc::denied, "APOP: account locked");
  return account_without_password(name.user, *record, origin);
}

// --- Other mechanisms

Result<Account> ConfiguredChecker::check_identity(std::string_view typed,
                                                  const LoginOrigin& origin) {
  LoginName name = names_.treat(typed);
  rules_.admit_only(origin.only);
  Result<void> good = check_form(name);
  Result<Account> account =
      good ? judge_identity(name.user, origin) : std::unexpected(std::move(good).error());
  return with_login(std::move(account), typed, std::move(name));
}

Result<Account> ConfiguredChecker::judge_identity(std::string_view user,
                                                  const LoginOrigin& origin) {
  const Result<Record> record = find_record(user);
  if (!record) return std::unexpected(record.error());
  if (*record && (*record)->is_locked()) return fail(Errc::denied, "account locked");
  if (!*record && source_ == AuthSource::credentials) {
    return fail(Errc::denied, "unknown user: not in the credential file");
  }
  return account_without_password(user, *record, origin);
}

// Somebody whom another secret than the system's password proved.
Result<Account> ConfiguredChecker::account_without_password(std::string_view user,
                                                            const Record& record,
                                                            const LoginOrigin& origin) {
  Result<Account> account =
      record ? account_of_record(user, *record) : permitted_system_account(user);
  if (!account || account->is_virtual) return account;
  Result<std::shared_ptr<PamSession>> alive = check_alive(user, origin);
  if (!alive) return std::unexpected(std::move(alive).error());
  account->pam_session = std::move(*alive);
  return account;
}

// Whoever decides about the system's users decides also which of them have expired, and has their
// sessions.
Result<std::shared_ptr<PamSession>> ConfiguredChecker::check_alive(
    std::string_view user, const LoginOrigin& origin) const {
  if (source_ == AuthSource::credentials) return nullptr;
  if (source_ == AuthSource::shadow) {
    if (Result<void> alive = check_shadow_expiry(user); !alive) {
      return std::unexpected(std::move(alive).error());
    }
    return nullptr;
  }
  Result<PamTransaction> transaction = start_pam(user, Secret{}, origin);
  if (!transaction) return std::unexpected(std::move(transaction).error());
  if (Result<void> alive = transaction->check_account(expired_); !alive) {
    return std::unexpected(std::move(alive).error());
  }
  return session_of(std::move(*transaction));
}

Result<void> ConfiguredChecker::check_shadow_expiry(std::string_view user) const {
  const Result<std::optional<ShadowEntry>> entry = find_shadow_entry(user);
  if (!entry) return std::unexpected(entry.error());
  if (!*entry) return fail(Errc::denied, "has no entry in the shadow file");
  return check_expiry(**entry, days_since_1970(), expired_);
}

}  // namespace

Result<std::unique_ptr<PasswordChecker>> make_password_checker(const Settings& settings, Log* log) {
  auto checker = std::make_unique<ConfiguredChecker>(settings, log);
  if (Result<void> begun = checker->begin_memo(settings.login_cache); !begun) {
    return std::unexpected(std::move(begun).error());
  }
  return checker;
}

}  // namespace pop
