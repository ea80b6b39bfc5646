#pragma once

#include <memory>
#include <string>

#include "auth/account.h"
#include "base/error.h"
#include "base/secret.h"

struct pam_handle;

namespace pop {

/// One login attempt against PAM, the only place that knows it. Every prompt that hides what is
/// typed is answered with the password, every other one with the user's name; what modules say is
/// collected for the log. Failures return at once: the delay that modules ask for is left to
/// whoever holds the connection. Blocks as long as the modules do.
///
/// Errors: Errc::denied is PAM's verdict on user or password, with its reason and the modules'
/// messages in the text; account_expired and password_expired as it says, of check_account() only,
/// since until then nothing is proved; Errc::io when PAM could not tell (a module, its service or
/// its file failed).
class PamTransaction {
 public:
  struct Attempt {
    std::string service;  // a file of /etc/pam.d
    std::string user;
    Secret password;      // no NUL octet
    std::string address;  // PAM_RHOST
  };
  [[nodiscard]] static Result<PamTransaction> start(Attempt attempt);

  PamTransaction(PamTransaction&& other) noexcept;
  PamTransaction& operator=(PamTransaction&&) = delete;
  ~PamTransaction();

  /// Empty passwords never succeed, whatever the service file says. Errc::denied also when a
  /// module changed the user into another one.
  [[nodiscard]] Result<void> authenticate();

  /// Whether the account may log in now: not locked, not expired, allowed at this hour.
  [[nodiscard]] Result<void> check_account(ExpiredPassword expired);

  /// What modules have said since the last call or failure, "; " between them; made fit for the
  /// log.
  [[nodiscard]] std::string take_messages();

  /// Sets the user's credentials and deletes them: some modules take an authentication for over
  /// only then. What modules do to this process's groups is undone. Nothing without authenticate().
  [[nodiscard]] Result<void> pass_credentials();

 private:
  friend class PamSession;
  struct Dialogue;
  PamTransaction(std::unique_ptr<Dialogue> dialogue, pam_handle* handle);
  [[nodiscard]] Error refusal(const char* doing, Errc code);
  [[nodiscard]] Result<void> change_credentials(int what);
  [[nodiscard]] Result<void> check_user() const;

  std::unique_ptr<Dialogue> dialogue_;
  pam_handle* handle_;
  int last_ = 0;  // pam_end() must be given the status of the last call
  bool has_authenticated_ = false;
  int end_flags_ = 0;
};

/// The credentials and the session of a user who has been let in. Made where the login was checked;
/// begun and ended by one process, forked for it, whose limits, groups and name spaces modules may
/// change: the user's process is its child. Every other copy of it just goes, unnoticed by modules
/// except for the memory that they free.
class PamSession {
 public:
  explicit PamSession(PamTransaction transaction);

  /// Sets the credentials and opens the session; blocks as long as the modules do. On failure
  /// nothing is left open. Without a password that PAM has seen (APOP, device passwords) it does
  /// not matter whether credentials could be set.
  [[nodiscard]] Result<void> begin();
  /// Closes the session and deletes the credentials. Both are tried; the first error is returned.
  [[nodiscard]] Result<void> end();

 private:
  [[nodiscard]] Result<void> open();

  PamTransaction transaction_;
};

}  // namespace pop
