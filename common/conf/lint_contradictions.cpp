#include <algorithm>
#include <array>

#include "base/text.h"
#include "conf/lint_notes.h"

namespace pop {
namespace {

constexpr auto error = LintGravity::error;
constexpr auto warning = LintGravity::warning;
constexpr auto notice = LintGravity::notice;

void contradict(LintNotes& notes, LintGravity gravity, std::string_view option, std::string what,
                std::string remedy) {
  notes.say(gravity, LintRule::contradiction, option, std::move(what), std::move(remedy));
}

bool lists_mechanism(const Settings& settings, std::string_view wanted) {
  std::string_view rest = settings.sasl_mechanisms;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(" ,"), rest.size());
    if (equal_ignoring_case(rest.substr(0, end), wanted)) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

/// Who says that TLS is spoken.
Place place_of_tls(const LintNotes& notes) {
  for (std::size_t i = 0; i < notes.listeners().size(); ++i) {
    const ListenTls tls = notes.listeners()[i].tls;
    if (tls == ListenTls::stls || tls == ListenTls::implicit) return notes.place_of_listener(i);
  }
  return notes.place_of("tls-support");
}

void look_at_tls(LintNotes& notes) {
  const Settings& settings = notes.settings();
  const bool wants_tls = notes.speaks_tls();
  if (wants_tls && !has_certificate(settings)) {
    notes.say({error, LintRule::contradiction, place_of_tls(notes),
               "clients shall speak TLS, and there is no certificate, so popper does not start",
               "tls-server-cert-file = \"/etc/popper/cert.pem\""});
  }
  if (settings.clear_text_password == ClearText::tls && !wants_tls) {
    contradict(notes, warning, "clear-text-password",
               "passwords are taken under TLS only, and TLS is spoken nowhere",
               "tls-support = \"stls\", or another clear-text-password");
  }
  if (settings.tls_client_certificates != ClientCertificates::ignored &&
      settings.tls_client_ca_file.empty()) {
    contradict(notes, error, "tls-client-certificates",
               "client certificates are asked for, and no authority is trusted, so popper does not "
               "start",
               "tls-client-ca-file = \"/etc/popper/client-ca.pem\"");
  }
  if (settings.tls_client_user != ClientUser::nobody &&
      settings.tls_client_certificates == ClientCertificates::ignored) {
    contradict(notes, error, "tls-client-user",
               "users are taken from certificates that no client is asked for, so popper does not "
               "start",
               "tls-client-certificates = \"optional\"");
  }
  if (settings.tls_client_user == ClientUser::map && settings.tls_client_user_map.empty()) {
    contradict(notes, error, "tls-client-user", "there is no map to look in",
               "tls-client-user-map = \"/etc/popper/certificates\"");
  }
}

void look_at_sasl(LintNotes& notes) {
  const Settings& settings = notes.settings();
  if (settings.sasl_min_ssf > settings.sasl_max_ssf) {
    contradict(notes, error, "sasl-min-ssf",
               "it is above sasl-max-ssf, so no SASL mechanism is offered",
               "sasl-min-ssf = " + std::to_string(settings.sasl_max_ssf));
  }
  struct Need {
    std::string_view mechanism;
    bool is_met;
    std::string_view what, remedy;
  };
  const std::array needs{
      Need{"ANONYMOUS", !settings.sasl_no_anonymous, "sasl-no-anonymous forbids it",
           "sasl-no-anonymous = false, or leave ANONYMOUS out"},
      Need{"EXTERNAL", settings.tls_client_user != ClientUser::nobody, "it needs tls-client-user",
           "tls-client-user = \"san-email-local\""},
      Need{"GSSAPI", !settings.kerberos_keytab.empty() || settings.kerberos,
           "it needs kerberos-keytab", "kerberos-keytab = \"/etc/krb5.keytab\""},
      Need{"OAUTHBEARER", !settings.oauth_helper.empty(), "it needs oauth-helper",
           "oauth-helper = \"/usr/local/libexec/token-check\""},
      Need{"XOAUTH2", !settings.oauth_helper.empty(), "it needs oauth-helper",
           "oauth-helper = \"/usr/local/libexec/token-check\""},
      Need{"SCRAM-SHA-256-PLUS", notes.speaks_tls(), "it needs TLS", "tls-support = \"stls\""},
      Need{"SCRAM-SHA-1-PLUS", notes.speaks_tls(), "it needs TLS", "tls-support = \"stls\""},
  };
  for (const Need& need : needs) {
    if (need.is_met || !lists_mechanism(settings, need.mechanism)) continue;
    contradict(notes, warning, "sasl-mechanisms",
               std::string{need.mechanism} + " is never offered: " + std::string{need.what},
               std::string{need.remedy});
  }
}

void look_at_listeners(LintNotes& notes) {
  const std::vector<ListenAddress>& listeners = notes.listeners();
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (!is_same_place(listeners[i], listeners[j])) continue;
      notes.say({error, LintRule::contradiction, notes.place_of_listener(i),
                 to_string(listeners[i]) + " is there twice, so popper cannot bind it; first at " +
                     to_string(notes.place_of_listener(j)),
                 "remove one of the two tables"});
      break;
    }
    const ListenTls tls = resolved(listeners[i].tls, notes.settings().tls_support);
    if (listeners[i].port == 995 && tls != ListenTls::implicit) {
      notes.say({warning, LintRule::contradiction, notes.place_of_listener(i),
                 "clients begin with a TLS handshake on port 995, and it is not spoken there",
                 "tls = \"implicit\""});
    }
    if (listeners[i].port == 110 && tls == ListenTls::implicit) {
      notes.say({warning, LintRule::contradiction, notes.place_of_listener(i),
                 "clients wait for a greeting in the clear on port 110, and TLS is spoken from the "
                 "first octet on",
                 "address with port 995, or tls = \"stls\""});
    }
  }
}

void look_at_the_rest(LintNotes& notes) {
  const Settings& settings = notes.settings();
  if (settings.failure_delay > settings.failure_delay_most) {
    contradict(notes, warning, "failure-delay",
               "it is above failure-delay-most, which is the most that an address waits",
               "failure-delay-most = " + std::to_string(settings.failure_delay.count()));
  }
  if (settings.max_connections > 0 &&
      settings.max_connections_per_address > settings.max_connections) {
    contradict(notes, notice, "max-connections-per-address",
               "it is above max-connections, so it never counts",
               "max-connections-per-address = " + std::to_string(settings.max_connections));
  }
  if (settings.lock_order == LockOrder::dotlock) {
    contradict(notes, warning, "lock-order",
               "a program that takes fcntl or flock locks alone may write the spool while popper "
               "does",
               "lock-order = \"dotlock-fcntl-flock\", unless all that deliver make dotlocks");
  }
  if (!settings.whoson_server.empty() && settings.whoson_rules.empty()) {
    contradict(notes, warning, "whoson-server", "without whoson-rules it is told about nobody",
               "whoson-rules = \"allow:.*\"");
  }
  if (!settings.loginfo_host.empty() && settings.loginfo_query.empty()) {
    contradict(notes, warning, "loginfo-host", "nothing is recorded without a loginfo-query",
               "loginfo-query = \"INSERT INTO logins VALUES (%u, %a, %h, NOW())\"");
  }
}

// --- Settings without effect

/// What one look at the settings tells the rows below.
struct Facts {
  const Settings& settings;
  bool speaks_tls;
  bool kerberos;
  bool standalone;

  explicit Facts(const LintNotes& notes)
      : settings{notes.settings()},
        speaks_tls{notes.speaks_tls()},
        kerberos{settings.kerberos || !settings.kerberos_keytab.empty() ||
                 std::ranges::any_of(notes.listeners(),
                                     [](const ListenAddress& listener) {
                                       return listener.kerberos == ListenKerberos::yes;
                                     })},
        standalone{!notes.listeners().empty()} {}
};

/// An option that does nothing unless `lives`.
struct Dependent {
  std::string_view option;
  bool (*lives)(const Facts&);
  std::string_view why;
  std::string_view remedy;
};

constexpr auto with_tls = [](const Facts& facts) { return facts.speaks_tls; };
constexpr std::string_view no_tls = "TLS is spoken nowhere";
constexpr std::string_view speak_it = "tls-support = \"stls\", or remove it";
constexpr auto with_pam = [](const Facts& facts) {
  return facts.settings.auth_source == AuthSource::pam;
};
constexpr auto with_oauth = [](const Facts& facts) { return !facts.settings.oauth_helper.empty(); };
constexpr auto with_database = [](const Facts& facts) {
  return !facts.settings.loginfo_host.empty();
};
constexpr auto with_udp = [](const Facts& facts) {
  return !facts.settings.logudp_destination.empty();
};
constexpr auto with_session_program = [](const Facts& facts) {
  return !facts.settings.session_program.empty();
};
constexpr auto with_kerberos = [](const Facts& facts) { return facts.kerberos; };
constexpr auto with_locks = [](const Facts& facts) {
  return facts.settings.mail_format != MailFormat::maildir;
};

constexpr std::string_view remove_it = "remove it";
constexpr std::array dependents{
    Dependent{"announce-expire", [](const Facts& facts) { return !facts.settings.auto_delete; },
              "auto-delete deletes what was retrieved at QUIT, and CAPA announces that",
              "remove one of the two"},
    Dependent{"cache-dir", [](const Facts& facts) { return !facts.settings.home_dir_misc; },
              "home-dir-misc puts the index into the home directory", "remove one of the two"},
    Dependent{"check-hash-dir", [](const Facts& facts) { return facts.settings.hash_spool != 0; },
              "hash-spool is 0, so there are no hash directories", remove_it},
    Dependent{"check-old-spool-loc",
              [](const Facts& facts) {
                return facts.settings.hash_spool != 0 || !facts.settings.home_dir_mail.empty();
              },
              "neither hash-spool nor home-dir-mail is set, so there is one place only", remove_it},
    Dependent{"dotlock-stale-after", with_locks, "a Maildir is not locked", remove_it},
    Dependent{"failure-delay-most",
              [](const Facts& facts) { return facts.settings.failure_delay.count() > 0; },
              "failure-delay is 0, so nobody waits", "failure-delay = 1"},
    Dependent{"fast-update", with_locks, "a Maildir is never rewritten", remove_it},
    Dependent{"group-no-server-mode",
              [](const Facts& facts) {
                return facts.settings.server_mode || !facts.settings.group_server_mode.empty();
              },
              "neither server-mode nor group-server-mode turns on what it would turn off",
              remove_it},
    Dependent{"group-server-mode", [](const Facts& facts) { return !facts.settings.server_mode; },
              "server-mode is on for everybody", "remove one of the two"},
    Dependent{"kerberos-replay-file", with_kerberos, "Kerberos is not in use",
              "kerberos-keytab = \"/etc/krb5.keytab\", or remove it"},
    Dependent{"kerberos-service", with_kerberos, "Kerberos is not in use",
              "kerberos-keytab = \"/etc/krb5.keytab\", or remove it"},
    Dependent{"locale-dir", [](const Facts& facts) { return !facts.settings.hide_utf8; },
              "hide-utf8 takes LANG away", "remove one of the two"},
    Dependent{"lock-order", with_locks, "a Maildir is not locked", remove_it},
    Dependent{"loginfo-database", with_database, "loginfo-host is empty", "loginfo-host = \"...\""},
    Dependent{"loginfo-password", with_database, "loginfo-host is empty", "loginfo-host = \"...\""},
    Dependent{"loginfo-query", with_database, "loginfo-host is empty", "loginfo-host = \"...\""},
    Dependent{"loginfo-user", with_database, "loginfo-host is empty", "loginfo-host = \"...\""},
    Dependent{"logudp-multicast-ttl", with_udp, "logudp-destination is empty",
              "logudp-destination = \"ADDRESS:PORT\""},
    Dependent{"logudp-secret", with_udp, "logudp-destination is empty",
              "logudp-destination = \"ADDRESS:PORT\""},
    Dependent{"oauth-helper-user", with_oauth, "oauth-helper is empty", remove_it},
    Dependent{"oauth-scope", with_oauth, "oauth-helper is empty, so no tokens are taken",
              remove_it},
    Dependent{"oauth-timeout", with_oauth, "oauth-helper is empty", remove_it},
    Dependent{"pam-service", with_pam, "auth-source is not pam", "auth-source = \"pam\""},
    Dependent{"pam-session", with_pam, "auth-source is not pam", "auth-source = \"pam\""},
    Dependent{"server-mode", with_locks, "a Maildir is never copied", remove_it},
    Dependent{"session-arguments", with_session_program, "session-program is empty",
              "session-program = \"...\""},
    Dependent{"temp-dir", [](const Facts& facts) { return !facts.settings.home_dir_misc; },
              "home-dir-misc puts the temporary drop into the home directory",
              "remove one of the two"},
    Dependent{"tls-cipher-list", with_tls, no_tls, speak_it},
    Dependent{"tls-cipher-suites", with_tls, no_tls, speak_it},
    Dependent{"tls-client-ca-file",
              [](const Facts& facts) {
                return facts.settings.tls_client_certificates != ClientCertificates::ignored;
              },
              "clients are not asked for certificates", "tls-client-certificates = \"optional\""},
    Dependent{"tls-client-certificates", with_tls, no_tls, speak_it},
    Dependent{"tls-client-user-map",
              [](const Facts& facts) { return facts.settings.tls_client_user == ClientUser::map; },
              "tls-client-user is not map", "tls-client-user = \"map\""},
    Dependent{"tls-identity-file",
              [](const Facts& facts) { return facts.settings.tls_server_cert_file.empty(); },
              "tls-server-cert-file counts where both are set", "remove one of the two"},
    Dependent{"tls-more-certificates", with_tls, no_tls, speak_it},
    Dependent{"tls-ocsp-file", with_tls, no_tls, speak_it},
    Dependent{"tls-options", [](const Facts& facts) { return !facts.settings.tls_workarounds; },
              "tls-workarounds takes its place", "remove one of the two"},
    Dependent{"tls-passphrase", [](const Facts& facts) { return has_certificate(facts.settings); },
              "there is no certificate", "tls-server-cert-file = \"...\""},
    Dependent{"tls-private-key-file",
              [](const Facts& facts) { return has_certificate(facts.settings); },
              "there is no certificate", "tls-server-cert-file = \"...\""},
    Dependent{"tls-session-lifetime", with_tls, no_tls, speak_it},
    Dependent{"tls-version", with_tls, no_tls, speak_it},
    Dependent{"trash-size", [](const Facts& facts) { return facts.settings.trash_days > 0; },
              "trash-days is 0, so there is no trash", "trash-days = 7"},
    Dependent{"useropt", with_session_program, "session-program is empty",
              "session-program = \"...\""},
    Dependent{"whoson-rules",
              [](const Facts& facts) { return !facts.settings.whoson_server.empty(); },
              "whoson-server is empty", "whoson-server = \"127.0.0.1\""},
};

void say_dead(LintNotes& notes, std::string_view option, std::string_view why,
              std::string_view remedy, LintGravity gravity = warning) {
  notes.say(gravity, LintRule::dead_setting, option,
            std::string{option} + " has no effect: " + std::string{why}, std::string{remedy});
}

void look_at_versions(LintNotes& notes) {
  const Settings& settings = notes.settings();
  if (settings.tls_version == TlsVersion::tls1_3 && notes.is_changed("tls-cipher-list")) {
    say_dead(notes, "tls-cipher-list",
             "tls-version allows TLS 1.3 only, and that is for older ones",
             "tls-cipher-suites = \"...\"");
  }
  if (settings.tls_version == TlsVersion::tls1_2 && notes.is_changed("tls-cipher-suites")) {
    say_dead(notes, "tls-cipher-suites", "tls-version allows TLS 1.2 only, and that is for TLS 1.3",
             "tls-cipher-list = \"...\"");
  }
}

}  // namespace

void look_for_contradictions(LintNotes& notes) {
  look_at_tls(notes);
  look_at_sasl(notes);
  look_at_listeners(notes);
  look_at_the_rest(notes);
}

void look_for_dead_settings(LintNotes& notes) {
  const Facts facts{notes};
  for (const Dependent& one : dependents) {
    if (notes.is_changed(one.option) && !one.lives(facts)) {
      say_dead(notes, one.option, one.why, one.remedy);
    }
  }
  look_at_versions(notes);
  if (facts.standalone && notes.is_changed("autoclose")) {
    say_dead(notes, "autoclose",
             "it is for sockets of inetd and systemd, and there is a [[listen]]", remove_it,
             notice);
  }
  if (facts.standalone && !facts.speaks_tls && notes.is_changed("tls-server-cert-file")) {
    say_dead(notes, "tls-server-cert-file", "TLS is spoken nowhere but by poppassd --tls", speak_it,
             notice);
  }
  const bool says_all = facts.standalone &&
                        std::ranges::none_of(notes.listeners(), [](const ListenAddress& listener) {
                          return listener.tls == ListenTls::by_support;
                        });
  if (says_all && notes.is_changed("tls-support")) {
    say_dead(notes, "tls-support", "each [[listen]] has a tls of its own", remove_it);
  }
}

}  // namespace pop
