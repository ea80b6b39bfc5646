#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/error.h"
#include "conf/settings.h"

namespace pop {

/// Why a token lets nobody in.
struct TokenFault {
  enum class Kind : std::uint8_t { malformed, invalid, narrow_scope, unknown } kind;
  Error error;  // Errc::denied; of `unknown` another, and the client may come again
};

/// Asks oauth-helper, a program of the site, whose a bearer token is. It runs as oauth-helper-user,
/// never as root, with an empty environment and nothing of this process; popper-formats(5) has what
/// is said to it and what it may answer. The client's message is taken apart in the process that
/// becomes the program, after its rights have gone.
class TokenJudge {
 public:
  /// No answer may be longer, in octets.
  static constexpr std::size_t longest_answer = 4096;

  /// `settings` must outlive it.
  explicit TokenJudge(const Settings& settings) : settings_{settings} {}

  struct Question {
    std::string_view mechanism;  // OAUTHBEARER or XOAUTH2
    std::string_view message;    // the client's, decoded
    std::string_view address;    // the client's
  };
  struct Answer {
    std::string claimed;  // whom the client wants to be; empty: it did not say, or it is not known
    std::expected<std::string, TokenFault> owner;  // of the token
  };
  /// Blocks, for token_patience() at most; then the program is killed. Reads NSS.
  [[nodiscard]] Answer ask(const Question& question) const;

 private:
  const Settings& settings_;
};

/// oauth-timeout, and never longer than half of login-timeout.
[[nodiscard]] std::chrono::milliseconds token_patience(const Settings& settings);

/// Whether the settings can be served: only root may change the program and the directories above
/// it, it can be executed, its user is there and, for root, neither gate-user nor credential-owner,
/// and the scope can be told to clients. Nothing is checked where no program is named. For errors
/// at the start rather than in the log.
[[nodiscard]] Result<void> check_oauth_helper(const Settings& settings);

/// What the program's whole answer says at this time, in seconds since the epoch.
[[nodiscard]] std::expected<std::string, TokenFault> read_token_answer(
    std::string_view answer, std::string_view wanted_scope, std::int64_t now);

}  // namespace pop
