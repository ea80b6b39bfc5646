#include "popper/token_exchange.h"

#include <string_view>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

using Kind = TokenFault::Kind;

// RFC 6750 section 3.1 names the errors; XOAUTH2 has the status that HTTP would have.
std::string_view error_of(Kind kind, bool is_xoauth2) {
  if (kind == Kind::malformed) return is_xoauth2 ? "400" : "invalid_request";
  if (kind == Kind::narrow_scope) return is_xoauth2 ? "403" : "insufficient_scope";
  return is_xoauth2 ? "401" : "invalid_token";
}

}  // namespace

// The scope has been checked to need no escapes.
std::string TokenExchange::refusal_for(Kind kind) const {
  const bool is_xoauth2 = request_.mechanism->name == "XOAUTH2";
  std::string json = "{\"status\":\"";
  json.append(error_of(kind, is_xoauth2)).append("\"");
  if (is_xoauth2) json += ",\"schemes\":\"bearer\"";
  if (!settings_.oauth_scope.empty()) json += ",\"scope\":\"" + settings_.oauth_scope + "\"";
  return json + "}";
}

Result<std::optional<std::string>> TokenExchange::step(const Secret* response) {
  refusal_ = refusal_for(Kind::invalid);  // also for an owner who may not log in
  const std::string_view message = response == nullptr ? "" : response->octets();
  TokenJudge::Answer answer = TokenJudge{settings_}.ask(
      {request_.mechanism->name, message, request_.channel.origin.address});
  user_ = answer.claimed;
  if (!answer.owner) {
    refusal_ = refusal_for(answer.owner.error().kind);
    return std::unexpected(std::move(answer.owner).error().error);
  }
  const std::string owner = *std::move(answer.owner);
  if (user_.empty()) user_ = owner;
  if (names_.stands_for(user_, owner)) return std::nullopt;
  return fail(Errc::denied, "the token is of " + escaped(owner, 80));
}

}  // namespace pop
