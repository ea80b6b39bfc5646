#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace pop {

/// clear-text-password: who may send a password in the clear.
enum class ClearText : std::uint8_t { by_default, never, always, local, tls };
enum class TlsSupport : std::uint8_t { none, stls, alternate_port };
enum class TlsVersion : std::uint8_t {
  by_default,
  sslv2,
  sslv3,
  tlsv1,
  sslv23,
  all,
  tls1_2,            // this one alone
  tls1_3,            // this one alone
  tls1_2_to_tls1_3,  // both
};
enum class ClientCertificates : std::uint8_t { ignored, optional, required };
/// tls-client-user: what in a client's certificate says who the user is.
enum class ClientUser : std::uint8_t { nobody, subject_cn, san_email, san_email_local, map };
enum class ChunkyWrites : std::uint8_t { by_default, always, tls, never };
enum class LogFacility : std::uint8_t {
  mail,
  local0,
  local1,
  local2,
  local3,
  local4,
  local5,
  local6,
  local7
};
/// auth-source: where a password is checked.
enum class AuthSource : std::uint8_t { pam, credentials, shadow };
/// uid-format: the form of a unique-id that the message itself does not store.
enum class UidFormat : std::uint8_t { native, qpopper };
/// mail-format: by_place is Maildir where a directory lies in the place of the spool, else mbox.
enum class MailFormat : std::uint8_t { by_place, mbox, maildir };
/// log-format: how an event is written.
enum class LogFormat : std::uint8_t { text, json };
/// lock-order: the spool locks in the order in which they are taken.
enum class LockOrder : std::uint8_t { dotlock_fcntl_flock, dotlock_flock_fcntl, dotlock };

/// The value of every option, one field each, named as the option is; the option table maps names
/// to fields, and its defaults are these initialisers. Paths are as written.
struct Settings {
  // Where the mail is.
  std::filesystem::path spool_dir = "/var/mail";
  std::int64_t hash_spool = 0;          // 0, 1 or 2
  bool check_hash_dir = true;           // create missing hash directories
  bool check_old_spool_loc = true;      // look for a leftover temporary drop in plain spool_dir
  std::filesystem::path home_dir_mail;  // file name in the home directory; empty: spool_dir
  MailFormat mail_format = MailFormat::by_place;
  std::string folder;          // extended regular expression on the login name: Maildir++ folder
  bool home_dir_misc = false;  // temporary drop and cache in the home directory
  std::filesystem::path temp_dir;  // empty: where the spool is
  std::string temp_name = ".%s.pop";
  std::filesystem::path cache_dir;  // empty: the directory of the temporary drop
  std::string cache_name = ".%s.cache";

  // How it is served and changed.
  bool server_mode = false;
  std::string group_server_mode;
  std::string group_no_server_mode;
  bool fast_update = false;
  bool update_status_headers = true;
  bool update_on_abort = true;
  bool auto_delete = false;
  bool keep_temp_drop = false;
  std::int64_t trash_days = 0;    // 0: what is deleted is gone
  std::int64_t trash_size = 256;  // megabytes of each user's trash at most
  bool conservative_cache = false;
  bool no_atomic_open = false;
  std::int64_t mail_lock_check = 5000;  // messages between two looks at the lock's age
  LockOrder lock_order = LockOrder::dotlock_fcntl_flock;
  std::chrono::seconds dotlock_stale_after{300};
  std::chrono::seconds lock_wait{30};  // at most, for the spool locks
  bool uw_kluge = false;
  bool old_style_uid = false;
  std::string session_takeover = "dead";  // a TakeoverRule
  UidFormat uid_format = UidFormat::native;

  // Protocol.
  bool shy = false;
  std::chrono::seconds timeout{120};
  std::chrono::seconds login_timeout{60};  // whole time before login, however busy the client is
  std::int64_t announce_expire = -1;       // -1: NEVER
  std::int64_t announce_login_delay = -1;  // -1: not announced
  ChunkyWrites chunky_writes = ChunkyWrites::by_default;
  std::filesystem::path mail_command = "/usr/sbin/sendmail";
  std::int64_t mail_command_size = 50;  // megabytes of one message
  std::filesystem::path locale_dir;     // empty: the installed one
  bool replace_nul = false;             // this and the following: for faulty clients
  bool end_of_header = false;
  bool hide_utf8 = false;

  // Connections.
  std::int64_t max_connections = 10'000;         // 0: as the limit of open files allows
  std::int64_t max_connections_per_address = 0;  // 0: no limit; IPv6 by /64
  std::int64_t keepers = 4;                      // for each gate
  std::int64_t accepts = 64;                     // taken at once from one listener
  std::chrono::seconds autoclose{0};             // 0: never
  std::chrono::seconds failure_delay{1};         // after the first failed login of an address
  std::chrono::seconds failure_delay_most{60};   // it doubles up to this
  std::string proxy_networks;                    // blank-separated ADDRESS[/BITS]
  std::string host_name;                         // empty: the machine's

  // Who may log in.
  AuthSource auth_source = AuthSource::pam;
  std::string pam_service = "pop3";
  bool pam_session = false;
  std::chrono::seconds login_cache{0};  // 0: none
  std::string credential_owner = "pop";
  std::filesystem::path credential_file = "/etc/popper/credentials.gdbm";
  ClearText clear_text_password = ClearText::by_default;
  std::filesystem::path auth_file;
  std::filesystem::path nonauth_file;
  std::int64_t block_uid = 10;  // users with this uid and below; -1: only root, as always
  bool check_password_expired = true;
  bool require_shell = false;
  bool poppassd_clear_text = false;        // also without TLS from other hosts
  std::int64_t poppassd_connections = 32;  // each has two processes
  std::int64_t poppassd_min_length = 8;    // octets of a new password
  std::string poppassd_pam_service = "poppassd";
  std::chrono::seconds poppassd_timeout{30};  // for one change
  bool downcase_user = false;
  bool trim_domain = false;
  bool kerberos = false;
  std::string kerberos_service = "pop";
  std::filesystem::path kerberos_keytab;  // empty: libkrb5's default
  std::filesystem::path kerberos_replay_file = "/run/popper/kerberos.replay";
  std::filesystem::path oauth_helper;  // empty: no tokens are taken
  std::string oauth_helper_user;       // of root: must be named
  std::string oauth_scope;             // blank-separated; what a token must have
  std::chrono::seconds oauth_timeout{10};

  // Bulletins.
  std::filesystem::path bulldir;
  std::filesystem::path bulldb;      // empty: bulldb in bulldir, if there is one
  std::filesystem::path popbulldir;  // empty: users' home directories
  bool bulldb_nonfatal = false;
  std::int64_t bulldb_max_tries = 75;
  bool group_bulletins = false;
  std::int64_t max_bulletins = 1;

  // Logging.
  bool debug = false;
  std::filesystem::path tracefile;
  bool trace_bodies = false;
  LogFacility log_facility = LogFacility::mail;
  bool statistics = false;
  bool timing = false;
  std::string log_login;
  bool reverse_lookup = true;
  LogFormat log_format = LogFormat::text;

  // Other programs: who serves a login, and who hears of it.
  std::filesystem::path session_program;  // empty: this one
  std::string session_arguments;          // blank-separated, the program's name first
  std::string useropt;                    // extended regular expression on the login name
  std::string drac_host;                  // this and the following: empty for nobody
  std::string logudp_destination;         // ADDRESS:PORT
  std::string logudp_secret;
  std::int64_t logudp_multicast_ttl = 1;
  std::string whoson_server;  // HOST[:PORT]
  std::string
      whoson_rules;  // blank-separated "allow:REGEX" and "deny:REGEX", first match; none: deny
  std::string loginfo_host;  // of the SQL server; this and the query must be there
  std::string loginfo_user;
  std::string loginfo_password;
  std::string loginfo_database;
  std::string loginfo_query;

  // TLS and SASL.
  TlsSupport tls_support = TlsSupport::none;
  std::filesystem::path tls_server_cert_file;
  std::filesystem::path tls_private_key_file;
  std::string tls_cipher_list;
  TlsVersion tls_version = TlsVersion::by_default;
  std::int64_t tls_options = 0;  // settings add up
  bool tls_workarounds = false;
  std::filesystem::path tls_identity_file;
  std::string tls_passphrase;
  std::string tls_more_certificates;  // blank-separated CERTIFICATE[,KEY[,OCSP]]
  std::filesystem::path tls_ocsp_file;
  std::string tls_cipher_suites;
  ClientCertificates tls_client_certificates = ClientCertificates::ignored;
  std::filesystem::path tls_client_ca_file;
  ClientUser tls_client_user = ClientUser::nobody;
  std::filesystem::path tls_client_user_map;
  std::chrono::seconds tls_session_lifetime{57600};  // 0: sessions are not resumed
  std::string sasl_log_login;
  std::string sasl_mechanisms;
  std::int64_t sasl_min_ssf = 0;
  std::int64_t sasl_max_ssf = 4294967295;
  bool sasl_forward_secrecy = false;
  bool sasl_no_active = false;
  bool sasl_no_anonymous = true;
  bool sasl_no_dictionary = false;
  bool sasl_no_plaintext = true;

  // The program itself.
  bool user_options = false;
  bool spool_options = false;
  std::string gate_user = "nobody";                       // whose uid the gate takes
  std::filesystem::path gate_root = "/run/popper/empty";  // chroot of the gate
  std::filesystem::path pid_file;
  std::filesystem::path scoreboard = "/run/popper/scoreboard";  // empty: none
};

/// Whether TLS can be spoken at all.
[[nodiscard]] inline bool has_certificate(const Settings& settings) {
  return !settings.tls_server_cert_file.empty() || !settings.tls_identity_file.empty();
}

}  // namespace pop
