#include "pop3/capabilities.h"

#include "pop3/reply.h"

namespace pop {

std::string capability_reply(const CapabilityFacts& facts, CapabilityState state) {
  const bool logged_in = state == CapabilityState::transaction;
  std::string text = reply::ok("Capability list follows");
  text += "TOP\r\n";
  // RFC 2449 section 5: what holds before the login is announced after it as well.
  if (facts.user_pass) text += "USER\r\n";
  if (!facts.sasl.empty()) {
    text += "SASL";
    for (const std::string_view mechanism : facts.sasl) text.append(" ").append(mechanism);
    text += "\r\n";
  }
  // RFC 2449 sections 6.5 and 6.7: who wants to know his own asks again after the login.
  const auto end_of = [&](bool by_user) { return by_user && !logged_in ? " USER\r\n" : "\r\n"; };
  if (facts.login_delay >= 0) {
    text += "LOGIN-DELAY " + std::to_string(facts.login_delay) + end_of(facts.login_delay_by_user);
  }
  const bool forever = facts.expire_days < 0;
  text += "EXPIRE " + (forever ? "NEVER" : std::to_string(facts.expire_days)) +
          end_of(facts.expire_by_user);
  text += "UIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nX-MANGLE\r\nX-MACRO\r\nPIPELINING\r\n";
  if (!logged_in && facts.stls == Stls::offered) text += "STLS\r\n";
  if (logged_in || !facts.shy) text += "IMPLEMENTATION Popper-version-" POPPER_VERSION "\r\n";
  if (facts.languages != nullptr) text += "UTF8 USER\r\nLANG\r\n";
  return text + ".\r\n";
}

}  // namespace pop
