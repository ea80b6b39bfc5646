#include <algorithm>
#include <array>

#include "base/text.h"
#include "conf/lint_notes.h"

namespace pop {
namespace {

void warn(LintNotes& notes, std::string_view option, std::string what, std::string remedy) {
  notes.say(LintGravity::warning, LintRule::insecure, option, std::move(what), std::move(remedy));
}

bool is_loopback(const ListenAddress& listener) {
  return listener.address == "::1" || listener.address.starts_with("127.");
}

bool takes_clear_passwords(const Settings& settings) {
  return settings.clear_text_password == ClearText::always ||
         settings.clear_text_password == ClearText::by_default;
}

void look_at_listeners(LintNotes& notes, std::chrono::system_clock::time_point now) {
  for (std::size_t i = 0; i < notes.listeners().size(); ++i) {
    const ListenAddress& listener = notes.listeners()[i];
    const Entrance entrance = resolved(listener.tls, listener.kerberos, notes.settings());
    if (listener.old_devices && now >= listener.old_devices->until + std::chrono::days{1}) {
      notes.say({LintGravity::warning, LintRule::dead_setting, notes.place_of_listener(i),
                 "old-devices-until " + to_string(listener.old_devices->until) +
                     " is over, so nobody is served there",
                 "remove this table, or give it another day"});
    }
    if (entrance.tls != ListenTls::none || entrance.kerberos == ListenKerberos::yes) continue;
    if (is_loopback(listener) || !takes_clear_passwords(notes.settings())) continue;
    notes.say(
        {LintGravity::warning, LintRule::insecure, notes.place_of_listener(i),
         "passwords cross the network to " + to_string(listener) + " in the clear: there is no TLS",
         "tls = \"stls\" with tls-server-cert-file, or clear-text-password = \"local\""});
  }
}

void look_at_passwords(LintNotes& notes) {
  const Settings& settings = notes.settings();
  if (notes.speaks_tls() && takes_clear_passwords(settings)) {
    const bool is_wanted = settings.clear_text_password == ClearText::always;
    notes.say(is_wanted ? LintGravity::warning : LintGravity::notice, LintRule::insecure,
              "clear-text-password",
              "TLS is there, and a client that does not ask for it may still send its password in "
              "the clear",
              "clear-text-password = \"tls\"");
  }
  if (settings.poppassd_clear_text) {
    warn(notes, "poppassd-clear-text",
         "old and new passwords cross the network in the clear, also from other hosts",
         "poppassd-clear-text = false");
  }
  if (settings.failure_delay.count() == 0) {
    warn(notes, "failure-delay", "who guesses passwords is not slowed down", "failure-delay = 1");
  }
  if (!settings.check_password_expired) {
    warn(notes, "check-password-expired", "passwords that have expired are taken",
         "check-password-expired = true");
  }
  if (settings.block_uid < 0) {
    warn(notes, "block-uid", "accounts of the system, all but root, may log in", "block-uid = 10");
  }
  if (!settings.sasl_no_anonymous) {
    warn(notes, "sasl-no-anonymous", "who proves nothing is let in as anonymous",
         "sasl-no-anonymous = true");
  }
  if (!settings.sasl_no_plaintext && takes_clear_passwords(settings)) {
    warn(notes, "sasl-no-plaintext", "AUTH PLAIN and LOGIN are offered without TLS",
         "sasl-no-plaintext = true");
  }
}

// A token that was made for another service of the same authority would open the mail here.
void look_at_tokens(LintNotes& notes) {
  const Settings& settings = notes.settings();
  if (settings.oauth_helper.empty() || !settings.oauth_scope.empty()) return;
  warn(notes, "oauth-helper",
       "oauth-scope is empty, so a token that a user gave to any other service lets that service "
       "read the mail here, unless oauth-helper itself looks for whom it was made (aud, client_id)",
       "oauth-scope = \"the scope that tokens for mail have\"");
}

bool is_weak(std::string_view cipher) {
  constexpr std::array<std::string_view, 14> weak{
      "ALL",    "ENULL", "NULL", "ANULL", "ADH", "AECDH", "EXP",
      "EXPORT", "LOW",   "RC4",  "RC2",   "MD5", "DES",   "COMPLEMENTOFALL"};
  return std::ranges::any_of(
      weak, [cipher](std::string_view word) { return equal_ignoring_case(cipher, word); });
}

void look_at_ciphers(LintNotes& notes) {
  std::string_view rest = notes.settings().tls_cipher_list;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(":, "), rest.size());
    std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (word.starts_with('+')) continue;  // only moves what is there
    if (!is_weak(word)) continue;
    warn(notes, "tls-cipher-list", escaped(word, 40) + " permits cipher suites that can be broken",
         "remove tls-cipher-list: the default has forward secrecy and authenticated encryption");
    return;
  }
}

void look_at_networks(LintNotes& notes) {
  std::string_view rest = notes.settings().proxy_networks;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    const std::string_view network = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!network.ends_with("/0")) continue;
    warn(notes, "proxy-networks",
         "everybody may say which address he comes from, and so evade limits and delays",
         "proxy-networks = \"the addresses of your proxies\"");
    return;
  }
}

void look_at_notices(LintNotes& notes) {
  const Settings& settings = notes.settings();
  if (settings.logudp_destination.empty() || !settings.logudp_secret.empty()) return;
  notes.say(LintGravity::notice, LintRule::insecure, "logudp-destination",
            "the packets are not signed, so anybody may forge logins", "logudp-secret = \"...\"");
}

}  // namespace

void look_for_insecure_settings(LintNotes& notes, std::chrono::system_clock::time_point now) {
  look_at_listeners(notes, now);
  look_at_passwords(notes);
  look_at_tokens(notes);
  look_at_ciphers(notes);
  look_at_networks(notes);
  look_at_notices(notes);
}

}  // namespace pop
