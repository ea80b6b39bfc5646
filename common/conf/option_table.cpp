#include "conf/option_table.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "base/text.h"

namespace pop {
namespace {

using enum Section;
using enum MayBeSet;
using enum Form;

constexpr std::uint8_t number(auto enumerator) {
  return static_cast<std::uint8_t>(enumerator);
}

constexpr Switch turns_on(char letter) {
  return {SwitchKind::turns_on, letter};
}
constexpr Switch turns_off(char letter) {
  return {SwitchKind::turns_off, letter};
}
constexpr Switch takes_value(char letter) {
  return {SwitchKind::takes_value, letter};
}
constexpr Switch takes_number(char letter) {
  return {SwitchKind::takes_number, letter};
}
constexpr Switch extension(std::string_view key) {
  return {SwitchKind::extension, 'e', key};
}

constexpr std::array auth_source_words{
    Mnemonic{"pam", number(AuthSource::pam), "ask PAM, service pam-service"},
    Mnemonic{"credentials", number(AuthSource::credentials), "look in credential-file"},
    Mnemonic{"shadow", number(AuthSource::shadow), "compare with the system's password files"},
};
constexpr std::array clear_text_words{
    Mnemonic{"default", number(ClearText::by_default),
             "allowed for users without an APOP secret; the others must use APOP"},
    Mnemonic{"never", number(ClearText::never), "never allowed"},
    Mnemonic{"always", number(ClearText::always), "always allowed"},
    Mnemonic{"local", number(ClearText::local), "allowed from the loopback interface only"},
    Mnemonic{"tls", number(ClearText::tls), "allowed under TLS only"},
    Mnemonic{"ssl", number(ClearText::tls), "same as tls"},
};
constexpr std::array chunky_words{
    Mnemonic{"default", number(ChunkyWrites::by_default), "same as always"},
    Mnemonic{"always", number(ChunkyWrites::always), "always gather"},
    Mnemonic{"tls", number(ChunkyWrites::tls), "gather under TLS only"},
    Mnemonic{"ssl", number(ChunkyWrites::tls), "same as tls"},
    Mnemonic{"never", number(ChunkyWrites::never), "never gather"},
};
constexpr std::array facility_words{
    Mnemonic{"mail", number(LogFacility::mail), "LOG_MAIL"},
    Mnemonic{"local0", number(LogFacility::local0), "LOG_LOCAL0"},
    Mnemonic{"local1", number(LogFacility::local1), "LOG_LOCAL1"},
    Mnemonic{"local2", number(LogFacility::local2), "LOG_LOCAL2"},
    Mnemonic{"local3", number(LogFacility::local3), "LOG_LOCAL3"},
    Mnemonic{"local4", number(LogFacility::local4), "LOG_LOCAL4"},
    Mnemonic{"local5", number(LogFacility::local5), "LOG_LOCAL5"},
    Mnemonic{"local6", number(LogFacility::local6), "LOG_LOCAL6"},
    Mnemonic{"local7", number(LogFacility::local7), "LOG_LOCAL7"},
};
constexpr std::array lock_order_words{
    Mnemonic{"dotlock-fcntl-flock", number(LockOrder::dotlock_fcntl_flock),
             "dotlock, then fcntl, then flock"},
    Mnemonic{"dotlock-flock-fcntl", number(LockOrder::dotlock_flock_fcntl),
             "dotlock, then flock, then fcntl"},
    Mnemonic{"dotlock", number(LockOrder::dotlock), "the dotlock alone"},
};
constexpr std::array tls_support_words{
    Mnemonic{"none", number(TlsSupport::none), "no TLS"},
    Mnemonic{"default", number(TlsSupport::none), "same as none"},
    Mnemonic{"stls", number(TlsSupport::stls), "clients may ask for TLS with STLS"},
    Mnemonic{"alternate-port", number(TlsSupport::alternate_port),
             "TLS from the first octet on, as on port 995"},
};
constexpr std::array tls_version_words{
    Mnemonic{"default", number(TlsVersion::by_default), "same as 1.2-1.3"},
    Mnemonic{"SSLv2", number(TlsVersion::sslv2), "taken, with a warning, as default"},
    Mnemonic{"SSLv3", number(TlsVersion::sslv3), "taken, with a warning, as default"},
    Mnemonic{"TLSv1", number(TlsVersion::tlsv1), "taken, with a warning, as default"},
    Mnemonic{"SSLv23", number(TlsVersion::sslv23), "taken, with a warning, as default"},
    Mnemonic{"all", number(TlsVersion::all), "taken, with a warning, as default"},
    Mnemonic{"1.2", number(TlsVersion::tls1_2), "TLS 1.2 only"},
    Mnemonic{"1.3", number(TlsVersion::tls1_3), "TLS 1.3 only"},
    Mnemonic{"1.2-1.3", number(TlsVersion::tls1_2_to_tls1_3), "TLS 1.2 and 1.3"},
};
constexpr std::array client_user_words{
    Mnemonic{"none", number(ClientUser::nobody), "for nobody"},
    Mnemonic{"subject-cn", number(ClientUser::subject_cn), "for the subject's common name"},
    Mnemonic{"san-email", number(ClientUser::san_email),
             "for the mail address among the alternative names"},
    Mnemonic{"san-email-local", number(ClientUser::san_email_local),
             "for what stands before the @ of that address, whatever follows"},
    Mnemonic{"map", number(ClientUser::map), "for whom tls-client-user-map says"},
};
constexpr std::array client_certificate_words{
    Mnemonic{"none", number(ClientCertificates::ignored), "clients are not asked for one"},
    Mnemonic{"optional", number(ClientCertificates::optional),
             "clients are asked; one that is shown must be good"},
    Mnemonic{"required", number(ClientCertificates::required),
             "a client without a good one is turned away"},
};
constexpr std::array uid_format_words{
    Mnemonic{"native", number(UidFormat::native), "computed from content that no server rewrites"},
    Mnemonic{"qpopper", number(UidFormat::qpopper), "the base-80 form of Qpopper"},
};

constexpr std::array mail_format_words{
    Mnemonic{"auto", number(MailFormat::by_place),
             "Maildir where a directory lies in the place of the spool, else mbox"},
    Mnemonic{"mbox", number(MailFormat::mbox), "one file a user"},
    Mnemonic{"maildir", number(MailFormat::maildir), "one directory a user, one file a message"},
};
constexpr std::array log_format_words{
    Mnemonic{"text", number(LogFormat::text), "name key=value ..."},
    Mnemonic{"json", number(LogFormat::json), "one JSON object a line"},
};

constexpr std::array sasl_mechanism_words{
    Mnemonic{"SCRAM-SHA-256-PLUS", 0, "SCRAM with SHA-256, bound to the TLS connection"},
    Mnemonic{"SCRAM-SHA-1-PLUS", 1, "SCRAM with SHA-1, bound to the TLS connection"},
    Mnemonic{"SCRAM-SHA-256", 2, "SCRAM with SHA-256"},
    Mnemonic{"SCRAM-SHA-1", 3, "SCRAM with SHA-1"},
    Mnemonic{"EXTERNAL", 4, "the client's certificate"},
    Mnemonic{"GSSAPI", 5, "a Kerberos ticket"},
    Mnemonic{"DIGEST-MD5", 6, "the APOP secret, and perhaps encryption (obsolete)"},
    Mnemonic{"CRAM-MD5", 7, "the APOP secret"},
    Mnemonic{"OAUTHBEARER", 8, "a bearer token"},
    Mnemonic{"XOAUTH2", 9, "a bearer token, in an older form"},
    Mnemonic{"PLAIN", 10, "name and password in one message"},
    Mnemonic{"LOGIN", 11, "name and password one after the other"},
    Mnemonic{"ANONYMOUS", 12, "no proof at all (sasl-no-anonymous)"},
};

constexpr Switch no_switch{};
constexpr Range no_range{};
constexpr Range within(std::int64_t least, std::int64_t most) {
  return {least, most};
}
constexpr Range small_count = within(0, 1'000'000);
constexpr Range strength = within(0, 4294967295);  // sasl-*-ssf

using S = Settings;
constexpr std::array options{
    Option{"accepts", "", connections, &S::accepts, "COUNT", start_up, Ready::now,
           "Accept so many waiting connections in one go", "", no_switch, within(1, 4096)},
    Option{"announce-expire", "", protocol, &S::announce_expire, "DAYS", anywhere, Ready::now,
           "Delete mail after so many days, and announce that (EXPIRE in CAPA)",
           "At QUIT: what a client first retrieved longer ago, and what none has retrieved and was "
           "first listed longer ago. 0: what the session has retrieved. -1: never. Qpopper announced "
           "other numbers and left the rest to the site.",
           extension("expire"), within(-1, 1'000'000)},
    Option{
        "announce-login-delay", "", protocol, &S::announce_login_delay, "SECONDS", anywhere,
        Ready::now, "Say how long a user must wait between two logins (LOGIN-DELAY in CAPA)",
        "Whoever comes earlier is refused with [LOGIN-DELAY], but for three logins in a row after "
        "a rest. -1: there is no such rule.",
        extension("login_delay"), within(-1, 1'000'000)},
    Option{"auth-file", "", login, &S::auth_file, "FILE", start_up, Ready::now,
           "Let only the users listed in this file log in, one name a line",
           "Names are compared exactly, after downcase-user, trim-domain and folder. The file is "
           "read again when it has changed. popper does not start with a file that it cannot read; "
           "when it cannot read it later, nobody can log in.",
           no_switch, no_range, absolute_or_none},
    Option{"auth-source", "", login, &S::auth_source, "SOURCE", start_up, Ready::now,
           "Check passwords here", "", no_switch, no_range, any, auth_source_words},
    Option{"auto-delete", "", service, &S::auto_delete, "BOOL", start_up, Ready::now,
           "Delete every message that a client has retrieved",
           "At QUIT only: a session that breaks off deletes none of them. CAPA announces EXPIRE 0. "
           "This can lose mail: tell your users before you turn it on."},
    Option{"autoclose", "", connections, &S::autoclose, "SECONDS", start_up, Ready::now,
           "Accept no more connections after this time, and end with the last one",
           "0: never. For inetd's wait mode and for sockets of systemd, which start the program "
           "again when the next client comes.",
           no_switch, within(0, 31'536'000)},
    Option{"block-uid", "", login, &S::block_uid, "UID", start_up, Ready::now,
           "Refuse users with this user number and below",
           "-1: refuse root only, as always. It holds for virtual users, too.", no_switch,
           within(-1, 4294967294)},
    Option{"bulldb", "", bulletins, &S::bulldb, "FILE", start_up, Ready::now,
           "Keep the numbers of the bulletins that users have seen in this GDBM file",
           "Empty: in the file bulldb of bulldir, if there is one when a user logs in; else each "
           "user has a file .popbull.",
           no_switch, no_range, absolute_or_none},
    Option{"bulldb-max-tries", "bulldb-max-retires bulldb-max-retries", bulletins,
           &S::bulldb_max_tries, "COUNT", anywhere, Ready::now,
           "Try this often to lock the bulletin database",
           "The pauses between the tries grow to half a second.", no_switch, within(1, 1'000'000)},
    Option{"bulldb-nonfatal", "", bulletins, &S::bulldb_nonfatal, "BOOL", anywhere, Ready::now,
           "Serve mail without bulletins when the bulletin database cannot be used",
           "Off: then logins are refused with [SYS/TEMP]. Whose .popbull cannot be used gets mail "
           "without bulletins in any case.",
           turns_on('B')},
    Option{"bulldir", "", bulletins, &S::bulldir, "DIRECTORY", anywhere, Ready::now,
           "Show each bulletin in this directory once to every user",
           "A file there whose name begins with a number is one; popper-formats(5) says more.",
           takes_value('b'), no_range, absolute_or_none},
    Option{"cache-dir", "", place, &S::cache_dir, "DIRECTORY", start_up, Ready::now,
           "Keep the index files here",
           "Empty: in the directory of the temporary drop file. The directory should survive a "
           "restart of the machine, or all mail is read anew after it.",
           no_switch, no_range, absolute_or_none},
    Option{"cache-name", "", place, &S::cache_name, "PATTERN", start_up, Ready::now,
           "Name a user's index file",
           "%s stands for the user's name. Names that two files of a maildrop would share are an "
           "error at the start.",
           no_switch, no_range, user_pattern},
    Option{"check-hash-dir", "check-hash-spool", place, &S::check_hash_dir, "BOOL", anywhere,
           Ready::now, "Create missing hash directories"},
    Option{"check-old-spool-loc", "", place, &S::check_old_spool_loc, "BOOL", anywhere, Ready::now,
           "Look for a leftover temporary drop file in spool-dir itself",
           "Of interest when hash-spool or home-dir-mail is set."},
    Option{"check-password-expired", "", login, &S::check_password_expired, "BOOL", start_up,
           Ready::now, "Refuse a login whose password has expired",
           "An account that has expired is refused always."},
    Option{
        "chunky-writes", "", protocol, &S::chunky_writes, "WHEN", anywhere, Ready::now,
        "Gather small replies into large writes",
        "Where they are not gathered, each reply is sent by itself and a message in pieces of 512 "
        "octets, which a congested network may carry better.",
        no_switch, no_range, any, chunky_words},
    Option{"clear-text-password", "", login, &S::clear_text_password, "WHEN", start_up, Ready::now,
           "Say when a password may be sent with USER and PASS", "", takes_number('p'), no_range,
           any, clear_text_words},
    Option{"config-file", "", program, std::monostate{}, "FILE", anywhere, Ready::now,
           "Read more options from this file, here and now",
           "A relative name is taken from the directory of the file that names it. Files may nest "
           "20 deep. A file named by a per-user file may set only what that file may set.",
           takes_value('f'), no_range, not_empty},
    Option{"conservative-cache", "", service, &S::conservative_cache, "BOOL", anywhere, Ready::now,
           "Ignore the index when the spool is newer",
           "Leave it off when only delivery and this server change the spool: then after new mail "
           "only that is read."},
    Option{"credential-file", "", login, &S::credential_file, "FILE", start_up, Ready::now,
           "Take credentials from this file, which popauth(8) keeps", "", no_switch, no_range,
           absolute},
    Option{"credential-owner", "", login, &S::credential_owner, "USER", start_up, Ready::now,
           "Let this user, besides root, change all credentials with popauth(8)",
           "popauth init gives a directory that it makes to this user, if the system has such a "
           "one: then a popauth that is setuid to that user lets others change their own.",
           no_switch, no_range, word_or_none},
    Option{"debug", "", logging, &S::debug, "BOOL", anywhere, Ready::now,
           "Log what the program does, step by step", "", turns_on('d')},
    Option{"dotlock-stale-after", "", service, &S::dotlock_stale_after, "SECONDS", start_up,
           Ready::now, "Break a dotlock that was not refreshed for so long", "", no_switch,
           within(30, 86400)},
    Option{"downcase-user", "", login, &S::downcase_user, "BOOL", start_up, Ready::now,
           "Turn user names into lowercase", "", turns_on('c')},
    Option{"drac-host", "", others, &S::drac_host, "HOST[:PORT]", start_up, Ready::now,
           "Tell the DRAC service on this host about logins",
           "Empty: nobody is told. Without a port the host's rpcbind is asked. IPv4 clients only. "
           "libtirpc must be installed.",
           takes_value('D'), no_range, host},
    Option{"end-of-header", "", protocol, &S::end_of_header, "BOOL", anywhere, Ready::now,
           "End the header of a message that is nothing but a header with an empty line",
           "For clients that wait for it: Outlook Express 4 to 6."},
    Option{"failure-delay", "", connections, &S::failure_delay, "SECONDS", start_up, Ready::now,
           "Let an address wait after a failed login before the next is looked at",
           "Each further failure doubles the time, up to failure-delay-most. Other addresses wait "
           "only where many of them try one user, or one password on many. 0: no delay.",
           no_switch, within(0, 3600)},
    Option{"failure-delay-most", "", connections, &S::failure_delay_most, "SECONDS", start_up,
           Ready::now, "Let no address wait longer than this after failed logins", "", no_switch,
           within(0, 3600)},
    Option{"fast-update", "enable-fast-update", service, &S::fast_update, "BOOL", anywhere,
           Ready::now, "Replace the spool by renaming a new file over it",
           "Safe are programs that make the dotlock before they open the spool and keep it until "
           "they have closed it, and programs that look, once they have their locks, whether the "
           "name still stands for the file they opened. Not safe is one that goes on with fcntl "
           "or flock alone when it cannot make the dotlock: it may have opened the spool and wait "
           "for its lock while the new file takes the name, and what it then writes is lost. "
           "Where the mode of a spool lets its group write and that of the directory does not, "
           "the group cannot make dotlocks: that is logged, and the spool is updated in place. "
           "So it is, silently, where the new file cannot have the owner, the access list and the "
           "other extended attributes of the old one. Programs that keep the spool open, such as "
           "biff(1) or a shell's mail check, look at the old file.",
           turns_on('F')},
    Option{"folder", "", place, &S::folder, "REGEXP", start_up, Ready::now,
           "Find the Maildir++ folder in the login name",
           "An extended regular expression; its first parenthesis is the folder, and the name is "
           "cut off before the match.",
           no_switch, no_range, pattern},
    Option{"gate-root", "", program, &S::gate_root, "DIRECTORY", start_up, Ready::now,
           "Lock the process that talks to strangers into this empty directory",
           "It is made if it is missing. It and all directories above must be root's and writable "
           "by nobody else, those above unless sticky.",
           no_switch, no_range, absolute},
    Option{"gate-user", "", program, &S::gate_user, "USER", start_up, Ready::now,
           "Run the process that talks to strangers as this user", "", no_switch, no_range, word},
    Option{"group-bulletins", "", bulletins, &S::group_bulletins, "BOOL", start_up, Ready::now,
           "Show a bulletin that names a group in its file name to this group only",
           "The second part of 23.staff.news is a group, users' primary or supplementary one. ALL, "
           "or a name without a dot, is for everybody; a group that there is not is for nobody."},
    Option{"group-no-server-mode", "", service, &S::group_no_server_mode, "GROUP", start_up,
           Ready::now, "Turn server mode off for members of this group",
           "By users' primary group or a supplementary one; virtual users have the one of their "
           "gid. It goes before group-server-mode and server-mode, and a user's own file before "
           "all."},
    Option{"group-server-mode", "group-sever-mode", service, &S::group_server_mode, "GROUP",
           start_up, Ready::now, "Turn server mode on for members of this group",
           "As group-no-server-mode; it goes before server-mode."},
    Option{"hash-spool", "", place, &S::hash_spool, "METHOD", start_up, Ready::now,
           "Spread the spools over subdirectories",
           "0: none. 1: one letter made from the sum of the name's first five bytes, modulo 26. "
           "2: the first letter of the name, and below it the second.",
           no_switch, within(0, 2)},
    Option{"hide-utf8", "", protocol, &S::hide_utf8, "BOOL", anywhere, Ready::now,
           "Do not offer the commands UTF8 and LANG",
           "For clients that stumble over the line in CAPA: some versions of Outlook."},
    Option{"home-dir-mail", "", place, &S::home_dir_mail, "FILE", start_up, Ready::now,
           "Find the spool under this name in the user's home directory", "Empty: in spool-dir.",
           no_switch, no_range, file_name},
    Option{"home-dir-misc", "", place, &S::home_dir_misc, "BOOL", start_up, Ready::now,
           "Keep temporary drop file and index in the user's home directory"},
    Option{"host-name", "", protocol, &S::host_name, "HOST", start_up, Ready::now,
           "Call this host so in greetings and APOP stamps", "Empty: the machine's own name.",
           no_switch, no_range, word_or_none},
    Option{"keep-temp-drop", "", service, &S::keep_temp_drop, "BOOL", start_up, Ready::now,
           "Leave the empty temporary drop file behind",
           "Its modification time tells when the user was last here."},
    Option{"keepers", "", connections, &S::keepers, "COUNT", start_up, Ready::now,
           "Check so many logins at a time in each gate",
           "There is a gate for each processor. More help where a directory service is slow to "
           "answer. The last free one never serves an address or a name that is waiting for "
           "another check, nor an address whose login has failed lately, if others may come.",
           no_switch, within(1, 32)},
    Option{"kerberos", "", login, &S::kerberos, "BOOL", start_up, Ready::now,
           "Want a Kerberos 5 ticket from each client before the greeting (KPOP)",
           "Port 1109 is the usual one. The user's name must be the one that libkrb5 maps the "
           "ticket's owner to, or the owner's whole name; what PASS says does not matter, and STLS "
           "and APOP are not offered. Holds wherever a [[listen]] table does not say it.",
           turns_on('k')},
    Option{
        "kerberos-keytab", "", login, &S::kerberos_keytab, "FILE", start_up, Ready::now,
        "Take the keys of kerberos-service from this file",
        "Empty: where libkrb5 looks, usually /etc/krb5.keytab. Read at the start and at each "
        "reload. Any key of the service will do, whatever host its name says. It is for KPOP and "
        "for AUTH GSSAPI, which it brings unless sasl-mechanisms leaves that out.",
        no_switch, no_range, absolute_or_none},
    Option{"kerberos-replay-file", "", login, &S::kerberos_replay_file, "FILE", start_up,
           Ready::now, "Remember here which Kerberos authenticators have been used",
           "Made if it is missing, as is its directory. Its directory must be root's.", no_switch,
           no_range, absolute},
    Option{"kerberos-service", "", login, &S::kerberos_service, "SERVICE", start_up, Ready::now,
           "Use this Kerberos service",
           "The first part of the server's principal, as in pop/host.example.org.",
           takes_value('K'), no_range, word},
    Option{"locale-dir", "", protocol, &S::locale_dir, "DIRECTORY", start_up, Ready::now,
           "Find the translations of replies here (LANG)",
           "As TAG/LC_MESSAGES/popper.mo. Empty: where they were installed.", no_switch, no_range,
           absolute_or_none},
    Option{"lock-order", "", service, &S::lock_order, "ORDER", start_up, Ready::now,
           "Take the spool locks in this order",
           "It must be the order of the other programs that write the spool.", no_switch, no_range,
           any, lock_order_words},
    Option{"lock-wait", "", service, &S::lock_wait, "SECONDS", start_up, Ready::now,
           "Wait at most so long for the spool locks", "", no_switch, within(0, 3600)},
    Option{"log-facility", "", logging, &S::log_facility, "FACILITY", start_up, Ready::now,
           "Log to this syslog facility", "", takes_value('y'), no_range, any, facility_words},
    Option{"log-format", "", logging, &S::log_format, "FORMAT", start_up, Ready::now,
           "Write log lines in this format", "", no_switch, no_range, any, log_format_words},
    Option{"log-login", "", logging, &S::log_login, "TEXT", start_up, Ready::now,
           "Log each login with this text",
           "%0 stands for the version, %1 for the user, %2 for the client's name and %3 for its "
           "address. Log analysers look for the text that Qpopper had built in: "
           "(v%0) POP login by user \"%1\" at (%2) %3. Empty: no line."},
    Option{
        "login-cache", "", login, &S::login_cache, "SECONDS", start_up, Ready::now,
        "Take a password that was right so lately for right again, without computing its hash",
        "0: compute it each time. Each keeper remembers for itself, in memory only, and forgets "
        "at once when the user's hash changes. All other rules are asked each time; of PAM, only "
        "the auth modules are not. Device passwords and APOP need no such help.",
        no_switch, within(0, 3600)},
    Option{"login-timeout", "", protocol, &S::login_timeout, "SECONDS", start_up, Ready::now,
           "Hang up on a client that has not logged in after so long, however busy it is", "",
           no_switch, within(1, 86400)},
    Option{"loginfo-database", "", others, &S::loginfo_database, "NAME", start_up, Ready::now,
           "Use this database", "", no_switch, no_range, word_or_none},
    Option{"loginfo-host", "", others, &S::loginfo_host, "HOST[:PORT]", start_up, Ready::now,
           "Record logins in the MySQL or MariaDB database on this host",
           "libmariadb must be installed. Nothing is recorded without a loginfo-query.", no_switch,
           no_range, host},
    Option{"loginfo-password", "", others, &S::loginfo_password, "TEXT", start_up, Ready::now,
           "Log in to the database with this password"},
    Option{"loginfo-query", "", others, &S::loginfo_query, "SQL", start_up, Ready::now,
           "Execute this statement for each login",
           "%u stands for the user, %a for the client's address and %h for this host; each "
           "becomes a quoted literal. %% is a percent sign.",
           no_switch, no_range, statement},
    Option{"loginfo-user", "", others, &S::loginfo_user, "USER", start_up, Ready::now,
           "Log in to the database as this user", "", no_switch, no_range, word_or_none},
    Option{"logudp-destination", "", others, &S::logudp_destination, "ADDRESS:PORT", start_up,
           Ready::now, "Send a UDP packet about each login to this address",
           "popper-formats(5) has the packet.", no_switch, no_range, host_and_port},
    Option{"logudp-multicast-ttl", "", others, &S::logudp_multicast_ttl, "HOPS", start_up,
           Ready::now, "Let multicast packets pass so many routers", "", no_switch, within(0, 255)},
    Option{"logudp-secret", "", others, &S::logudp_secret, "TEXT", start_up, Ready::now,
           "Sign these packets with this secret"},
    Option{"mail-command", "", protocol, &S::mail_command, "PROGRAM", start_up, Ready::now,
           "Submit mail from XTND XMIT with this program",
           "It runs as the user, with -t -i -oem. Where it cannot be executed when the server "
           "starts, XTND XMIT is refused.", no_switch, no_range, absolute},
    Option{"mail-command-size", "", protocol, &S::mail_command_size, "MEGABYTES", start_up,
           Ready::now, "Take no larger message with XTND XMIT", "", no_switch,
           within(1, 1'000'000)},
    Option{
        "mail-format", "", place, &S::mail_format, "FORMAT", start_up, Ready::now,
        "Expect mail in this format",
        "A missing spool or Maildir is an empty maildrop. Server mode, fast-update and the locks "
        "of the spool make no difference to a Maildir.",
        no_switch, no_range, any, mail_format_words},
    Option{"mail-lock-check", "", service, &S::mail_lock_check, "COUNT", anywhere, Ready::now,
           "Look at the age of the mail lock every so many messages", "", takes_value('L'),
           within(1, 1'000'000'000)},
    Option{"max-bulletins", "", bulletins, &S::max_bulletins, "COUNT", anywhere, Ready::now,
           "Show a new user so many old bulletins at most",
           "The newest ones of those that are for the user.", no_switch, small_count},
    Option{
        "max-connections", "", connections, &S::max_connections, "COUNT", start_up, Ready::now,
        "Hold so many connections at most",
        "0: as the limit of open files allows; where that is below this number, a start says so. "
        "When all are taken, the client that has been waiting longest without logging in makes "
        "room.",
        no_switch, small_count},
    Option{"max-connections-per-address", "sameaddrmax", connections,
           &S::max_connections_per_address, "COUNT", start_up, Ready::now,
           "Hold so many connections from one address at most",
           "0: no limit. Logged-in sessions count, too. IPv6 addresses are taken together by their "
           "first 64 bits.",
           no_switch, small_count},
    Option{"no-atomic-open", "", service, &S::no_atomic_open, "BOOL", anywhere, Ready::now,
           "Create lock files by linking, for file systems without exclusive creation"},
    Option{"nonauth-file", "", login, &S::nonauth_file, "FILE", start_up, Ready::now,
           "Refuse the users listed in this file, one name a line",
           "Names are compared as for auth-file. popper does not start with a file that it cannot "
           "read; when it cannot read it later, the names that it read last stay refused, and the "
           "log says so.",
           no_switch, no_range, absolute_or_none},
    Option{"oauth-helper", "", login, &S::oauth_helper, "PROGRAM", start_up, Ready::now,
           "Ask this program whose a bearer token is, and offer OAUTHBEARER and XOAUTH2 under TLS",
           "popper-formats(5) has what it is told and may answer. It runs without rights, for one "
           "token at a time. Only root may be able to change it or what is above it. Where "
           "clear-text-password lets no password pass, no token passes either.",
           no_switch, no_range, absolute_or_none},
    Option{"oauth-helper-user", "", login, &S::oauth_helper_user, "USER", start_up, Ready::now,
           "Run oauth-helper as this user",
           "A user of its own: neither root nor gate-user nor credential-owner. Must be set where "
           "popper is started as root.",
           no_switch, no_range, word_or_none},
    Option{"oauth-scope", "", login, &S::oauth_scope, "WORDS", start_up, Ready::now,
           "Let only tokens in that have every one of these scopes",
           "With blanks between. Empty: any token that oauth-helper calls good, so that program "
           "itself must refuse what was made for other services."},
    Option{"oauth-timeout", "", login, &S::oauth_timeout, "SECONDS", start_up, Ready::now,
           "End oauth-helper when it has not answered for so long",
           "Half of login-timeout is the most.", no_switch, within(1, 300)},
    Option{"old-style-uid", "", service, &S::old_style_uid, "BOOL", anywhere, Ready::now,
           "Make unique-ids as servers before Qpopper 3 did"},
    Option{"pam-service", "", login, &S::pam_service, "SERVICE", start_up, Ready::now,
           "Use this PAM service", "", no_switch, no_range, word},
    Option{
        "pam-session", "", login, &S::pam_session, "BOOL", start_up, Ready::now,
        "Hold a PAM session and the user's credentials as long as the POP3 session lasts",
        "For users of the system whom auth-source = pam lets in. Each session then has a second "
        "process, of root, which closes the PAM session when the first has ended, however it "
        "did. Otherwise PAM's session modules are not asked, and credentials are set and deleted "
        "at once."},
    Option{"pid-file", "", program, &S::pid_file, "FILE", start_up, Ready::now,
           "Write the number of the main process here when standalone", "Empty: nowhere.",
           no_switch, no_range, absolute_or_none},
    Option{"popbulldir", "", bulletins, &S::popbulldir, "DIRECTORY", start_up, Ready::now,
           "Keep users' .popbull files here as USER.popbull",
           "Users must be able to make files in it. Empty: in their home directories, where a "
           "user's file is also looked for when there is none here.",
           no_switch, no_range, absolute_or_none},
    Option{"poppassd-clear-text", "", login, &S::poppassd_clear_text, "BOOL", start_up, Ready::now,
           "Let poppassd take passwords without TLS from other hosts, too",
           "From this host itself it always does, and anybody on the way can read them else."},
    Option{
        "poppassd-connections", "", connections, &S::poppassd_connections, "COUNT", start_up,
        Ready::now, "Let poppassd serve so many connections at once",
        "Each takes two processes. When all are taken, a client whose address has failed and has "
        "to wait makes room, or the one that has been there longest without asking for a change.",
        no_switch, within(1, 10'000)},
    Option{"poppassd-min-length", "", login, &S::poppassd_min_length, "OCTETS", start_up,
           Ready::now, "Let poppassd refuse new passwords that are shorter",
           "For everybody; what PAM refuses for users of the system comes on top.", no_switch,
           within(1, 255)},
    Option{"poppassd-pam-service", "", login, &S::poppassd_pam_service, "SERVICE", start_up,
           Ready::now, "Use this PAM service to check and change passwords with poppassd",
           "It needs the types auth, account and password.", no_switch, no_range, word},
    Option{"poppassd-timeout", "", connections, &S::poppassd_timeout, "SECONDS", start_up,
           Ready::now, "Let poppassd give up a change that takes longer",
           "The process that hangs is ended; the password is then the old one or the new one.",
           no_switch, within(1, 3600)},
    Option{"proxy-networks", "", connections, &S::proxy_networks, "NETWORKS", start_up, Ready::now,
           "Expect the PROXY protocol, version 1 or 2, from these networks",
           "ADDRESS or ADDRESS/BITS, several with blanks between. From there a connection without "
           "that header is refused, and from elsewhere one with it.",
           no_switch, no_range, networks},
    Option{"replace-nul", "", protocol, &S::replace_nul, "BOOL", anywhere, Ready::now,
           "Send an octet 0x80 for each NUL in a message",
           "For clients that stop at a NUL: Outlook Express and old versions of Outlook."},
    Option{"require-shell", "", login, &S::require_shell, "BOOL", start_up, Ready::now,
           "Refuse users of the system whose shell does not stand in /etc/shells",
           "A line /POPPER/ANY/SHELL in that file, with or without a slash behind it, lets every "
           "shell pass here."},
    Option{"reverse-lookup", "reverse-lookups", logging, &S::reverse_lookup, "BOOL", start_up,
           Ready::now, "Look up the name of a client's address",
           "Names are for the log only, are believed only when they lead back to the address, and "
           "nobody waits for them.",
           turns_off('R')},
    Option{"sasl-forward-secrecy", "", tls, &S::sasl_forward_secrecy, "BOOL", start_up, Ready::now,
           "Offer only SASL mechanisms with forward secrecy"},
    Option{"sasl-log-login", "", tls, &S::sasl_log_login, "TEXT", start_up, Ready::now,
           "Log each SASL login with this text",
           "As log-login, and %4 stands for the authenticated identity, %5 for the mechanism and "
           "%6 for the strength of its encryption. Empty: log-login is used."},
    Option{"sasl-max-ssf", "", tls, &S::sasl_max_ssf, "BITS", start_up, Ready::now,
           "Accept SASL encryption of at most this strength", "", no_switch, strength},
    Option{"sasl-mechanisms", "", tls, &S::sasl_mechanisms, "NAMES", start_up, Ready::now,
           "Offer only these SASL mechanisms",
           "Names with blanks between. Empty: all but DIGEST-MD5, and GSSAPI only where "
           "kerberos-keytab "
           "is set. Offered is always only what can work: with the credential file, under TLS, as "
           "the other "
           "sasl options and clear-text-password allow.",
           no_switch, no_range, listed_words, sasl_mechanism_words},
    Option{"sasl-min-ssf", "", tls, &S::sasl_min_ssf, "BITS", start_up, Ready::now,
           "Require SASL encryption of at least this strength", "", no_switch, strength},
    Option{"sasl-no-active", "", tls, &S::sasl_no_active, "BOOL", start_up, Ready::now,
           "Offer only SASL mechanisms that withstand active attacks"},
    Option{"sasl-no-anonymous", "", tls, &S::sasl_no_anonymous, "BOOL", start_up, Ready::now,
           "Offer no SASL mechanism for anonymous login"},
    Option{"sasl-no-dictionary", "", tls, &S::sasl_no_dictionary, "BOOL", start_up, Ready::now,
           "Offer only SASL mechanisms that withstand dictionary attacks"},
    Option{"sasl-no-plaintext", "", tls, &S::sasl_no_plaintext, "BOOL", start_up, Ready::now,
           "Offer only SASL mechanisms that do not send a password in the clear"},
    Option{
        "scoreboard", "", program, &S::scoreboard, "FILE", start_up, Ready::now,
        "Note here who is on, for popcheck(8)",
        "Made if it is missing, as is its directory, which must be root's and should be in memory. "
        "Only root can read it, or who starts popper without root. Empty: nowhere.",
        no_switch, no_range, absolute_or_none},
    Option{"server-mode", "", service, &S::server_mode, "BOOL", anywhere, Ready::now,
           "Serve from the spool itself, without a temporary copy",
           "For users whose spool only delivery and this server change.", turns_on('S')},
    Option{"session-arguments", "popitargs", others, &S::session_arguments, "WORDS", start_up,
           Ready::now, "Start session-program with these arguments, its own name first",
           "Empty: its path alone."},
    Option{"session-program", "popit", others, &S::session_program, "PROGRAM", start_up, Ready::now,
           "Hand a verified login to this program instead of serving it",
           "It runs as the user, in the user's Maildir or home directory, with the client on "
           "descriptors 0 and 1. popper --preauth is such a program.",
           no_switch, no_range, absolute_or_none},
    Option{"session-takeover", "", service, &S::session_takeover, "WHEN", anywhere, Ready::now,
           "Say when a login ends another session of the same maildrop",
           "never; dead: when the connection of the other is gone; idle:SECONDS: also when its "
           "client has been silent for so long; always. The login waits for it a few seconds; a "
           "session on another host cannot be ended. popper(8) has more.",
           no_switch, no_range, takeover},
    Option{"shy", "", protocol, &S::shy, "BOOL", start_up, Ready::now,
           "Hide name and version of the server from clients"},
    Option{"spool-dir", "", place, &S::spool_dir, "DIRECTORY", start_up, Ready::now,
           "Find the spools here", "", no_switch, no_range, absolute},
    Option{"spool-options", "", program, &S::spool_options, "BOOL", start_up, Ready::now,
           "Read .USER.qpopper-options in spool-dir after a login", "", turns_on('U')},
    Option{"statistics", "", logging, &S::statistics, "BOOL", anywhere, Ready::now,
           "Log what each session deleted and left", "", turns_on('s')},
    Option{"temp-dir", "", place, &S::temp_dir, "DIRECTORY", start_up, Ready::now,
           "Keep the temporary drop files here",
           "Empty: where the spool is. A directory that is emptied when the machine restarts will "
           "not do.",
           no_switch, no_range, absolute_or_none},
    Option{"temp-name", "", place, &S::temp_name, "PATTERN", start_up, Ready::now,
           "Name a user's temporary drop file",
           "%s stands for the user's name. Names that two files of a maildrop would share are an "
           "error at the start.",
           no_switch, no_range, user_pattern},
    Option{"timeout", "", protocol, &S::timeout, "SECONDS", anywhere, Ready::now,
           "Hang up on a client that is silent for so long", "RFC 1939 asks for 600 at least.",
           takes_value('T'), within(1, 604800)},
    Option{"timing", "", logging, &S::timing, "BOOL", anywhere, Ready::now,
           "Log how long the parts of a session took"},
    Option{"tls-cipher-list", "", tls, &S::tls_cipher_list, "LIST", start_up, Ready::now,
           "Permit these cipher suites up to TLS 1.2",
           "In the grammar of ciphers(1). Empty: those with forward secrecy and authenticated "
           "encryption."},
    Option{"tls-cipher-suites", "", tls, &S::tls_cipher_suites, "SUITES", start_up, Ready::now,
           "Permit these cipher suites of TLS 1.3",
           "Names with colons between them. Empty: all that the library thinks good."},
    Option{"tls-client-ca-file", "", tls, &S::tls_client_ca_file, "FILE", start_up, Ready::now,
           "Trust client certificates that the authorities in this file have signed",
           "In PEM form; revocation lists may stand in it, too.", no_switch, no_range,
           absolute_or_none},
    Option{"tls-client-certificates", "", tls, &S::tls_client_certificates, "WHETHER", start_up,
           Ready::now, "Ask clients for certificates",
           "They must come from an authority in tls-client-ca-file.", no_switch, no_range, any,
           client_certificate_words},
    Option{
        "tls-client-user", "", tls, &S::tls_client_user, "RULE", start_up, Ready::now,
        "Take the user that a client's certificate stands for from this part of it",
        "The log names him at the handshake, and AUTH EXTERNAL, where it is offered, lets him in "
        "without a password. "
        "A certificate in which the rule finds nobody, or several, stands for nobody. Asks for "
        "tls-client-certificates.",
        no_switch, no_range, any, client_user_words},
    Option{"tls-client-user-map", "", tls, &S::tls_client_user_map, "FILE", start_up, Ready::now,
           "Look in this file for the user that a client's certificate stands for",
           "Lines of a user, blanks, and the subject as the log shows it, or sha256: with the "
           "certificate's fingerprint. Read again when it changes.",
           no_switch, no_range, absolute_or_none},
    Option{"tls-identity-file", "", tls, &S::tls_identity_file, "FILE", start_up, Ready::now,
           "Take certificate and encrypted private key from this file",
           "For configurations of Qpopper with SSL Plus: as tls-server-cert-file, which counts "
           "where both are set.",
           no_switch, no_range, absolute_or_none},
    Option{"tls-more-certificates", "", tls, &S::tls_more_certificates, "FILES", start_up,
           Ready::now,
           "Serve these certificates, too, as the client's choice of name and kind asks",
           "CERTIFICATE, or with commas CERTIFICATE,KEY or CERTIFICATE,KEY,OCSP; several with "
           "blanks between. A client that names no server, or an unknown one, gets that of "
           "tls-server-cert-file."},
    Option{"tls-ocsp-file", "", tls, &S::tls_ocsp_file, "FILE", start_up, Ready::now,
           "Staple the OCSP response in this file to tls-server-cert-file",
           "In DER form, as \"openssl ocsp -respout\" writes it. One that is out of date is not "
           "stapled.",
           no_switch, no_range, absolute_or_none},
    Option{"tls-options", "", tls, &S::tls_options, "BITS", start_up, Ready::now,
           "Set these option bits of the TLS library",
           "Several settings add up. Bits that restrict something act as in OpenSSL 3; the log "
           "says which others have no effect, and why."},
    Option{"tls-passphrase", "", tls, &S::tls_passphrase, "TEXT", start_up, Ready::now,
           "Decrypt the private key with this passphrase",
           "Of tls-server-cert-file or tls-identity-file. Others must not be able to read the "
           "configuration then."},
    Option{"tls-private-key-file", "", tls, &S::tls_private_key_file, "FILE", start_up, Ready::now,
           "Take the private key from this file", "Empty: from tls-server-cert-file.", no_switch,
           no_range, absolute_or_none},
    Option{"tls-server-cert-file", "", tls, &S::tls_server_cert_file, "FILE", start_up, Ready::now,
           "Take the server's certificate from this file",
           "In PEM form, the server's own first, then those up to the root's. When it or the key "
           "changes, new connections get the new one.",
           no_switch, no_range, absolute_or_none},
    Option{"tls-session-lifetime", "", tls, &S::tls_session_lifetime, "SECONDS", start_up,
           Ready::now, "Let clients resume a TLS session for so long",
           "0: every connection makes a full handshake.", no_switch, within(0, 57'600)},
    Option{"tls-support", "", tls, &S::tls_support, "HOW", start_up, Ready::now,
           "Speak TLS with clients", "Holds wherever a [[listen]] table does not say it.",
           takes_number('l'), no_range, any, tls_support_words},
    Option{"tls-version", "", tls, &S::tls_version, "VERSION", start_up, Ready::now,
           "Restrict the versions of TLS",
           "The old words named versions that are broken; each is taken as what is safe today.",
           no_switch, no_range, any, tls_version_words},
    Option{"tls-workarounds", "", tls, &S::tls_workarounds, "BOOL", start_up, Ready::now,
           "Work around the faults of old TLS clients", "It replaces tls-options."},
    Option{"trace-bodies", "", logging, &S::trace_bodies, "BOOL", anywhere, Ready::now,
           "Write the messages that are sent into the trace, too",
           "A line is a record; long ones are cut. With debug they go into the log as well."},
    Option{"tracefile", "", logging, &S::tracefile, "FILE", anywhere, Ready::now,
           "Write debug and log records to this file",
           "The log has its records as before; those of debug go only here unless debug is set. A "
           "file of this name must be a regular one, no link, and belong to root or, when the "
           "user's own file names it, to the user.",
           takes_value('t'), no_range, absolute_or_none},
    Option{"trash-days", "", service, &S::trash_days, "DAYS", in_spool_file, Ready::now,
           "Keep deleted messages for so many days",
           "popspool's undelete brings them back. 0: what is deleted is gone.", no_switch,
           within(0, 3650)},
    Option{"trash-size", "", service, &S::trash_size, "MEGABYTES", in_spool_file, Ready::now,
           "Keep no more deleted messages of a user than this",
           "What was deleted first is dropped first.", no_switch, within(1, 1'000'000)},
    Option{"trim-domain", "", login, &S::trim_domain, "BOOL", start_up, Ready::now,
           "Cut @DOMAIN off user names", "", turns_on('C')},
    Option{"uid-format", "", service, &S::uid_format, "FORMAT", in_spool_file, Ready::now,
           "Make unique-ids in this form where a message does not store one",
           "A change lets clients download the mail on the server once more.", no_switch, no_range,
           any, uid_format_words},
    Option{
        "update-on-abort", "", service, &S::update_on_abort, "BOOL", anywhere, Ready::now,
        "Carry out deletions also when the connection is lost",
        "RFC 1939 wants it off; clients on bad lines could then never delete their mail. A message "
        "that had not reached the client's host when it was deleted stays; whether the client read "
        "it "
        "nobody can know."},
    Option{"update-status-headers", "", service, &S::update_status_headers, "BOOL", anywhere,
           Ready::now, "Store Status and X-UIDL headers in the spool"},
    Option{"user-options", "", program, &S::user_options, "BOOL", start_up, Ready::now,
           "Read .qpopper-options in the user's home directory after a login", "", turns_on('u')},
    Option{"useropt", "", others, &S::useropt, "REGEXP", start_up, Ready::now,
           "Find an argument for session-program in the login name",
           "An extended regular expression; where it matches, -- and its first parenthesis follow "
           "the arguments.",
           no_switch, no_range, pattern},
    Option{"uw-kluge", "UW-kludge", place, &S::uw_kluge, "BOOL", anywhere, Ready::now,
           "Hide the status message that University of Washington software keeps in a spool"},
    Option{"whoson-rules", "", others, &S::whoson_rules, "RULES", start_up, Ready::now,
           "Tell the whoson server about these mailboxes only",
           "allow:REGEXP or deny:REGEXP, several with blanks between; the first that matches the "
           "name decides, whatever the case of letters. Without a match: deny.",
           no_switch, no_range, rules},
    Option{"whoson-server", "", others, &S::whoson_server, "HOST[:PORT]", start_up, Ready::now,
           "Tell this whoson server who is logged in",
           "Without a port: 9876. LOGOUT is sent when the last session of an address has ended; "
           "never when inetd starts the program for each client.",
           no_switch, no_range, host},
};

// Strictly ascending, so no name occurs twice and nothing needs sorting.
static_assert(std::ranges::adjacent_find(options, std::ranges::greater_equal{}, &Option::name) ==
              options.end());

consteval bool mnemonics_have_words() {
  return std::ranges::all_of(options, [](const Option& option) {
    const bool wants = option.type() == ValueType::mnemonic || option.form == listed_words;
    return wants == !option.words.empty();
  });
}

static_assert(mnemonics_have_words());

}  // namespace

std::string_view title_of(Section section) {
  switch (section) {
    case place:
      return "Where the mail is";
    case service:
      return "How mail is served and changed";
    case protocol:
      return "Protocol";
    case connections:
      return "Connections";
    case login:
      return "Who may log in";
    case bulletins:
      return "Bulletins";
    case logging:
      return "Logging";
    case others:
      return "Other programs";
    case tls:
      return "TLS and SASL";
    case program:
      return "The program itself";
  }
  return "";
}

std::span<const Option> all_options() {
  return options;
}

const Option* find_option(std::string_view name) {
  const std::string small = lower(name);
  const auto found = std::ranges::lower_bound(options, small, {}, &Option::name);
  if (found != options.end() && found->name == small) return &*found;
  const auto other = std::ranges::find_if(options, [name](const Option& option) {
    return std::ranges::any_of(aliases_of(option), [name](std::string_view alias) {
      return equal_ignoring_case(alias, name);
    });
  });
  return other == options.end() ? nullptr : &*other;
}

std::vector<std::string_view> aliases_of(const Option& option) {
  std::vector<std::string_view> found;
  for (std::string_view rest = option.aliases; !rest.empty();) {
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    found.push_back(rest.substr(0, blank));
    rest.remove_prefix(std::min(blank + 1, rest.size()));
  }
  return found;
}

const Option& option_named(std::string_view name) {
  if (const Option* option = find_option(name)) return *option;
  throw std::logic_error("no option " + std::string{name});
}

std::size_t index_of(const Option& option) {
  return static_cast<std::size_t>(&option - options.data());
}

std::string suggestion_for_option(std::string_view name) {
  if (name.size() > 64) return "";                  // no slip of the finger, and costly to compare
  std::vector<std::string_view> of_similar_length;  // nearest() would take no others
  for (const Option& option : options) {
    const std::size_t longer = std::max(option.name.size(), name.size());
    const std::size_t shorter = std::min(option.name.size(), name.size());
    if (longer - shorter <= name.size() / 3 + 1) of_similar_length.push_back(option.name);
  }
  const auto near = nearest(lower(name), of_similar_length);
  return near ? "; did you mean " + std::string{*near} : "";
}

}  // namespace pop
