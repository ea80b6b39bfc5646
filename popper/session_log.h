#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "conf/settings.h"
#include "log/log.h"

namespace pop {

/// What a session's log lines say about its client.
struct SessionClient {
  std::string user;         // as in spool file names
  std::string address;      // numeric
  std::string name;         // as the DNS says; empty: unknown, and lines show the address
  std::string connection;   // ties the lines
  std::string identity{};   // as the client gave it
  std::string mechanism{};  // of SASL; empty: none
  std::uint32_t layer_bits = 0;
};

/// What a session deletes and leaves, in octets as clients count them.
struct SessionTally {
  std::size_t deleted = 0;
  std::uint64_t deleted_octets = 0;
  std::size_t left = 0;
  std::uint64_t left_octets = 0;
};

/// How long the parts of a session took.
struct SessionTimes {
  std::chrono::milliseconds authentication{0}, opening{0}, update{0};
};

/// The log lines of one session. Those that have a shape older than we are keep it, for log
/// analysers know them by it: popper(8), section LOGGING, lists them all. log, and settings as far
/// as they are about logging, must outlive this.
class SessionLog {
 public:
  SessionLog(Log& log, const Settings& settings, SessionClient client);

  /// log-login, or sasl-log-login.
  void login() const;
  void command(std::string_view line) const;
  /// trace-bodies: the next piece of a message as it is sent, and that it was the last. A line is a
  /// record.
  void body(std::string_view piece);
  void body_end();
  /// An error that the client was told: the reply with or without its line end.
  void error_reply(std::string_view reply) const;
  /// "<doing> <user>: ...".
  void failure(std::string_view doing, const Error& error) const;
  /// Something amiss that the client need not know of.
  void warning(const std::string& what) const { sentence(Severity::warning, what); }
  /// That these files' bulletins are in the maildrop from now on.
  void bulletins(const std::vector<std::string>& files) const;
  /// That so many messages have gone by announce-expire.
  void expired(std::size_t messages, std::int64_t days) const;
  void timed_out(std::chrono::seconds silence) const;
  void output_failed(const Error& error) const;
  /// What became of a maildrop that another session held, which was asked to end.
  struct Claim {
    std::string_view outcome;
    pid_t holder = 0;
    std::chrono::milliseconds waited{0};
  };
  void claimed(const Claim& claim) const;
  /// The session ends for another login's sake, or because nobody is there; asked_by 0: nobody
  /// asked.
  void taken_over(std::string_view why, pid_t asked_by) const;
  /// mail-command has taken a message of so many octets.
  void mail_sent(std::uint64_t octets) const;
  /// statistics: to be called before the update, also after an abort.
  void statistics(const SessionTally& tally) const;
  /// The last lines: `how` is a word of ours, "quit" for the one good end.
  struct End {
    std::string_view how;
    std::size_t messages = 0, deleted = 0;
    std::uint64_t octets_sent = 0;
    SessionTimes times;
    std::size_t retrieved = 0, again = 0;  // again: what an earlier session had retrieved, too
  };
  void end(const End& end) const;

 private:
  [[nodiscard]] bool traces_bodies() const;
  void body_line(std::string_view line) const;
  void sentence(Severity severity, const std::string& text,
                SentenceEnd end = SentenceEnd::open) const;
  [[nodiscard]] std::string shown_user() const { return name_in_sentence(client_.user); }
  [[nodiscard]] std::string shown_name() const;

  Log& log_;
  const Settings& settings_;
  SessionClient client_;
  std::string body_line_;  // that has not ended yet
};

/// The text of log-login with %0 the version, %1 the user, %2 the client's name and %3 its address,
/// and where a mechanism of SASL led in, %4 the identity, %5 the mechanism and %6 the bits of its
/// encryption; any other % stays.
[[nodiscard]] std::string login_sentence(std::string_view format, const SessionClient& client);

}  // namespace pop
