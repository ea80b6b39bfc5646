#pragma once

#include <string>

#include "auth/login_name.h"
#include "auth/sasl_exchange.h"
#include "popper/token_judge.h"

namespace pop {

/// AUTH OAUTHBEARER (RFC 7628) or XOAUTH2 in a keeper: the client's one message, of which
/// oauth-helper says whose token it brings. step() blocks as TokenJudge::ask() does.
class TokenExchange final : public SaslExchange {
 public:
  /// The settings and names must outlive it.
  TokenExchange(SaslRequest request, const Settings& settings, const LoginNames& names)
      : request_{std::move(request)}, settings_{settings}, names_{names} {}

  [[nodiscard]] Result<std::optional<std::string>> step(const Secret* response) override;
  [[nodiscard]] std::string user() const override { return user_; }
  [[nodiscard]] std::string refusal() const override { return refusal_; }

 private:
  [[nodiscard]] std::string refusal_for(TokenFault::Kind kind) const;

  SaslRequest request_;
  const Settings& settings_;
  const LoginNames& names_;
  std::string user_, refusal_;
};

}  // namespace pop
