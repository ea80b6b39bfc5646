#include "auth/sasl_policy.h"

#include <algorithm>

#include "auth/login_policy.h"
#include "base/text.h"

namespace pop {
namespace {

bool has_what_it_needs(const SaslMechanism& mechanism, const Settings& settings,
                       const SaslChannel& channel) {
  if (mechanism.binds_channel && !channel.has_binding) return false;
  if (mechanism.proof == SaslMechanism::Proof::certificate) return channel.has_identity;
  if (mechanism.proof == SaslMechanism::Proof::token) {
    if (settings.oauth_helper.empty() || !channel.origin.over_tls) return false;
  } else if (mechanism.proof != SaslMechanism::Proof::password) {
    return true;
  }
  return clear_text_offered(settings.clear_text_password, channel.origin);
}

// The strength that TLS has counts, and what is missing the mechanism must bring.
bool is_strong_enough(const SaslMechanism& mechanism, const Settings& settings,
                      const SaslChannel& channel) {
  const std::int64_t missing = settings.sasl_min_ssf - std::int64_t{channel.tls_bits};
  if (missing <= 0) return true;
  // A program that we do not know can carry no layer.
  if (!settings.session_program.empty()) return false;
  const std::int64_t allowed = settings.sasl_max_ssf - std::int64_t{channel.tls_bits};
  return missing <= std::min<std::int64_t>(mechanism.strongest_layer, allowed);
}

// Under TLS nothing is in the clear.
bool hides_password(const SaslMechanism& mechanism, const Settings& settings,
                    const SaslChannel& channel) {
  return mechanism.promises.no_plaintext || !settings.sasl_no_plaintext || channel.tls_bits > 1;
}

bool promises_enough(const SaslPromises& promises, const Settings& settings) {
  return (promises.no_active || !settings.sasl_no_active) &&
         (promises.no_anonymous || !settings.sasl_no_anonymous) &&
         (promises.no_dictionary || !settings.sasl_no_dictionary) &&
         (promises.forward_secrecy || !settings.sasl_forward_secrecy);
}

}  // namespace

bool is_wanted(const SaslMechanism& mechanism, const Settings& settings) {
  std::string_view rest = settings.sasl_mechanisms;
  if (trimmed(rest).empty()) {
    if (mechanism.proof == SaslMechanism::Proof::ticket) return !settings.kerberos_keytab.empty();
    return mechanism.name != "DIGEST-MD5";
  }
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(" ,\t"), rest.size());
    if (equal_ignoring_case(rest.substr(0, end), mechanism.name)) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

bool may_use(const SaslMechanism& mechanism, const Settings& settings, const SaslChannel& channel) {
  return is_wanted(mechanism, settings) && has_what_it_needs(mechanism, settings, channel) &&
         is_strong_enough(mechanism, settings, channel) &&
         hides_password(mechanism, settings, channel) &&
         promises_enough(mechanism.promises, settings);
}

}  // namespace pop
