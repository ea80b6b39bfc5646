#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <tuple>

#include "base/text.h"
#include "popcheck/convert/conversion.h"

namespace pop {
namespace {

struct Statement {
  std::vector<std::string> section;  // outermost first
  std::string key, value;
  Place place;
};

bool is_yes(std::string_view value) {
  return value == "yes" || value == "y" || value == "1" || value == "true";
}

/// Seconds of "5 mins", "2s", "60"; nullopt for anything else.
std::optional<std::uint64_t> seconds_of(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = decimal(text.substr(0, digits));
  const std::string_view unit = trimmed(text.substr(digits));
  if (!number || *number > 1'000'000) return std::nullopt;
  if (unit.empty() || unit.starts_with('s')) return *number;
  if (unit == "m" || unit.starts_with("min")) return *number * 60;
  if (unit.starts_with('h')) return *number * 3600;
  if (unit.starts_with('d')) return *number * 86400;
  return std::nullopt;
}

/// "</etc/ssl/cert.pem" of 2.3 means that file.
std::string_view file_of(std::string_view value) {
  if (value.starts_with('<')) value.remove_prefix(1);
  return trimmed(value);
}

/// A listener of service pop3-login.
struct InetListener {
  std::string name;
  std::optional<std::uint64_t> port;
  std::string address;
  bool is_implicit = false;
  Place place;
};

/// Reads the statements, then says what they become: later ones win, those of protocol pop3 last.
class DovecotFile {
 public:
  DovecotFile(ForeignConfiguration& conversion, const ForeignText& file)
      : conversion_{conversion}, name_{file.name} {
    for (const ForeignLine& line : lines_of(file.text)) read(line);
    if (section_.empty()) return;
    conversion_.note(last_opened_, "the block " + escaped(section_.back(), 80) +
                                       " is never closed: the end of the file may be missing");
  }

  void convert() {
    for (const Statement& one : statements_) {
      if (one.section.empty()) convert(one);
    }
    for (const Statement& one : statements_) {
      if (!one.section.empty()) convert_in_section(one);
    }
    convert_listeners();
    convert_mail_place();
  }

 private:
  void note(const Statement& one, std::string_view why) {
    conversion_.note(one.place, escaped(one.key, 80) + " = " + escaped(one.value, 120) + ": " +
                                    std::string{why});
  }

  void read(const ForeignLine& line) {
    const Place place{name_, line.number, 1};
    std::string_view text = line.text;
    if (text.empty() || text.starts_with('#')) return;
    if (text.find("= # hidden") != std::string_view::npos) {
      const std::string key{trimmed(text.substr(0, text.find('=')))};
      if (key == "ssl_dh") return;
      return conversion_.note(place,
                              escaped(key, 80) + " is hidden: convert what doveconf -nP prints");
    }
    if (const std::size_t comment = text.find(" #"); comment != std::string_view::npos) {
      if (text.find('"') == std::string_view::npos) text = trimmed(text.substr(0, comment));
    }
    if (text == "}") {
      if (!section_.empty()) section_.pop_back();
      return;
    }
    if (text.starts_with('!')) {
      return conversion_.note(
          place, escaped(text, 200) + " is not followed: convert what doveconf -n prints");
    }
    if (text.ends_with('{')) {
      text.remove_suffix(1);
      section_.emplace_back(trimmed(text));
      last_opened_ = place;
      // 2.4 names the driver there.
      const std::vector<std::string> words = words_of(section_.back());
      if (words.size() == 2 && words[0] == "passdb") {
        statements_.push_back({section_, "driver", words[1], place});
      }
      return;
    }
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
      return conversion_.note(place, "not understood: " + escaped(text, 80));
    }
    Statement one{section_, std::string{trimmed(text.substr(0, equals))},
                  std::string{unquoted(text.substr(equals + 1))}, place};
    // A block of 2.4, such as ssl_server { cert_file }, is a prefix.
    if (one.section == std::vector<std::string>{"ssl_server"}) {
      one.key = "ssl_server_" + one.key;
      one.section.clear();
    }
    statements_.push_back(std::move(one));
  }

  void convert_in_section(const Statement& one) {
    const std::string& outermost = one.section.front();
    if (one.section.size() == 1 && outermost == "protocol pop3") return convert(one);
    if (outermost == "service pop3-login" && one.section.size() == 2) return add_to_listener(one);
    if (outermost.starts_with("passdb")) return convert_passdb(one);
    if (outermost.starts_with("local") || outermost.starts_with("remote")) {
      return note(one, "settings for some addresses only have no counterpart");
    }
    if (outermost.starts_with("namespace") && one.key == "location" && !one.value.empty()) {
      return note(one, "namespaces have no counterpart: POP3 shows the INBOX");
    }
    if (outermost == "plugin" && one.key.starts_with("quota")) {
      note(one, "quotas are the file system's, and those of popspool quota");
    }
  }

  void convert_passdb(const Statement& one) {
    if (one.key != "driver") return;
    if (one.value == "pam") return;
    if (one.value == "shadow" || one.value == "passwd") {
      return conversion_.set("auth-source", "shadow", one.place);
    }
    note(one,
         "passwords come from PAM, the shadow file or the credential file, which popauth fills; "
         "LDAP and SQL are reached through PAM and NSS modules");
  }

  void add_to_listener(const Statement& one) {
    const std::string name{unquoted(one.section[1].substr(one.section[1].find(' ') + 1))};
    auto found = std::ranges::find(listeners_, name, &InetListener::name);
    if (found == listeners_.end()) {
      listeners_.push_back({.name = name, .is_implicit = name == "pop3s", .place = one.place});
      found = listeners_.end() - 1;
    }
    if (one.key == "port") {
      found->port = decimal(one.value);
      if (!found->port) note(one, "no number");
    } else if (one.key == "address" || one.key == "listen") {
      found->address = one.value;
    } else if (one.key == "ssl") {
      found->is_implicit = is_yes(one.value);
    } else if (one.key == "haproxy") {
      note(one, "set proxy-networks: there the proxies' addresses decide");
    }
  }

  void convert(const Statement& one) {
    if (convert_directly(one) || convert_tls(one) || convert_login(one) || convert_mail(one))
      return;
    if (is_of_others(one.key)) return;
    if (const std::string_view why = why_not(one.key); !why.empty()) return note(one, why);
    note(one, "has no counterpart");
  }

  bool convert_directly(const Statement& one) {
    enum class As : std::uint8_t { text, file, seconds, words };
    struct Direct {
      std::string_view key, option;
      As as;
    };
    constexpr std::array direct{
        Direct{"hostname", "host-name", As::text},
        Direct{"haproxy_trusted_networks", "proxy-networks", As::words},
        Direct{"mbox_lock_timeout", "lock-wait", As::seconds},
        Direct{"mbox_dotlock_change_timeout", "dotlock-stale-after", As::seconds},
        Direct{"auth_failure_delay", "failure-delay", As::seconds},
        Direct{"ssl_cipher_list", "tls-cipher-list", As::text},
        Direct{"ssl_cipher_suites", "tls-cipher-suites", As::text},
        Direct{"ssl_cert", "tls-server-cert-file", As::file},
        Direct{"ssl_server_cert_file", "tls-server-cert-file", As::file},
        Direct{"ssl_key", "tls-private-key-file", As::file},
        Direct{"ssl_server_key_file", "tls-private-key-file", As::file},
        Direct{"ssl_key_password", "tls-passphrase", As::text},
        Direct{"ssl_server_key_password", "tls-passphrase", As::text},
        Direct{"ssl_ca", "tls-client-ca-file", As::file},
        Direct{"ssl_server_ca_file", "tls-client-ca-file", As::file},
        Direct{"syslog_facility", "log-facility", As::text},
    };
    const auto found = std::ranges::find(direct, one.key, &Direct::key);
    if (found == direct.end()) return false;
    std::string value = one.value;
    if (found->as == As::file) value = file_of(value);
    if (found->as == As::words) std::ranges::replace(value, ',', ' ');
    if (found->as == As::seconds) {
      const auto seconds = seconds_of(value);
      if (!seconds) {
        note(one, "not understood");
        return true;
      }
      value = std::to_string(*seconds);
    }
    if (!value.empty()) conversion_.set(found->option, value, one.place);
    return true;
  }

  bool convert_tls(const Statement& one) {
    if (one.key == "ssl") {
      ssl_ = one.value;
      ssl_place_ = one.place;
      if (!is_yes(one.value) && one.value != "no" && one.value != "required") {
        note(one, "not understood: TLS is offered and not required");
      }
      if (one.value == "required") conversion_.set("clear-text-password", "tls", one.place);
    } else if (one.key == "ssl_min_protocol") {
      if (one.value == "TLSv1.3") {
        conversion_.set("tls-version", "1.3", one.place);
      } else if (one.value != "TLSv1.2") {
        note(one, "TLS 1.2 and 1.3 are spoken; [[listen]] can name old devices");
      }
    } else if (one.key == "ssl_verify_client_cert" || one.key == "ssl_server_request_client_cert") {
      if (is_yes(one.value)) conversion_.set("tls-client-certificates", "optional", one.place);
    } else if (one.key == "auth_ssl_require_client_cert") {
      if (is_yes(one.value)) conversion_.set("tls-client-certificates", "required", one.place);
    } else {
      return false;
    }
    return true;
  }

  bool convert_login(const Statement& one) {
    if (one.key == "disable_plaintext_auth" || one.key == "auth_allow_cleartext") {
      const bool allows = (one.key == "auth_allow_cleartext") == is_yes(one.value);
      if (ssl_ != "required") {
        conversion_.set("clear-text-password", allows ? "always" : "tls", one.place);
      }
    } else if (one.key == "auth_mechanisms") {
      note(one, "all good mechanisms are offered; sasl-mechanisms would choose among them");
    } else if (one.key == "auth_username_format") {
      convert_username(one);
    } else if (one.key == "first_valid_uid") {
      const auto uid = decimal(one.value);
      if (uid && *uid > 0) {
        conversion_.set("block-uid", std::to_string(*uid - 1), one.place);
      }
    } else if (one.key == "mail_max_userip_connections") {
      if (one.value != "0") conversion_.set("max-connections-per-address", one.value, one.place);
      note(one, "it counted each user by himself; here all sessions of an address count");
    } else {
      return false;
    }
    return true;
  }

  void convert_username(const Statement& one) {
    const bool lowers =
        one.value.find("%L") != std::string::npos || one.value.find("lower") != std::string::npos;
    const bool trims = one.value.find("%n") != std::string::npos ||
                       one.value.find("%Ln") != std::string::npos ||
                       one.value.find("username") != std::string::npos;
    if (lowers) conversion_.set("downcase-user", "true", one.place);
    if (trims) conversion_.set("trim-domain", "true", one.place);
    if (!lowers && !trims && one.value != "%u" && one.value != "%{user}")
      note(one, "not understood");
  }

  bool convert_mail(const Statement& one) {
    if (one.key == "mail_location") {
      take_location(one);
    } else if (one.key == "mail_driver") {
      driver_ = one;
    } else if (one.key == "mail_path") {
      path_ = one;
    } else if (one.key == "mail_inbox_path") {
      inbox_ = one;
    } else if (one.key == "mbox_write_locks") {
      convert_locks(one);
    } else if (one.key == "pop3_no_flag_updates") {
      if (is_yes(one.value)) conversion_.set("update-status-headers", "false", one.place);
    } else if (one.key == "pop3_client_workarounds") {
      convert_workarounds(one);
    } else if (one.key == "pop3_uidl_format") {
      note(one,
           "clients know these ids: give them to the mail with popspool uidl import --format "
           "dovecot --uidl-format before they come");
    } else if (one.key == "mail_debug" || one.key == "auth_debug") {
      if (is_yes(one.value)) conversion_.set("debug", "true", one.place);
    } else {
      return false;
    }
    return true;
  }

  void convert_workarounds(const Statement& one) {
    for (const std::string& word : words_of(one.value)) {
      if (word == "outlook-no-nuls") {
        conversion_.set("replace-nul", "true", one.place);
      } else if (word == "oe-ns-eoh") {
        conversion_.set("end-of-header", "true", one.place);
      } else {
        note(one, "not understood");
      }
    }
  }

  void convert_locks(const Statement& one) {
    const std::vector<std::string> words = words_of(one.value);
    const std::vector<std::string> fcntl_first{"dotlock", "fcntl"}, flock_first{"dotlock", "flock"};
    const auto begins = [&](const std::vector<std::string>& with) {
      return words.size() >= 2 && std::equal(with.begin(), with.end(), words.begin());
    };
    if (begins(fcntl_first)) {
      conversion_.set("lock-order", "dotlock-fcntl-flock", one.place);
    } else if (begins(flock_first)) {
      conversion_.set("lock-order", "dotlock-flock-fcntl", one.place);
    } else {
      note(one,
           "popper takes the dotlock first, then fcntl and flock as lock-order says: see that "
           "all that deliver do so, too");
    }
  }

  /// mbox:~/mail:INBOX=/var/mail/%u, as 2.4 says in three keys.
  void take_location(const Statement& one) {
    std::string_view rest = one.value;
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    driver_ = path_ = one;
    driver_->value = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    const std::size_t end = std::min(rest.find(':'), rest.size());
    path_->value = rest.substr(0, end);
    inbox_.reset();
    const std::size_t inbox = rest.find(":INBOX=");
    if (inbox == std::string_view::npos) return;
    const std::string_view value = rest.substr(inbox + 7);
    inbox_ = one;
    inbox_->value = value.substr(0, std::min(value.find(':'), value.size()));
  }

  void convert_mail_place() {
    if (!driver_ && !path_ && !inbox_) return;
    const std::string driver = driver_ ? driver_->value : "";
    if (driver == "mbox" || driver == "maildir") {
      conversion_.set("mail-format", driver, driver_->place);
    } else if (driver_) {
      note(*driver_, "mail is an mbox or a Maildir here: convert it with doveadm first");
    }
    if (inbox_) return convert_path(*inbox_);
    if (!path_) return;
    if (driver == "mbox") return note(*path_, "no INBOX is named: set spool-dir or home-dir-mail");
    convert_path(*path_);
  }

  void convert_path(const Statement& one) {
    std::string path = one.value;
    for (const auto& [from, to] :
         {std::pair{"%{user}", "%u"}, std::pair{"%{user|username}", "%u"},
          std::pair{"%{home}", "~"}, std::pair{"%n", "%u"}, std::pair{"%h", "~"}}) {
      if (const std::size_t at = path.find(from); at != std::string::npos) {
        path.replace(at, std::string_view{from}.size(), to);
      }
    }
    const std::string_view below = path;
    if (below.starts_with("~/") && below.find('%') == std::string_view::npos) {
      return conversion_.set("home-dir-mail", below.substr(2), one.place);
    }
    for (const auto& [end, method] : {std::pair{"/%1u/%1.1u/%u", "2"}, std::pair{"/%u", "0"}}) {
      if (!below.starts_with('/') || !below.ends_with(end)) continue;
      const std::string_view directory =
          below.substr(0, below.size() - std::string_view{end}.size());
      if (directory.empty() || directory.find('%') != std::string_view::npos) continue;
      conversion_.set("spool-dir", directory, one.place);
      if (*method != '0') conversion_.set("hash-spool", method, one.place);
      return;
    }
    note(one,
         "mail lies at SPOOL-DIR/USER or HOME/FILE here: users that the system does not know "
         "are made with popauth, with a maildrop of their own");
  }

  void convert_listeners() {
    const bool speaks_tls = ssl_ != "no" && conversion_.has("tls-server-cert-file");
    if (speaks_tls) conversion_.set("tls-support", "stls", ssl_place_);
    if (!conversion_.has("clear-text-password")) {  // Dovecot's default
      conversion_.set("clear-text-password", speaks_tls ? "tls" : "local", Place{name_});
    }
    std::string addresses = "*";
    for (const Statement& one : statements_) {
      if (one.section.empty() && one.key == "listen") addresses = one.value;
    }
    const auto is_named = [&](std::string_view name) {
      return std::ranges::find(listeners_, name, &InetListener::name) != listeners_.end();
    };
    if (!is_named("pop3")) listeners_.push_back({.name = "pop3", .place = Place{name_}});
    if (!is_named("pop3s")) {
      listeners_.push_back({.name = "pop3s", .is_implicit = true, .place = Place{name_}});
    }
    for (const InetListener& one : listeners_) {
      if (one.is_implicit && !speaks_tls) continue;
      const std::uint64_t port = one.port.value_or(one.is_implicit ? 995 : 110);
      if (port == 0) continue;
      add_listeners(one, one.address.empty() ? addresses : one.address, port);
    }
  }

  void add_listeners(const InetListener& one, std::string addresses, std::uint64_t port) {
    std::ranges::replace(addresses, ',', ' ');
    for (const std::string& address : words_of(addresses)) {
      const bool is_any = address == "*" || address == "::" || address == "[::]";
      std::string host = is_any ? "" : address;
      if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
      Judged<ListenAddress> listener = parse_listen_address(host + ":" + std::to_string(port));
      if (!listener) {
        conversion_.note(one.place, listener.error());
        continue;
      }
      if (one.is_implicit) listener->tls = ListenTls::implicit;
      conversion_.listen(*listener, one.place);
    }
  }

  /// What other protocols need, and what makes no difference.
  static bool is_of_others(std::string_view key) {
    constexpr std::array others{"imap_",
                                "lmtp_",
                                "lda_",
                                "submission_",
                                "managesieve_",
                                "sieve",
                                "protocols",
                                "dovecot_",
                                "base_dir",
                                "instance_",
                                "namespace",
                                "listen",
                                "log_",
                                "ssl_dh",
                                "mail_privileged_group",
                                "mail_access_groups",
                                "ssl_client_",
                                "doveadm_",
                                "stats_",
                                "pop3_lock_session",
                                "pop3_enable_last",
                                "pop3_fast_size_lookups",
                                "verbose_",
                                "info_log",
                                "debug_log",
                                "mbox_read_locks",
                                "ssl_prefer_server_ciphers"};
    return std::ranges::any_of(others,
                               [key](std::string_view one) { return key.starts_with(one); });
  }

  static std::string_view why_not(std::string_view key) {
    constexpr std::array reasons{
        std::pair{"mail_plugins", "plugins have no counterpart"},
        std::pair{"login_greeting", "the greeting is not free: shy leaves name and version out"},
        std::pair{"login_trusted_networks", "only proxy-networks are trusted, with PROXY headers"},
        std::pair{"pop3_deleted_flag", "what a client deletes goes, or to the trash by trash-days"},
        std::pair{"pop3_delete_type", "what a client deletes goes, or to the trash by trash-days"},
        std::pair{"pop3_logout_format", "statistics logs what a session did"},
        std::pair{"pop3_reuse_xuidl", "a stored X-UIDL counts always"},
        std::pair{"auth_cache", "login-cache remembers passwords that were right"},
    };
    const auto found = std::ranges::find_if(
        reasons, [key](const auto& reason) { return key.starts_with(reason.first); });
    return found == reasons.end() ? "" : found->second;
  }

  ForeignConfiguration& conversion_;
  std::string name_;
  std::vector<std::string> section_;
  Place last_opened_;
  std::vector<Statement> statements_;
  std::vector<InetListener> listeners_;
  std::string ssl_ = "yes";
  Place ssl_place_{name_};
  std::optional<Statement> driver_, path_, inbox_;
};

}  // namespace

void convert_dovecot(ForeignConfiguration& conversion, const ForeignText& file) {
  DovecotFile{conversion, file}.convert();
}

}  // namespace pop
