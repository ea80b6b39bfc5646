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
/// messages in the text; Errc::io when PAM could not tell (a module, its service or its file
/// failed).
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

 private:
  struct Dialogue;
  PamTransaction(std::unique_ptr<Dialogue> dialogue, pam_handle* handle);
  [[nodiscard]] Error refusal(const char* doing) const;
  [[nodiscard]] Result<void> check_user() const;

  std::unique_ptr<Dialogue> dialogue_;
  pam_handle* handle_;
  int last_ = 0;  // pam_end() must be given the status of the last call
};

}  // namespace pop
