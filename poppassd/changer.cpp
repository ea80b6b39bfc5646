#include "poppassd/changer.h"

#include <utility>
#include <vector>

#include "auth/login_name.h"
#include "auth/pam_password_change.h"
#include "auth/set_password.h"

namespace pop {
namespace {

using Outcome = ChangeVerdict::Outcome;
using Stored = std::optional<Credential>;

// Less than a change may take: then the client hears that somebody else writes.
constexpr CredentialDbWriter::Locking for_a_client{std::chrono::seconds{10}};

bool is_verdict(const Error& error) {
  return error.code == Errc::denied || error.code == Errc::account_expired ||
         error.code == Errc::password_expired;
}

// For who reads the log to shut guessers out: the right password of an account that has expired is
// no guess.
std::string kind_of_guess(const Error& why, Turn turn) {
  if (why.code != Errc::denied) return "none";
  return turn == Turn::repeated ? "repeated" : "new";
}

}  // namespace

Settings settings_for_check(Settings settings) {
  settings.pam_service = settings.poppassd_pam_service;
  settings.clear_text_password = ClearText::always;
  settings.check_password_expired = false;
  settings.pam_session = false;
  return settings;
}

std::optional<ChangeVerdict> Changer::change(const ChangeRequest& request) {
  using Word = TurnRequest::Word;
  const std::string user = LoginNames{context_.settings}.treat(request.user).user;
  const GuessKeys guess = context_.guesses.of(user, request.old_password);
  const std::optional<Turn> turn = context_.await_turn({Word::may_check, guess});
  if (!turn) return std::nullopt;
  Result<Account> account = context_.checker.check_password(request.user, request.old_password,
                                                            {client_.address, request.over_tls});
  if (account && !account->device.empty()) {
    account = fail(Errc::denied, "a device password cannot change the password");
  }
  if (account) {
    (void)context_.await_turn({Word::right, guess});
    return judge(user, request, *account);
  }
  if (!is_verdict(account.error())) {
    log_failure(user, account.error());
    return ChangeVerdict{Outcome::unavailable, ""};
  }
  log_rejection(user, account.error(), *turn);
  if (!context_.await_turn({Word::failed, guess})) return std::nullopt;
  return ChangeVerdict{Outcome::rejected, ""};
}

ChangeVerdict Changer::judge(const std::string& user, const ChangeRequest& request,
                             const Account& account) {
  const auto least = static_cast<std::size_t>(context_.settings.poppassd_min_length);
  Result<void> done;
  if (request.new_password.octets().size() < least) {
    done = fail(Errc::denied, "New password is too short; at least " + std::to_string(least) +
                                  " characters are needed");
  } else {
    done = set_new(account, request);
  }
  if (!done) {
    log_failure(user, done.error());
    if (!is_verdict(done.error())) return {Outcome::unavailable, ""};
    return {Outcome::refused, std::move(done).error().text};
  }
  context_.log.sentence(Severity::notice, "password changed for " + name_in_sentence(user),
                        {{"id", client_.connection}});
  context_.log.event(Severity::info, "password-changed",
                     {{"id", client_.connection}, {"user", user}, {"from", client_.address}});
  return {Outcome::changed, ""};
}

// --- The new password

Result<void> Changer::set_new(const Account& account, const ChangeRequest& request) {
  const bool lies_in_file =
      account.is_virtual || context_.settings.auth_source == AuthSource::credentials;
  if (lies_in_file) return set_in_file(account.name, request);
  Result<void> done = set_by_pam(account, request);
  if (done) keep_record_in_step(account.name, request);
  return done;
}

// Under the lock the record is read and the old password proved again: it may have been changed, or
// the user locked, since it was checked.
Result<void> Changer::set_in_file(const std::string& user, const ChangeRequest& request) {
  if (equal_in_constant_time(request.old_password.octets(), request.new_password.octets())) {
    return fail(Errc::denied, "New password is the old one");
  }
  const auto plan = [&](const CredentialDb& now) -> Result<std::vector<CredentialChange>> {
    const Result<Stored> stored = now.find(user);
    if (!stored) return std::unexpected(stored.error());
    if (!*stored || (*stored)->is_locked() || !is_password_of(**stored, request.old_password)) {
      return fail(Errc::changed, "the record was changed meanwhile");
    }
    Credential changed = (*stored)->clone();
    if (Result<void> set = set_password(changed, request.new_password, ApopUse::as_before); !set) {
      return std::unexpected(set.error());
    }
    std::vector<CredentialChange> changes;
    changes.push_back({user, std::move(changed)});
    return changes;
  };
  Result<void> done = CredentialDbWriter::update(context_.disk, context_.settings.credential_file,
                                                 plan, for_a_client);
  if (done || !is_verdict(done.error())) return done;
  return fail(Errc::io, done.error().text);  // of the file, not of the password
}

Result<void> Changer::set_by_pam(const Account& account, const ChangeRequest& request) {
  return change_pam_password({.service = context_.settings.poppassd_pam_service,
                              .user = account.name,
                              .old_password = request.old_password.clone(),
                              .new_password = request.new_password.clone(),
                              .address = client_.address},
                             account.uid);
}

// A user of the system may have a record as well, for APOP or SCRAM. Where it stands for the old
// password, that must not go on letting people in.
void Changer::keep_record_in_step(const std::string& user, const ChangeRequest& request) {
  const CredentialDb credentials{context_.settings.credential_file};
  const Result<Stored> stored = credentials.find(user);
  if (!stored && stored.error().code == Errc::not_found) return;
  if (stored && (!*stored || !is_password_of(**stored, request.old_password))) return;
  Result<void> done = stored ? set_in_file(user, request) : std::unexpected(stored.error());
  if (done) return;
  context_.log.failure("give the record of " + name_in_sentence(user) + " the new password",
                       done.error(), {{"id", client_.connection}});
}

// --- Logs

// The first sentence is the old program's, the second that of popper, which log analysers know.
void Changer::log_rejection(const std::string& user, const Error& why, Turn turn) {
  const std::string name = name_in_sentence(user);
  context_.log.sentence(Severity::error, "someone tried to change " + name + "'s password",
                        {{"id", client_.connection}});
  context_.log.sentence(Severity::notice,
                        "[AUTH] Failed attempted login to " + name + " from host (" +
                            client_.address + ") " + client_.address,
                        {{"id", client_.connection}});
  context_.log.event(Severity::info, "login-failed",
                     {{"id", client_.connection},
                      {"user", user},
                      {"from", client_.address},
                      {"by", "poppassd"},
                      {"guess", kind_of_guess(why, turn)},
                      {"why", why.text}});
}

void Changer::log_failure(const std::string& user, const Error& why) {
  context_.log.sentence(Severity::notice, "password failure for " + name_in_sentence(user),
                        {{"id", client_.connection}});
  context_.log.event(
      Severity::info, "password-unchanged",
      {{"id", client_.connection}, {"user", user}, {"from", client_.address}, {"why", why.text}});
  if (is_verdict(why)) return;
  context_.log.failure("change the password of " + name_in_sentence(user), why,
                       {{"id", client_.connection}});
}

}  // namespace pop
