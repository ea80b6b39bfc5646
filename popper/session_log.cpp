#include "popper/session_log.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "pop3/command.h"

namespace pop {
namespace {

constexpr std::string_view version = "(v" POPPER_VERSION ")";

std::int64_t whole_seconds(std::chrono::milliseconds time) {
  return std::chrono::round<std::chrono::seconds>(time).count();
}

std::string name_or_address(const SessionClient& client) {
  return name_in_sentence(client.name.empty() ? client.address : client.name);
}

}  // namespace

std::string login_sentence(std::string_view format, const SessionClient& client) {
  const std::string user = name_in_sentence(client.user), name = name_or_address(client);
  const std::string identity = name_in_sentence(client.identity);
  const std::string bits = std::to_string(client.layer_bits);
  const bool by_sasl = !client.mechanism.empty();
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const std::string_view pair = format.substr(i, 2);
    std::string_view value = format.substr(i, 1);
    if (pair == "%0") value = POPPER_VERSION;
    if (pair == "%1") value = user;
    if (pair == "%2") value = name;
    if (pair == "%3") value = client.address;
    if (by_sasl && pair == "%4") value = identity;
    if (by_sasl && pair == "%5") value = client.mechanism;
    if (by_sasl && pair == "%6") value = bits;
    if (value.data() != format.data() + i) ++i;  // a digit was used up
    text += value;
  }
  return text;
}

SessionLog::SessionLog(Log& log, const Settings& settings, SessionClient client)
    : log_{log}, settings_{settings}, client_{std::move(client)} {}

std::string SessionLog::shown_name() const {
  return name_or_address(client_);
}

void SessionLog::sentence(Severity severity, const std::string& text, SentenceEnd end) const {
  log_.sentence(severity, text, {{"id", client_.connection}}, end);
}

void SessionLog::login() const {
  const bool has_own = !client_.mechanism.empty() && !settings_.sasl_log_login.empty();
  const std::string& format = has_own ? settings_.sasl_log_login : settings_.log_login;
  if (format.empty()) return;
  sentence(Severity::notice, login_sentence(format, client_), SentenceEnd::fixed);
}

void SessionLog::command(std::string_view line) const {
  if (!log_.wants(Severity::debug)) return;
  log_.event(Severity::debug, "command",
             {{"id", client_.connection}, {"verb", std::string{name_for_log(line)}}});
}

bool SessionLog::traces_bodies() const {
  return settings_.trace_bodies && log_.wants(Severity::debug);
}

void SessionLog::body(std::string_view piece) {
  if (!traces_bodies()) return;
  for (std::size_t end = piece.find('\n'); end != piece.npos; end = piece.find('\n')) {
    body_line_ += piece.substr(0, end);
    piece.remove_prefix(end + 1);
    if (body_line_.ends_with('\r')) body_line_.pop_back();
    body_line(body_line_);
    body_line_.clear();
  }
  // The log cuts it anyway, and a line has no end that must come.
  constexpr std::size_t longest = 4096;
  if (body_line_.size() < longest) body_line_ += piece.substr(0, longest);
}

void SessionLog::body_end() {
  if (!body_line_.empty()) body_line(body_line_);
  body_line_ = {};
}

void SessionLog::body_line(std::string_view line) const {
  log_.event(Severity::debug, "body", {{"id", client_.connection}, {"line", std::string{line}}});
}

void SessionLog::error_reply(std::string_view reply) const {
  sentence(Severity::notice, fmt::format("{} at {} ({}): {}", shown_user(), shown_name(),
                                         client_.address, reply.substr(0, reply.find('\r'))));
}

void SessionLog::failure(std::string_view doing, const Error& error) const {
  log_.failure(fmt::format("{} {}", doing, client_.user), error, {{"id", client_.connection}});
}

void SessionLog::bulletins(const std::vector<std::string>& files) const {
  std::string names;
  for (const std::string& file : files) names += (names.empty() ? "" : ", ") + escaped(file);
  sentence(Severity::info, fmt::format("bulletins for {}: {}", shown_user(), names));
}

void SessionLog::expired(std::size_t messages, std::int64_t days) const {
  log_.event(Severity::info, "mail-expired",
             {{"id", client_.connection},
              {"user", client_.user},
              {"messages", std::to_string(messages)},
              {"days", std::to_string(days)}});
}

void SessionLog::timed_out(std::chrono::seconds silence) const {
  sentence(Severity::notice,
           fmt::format("{} Timeout ({} secs) during nw read from {} at {} ({})", version,
                       silence.count(), shown_user(), shown_name(), client_.address));
}

void SessionLog::output_failed(const Error& error) const {
  sentence(Severity::notice, fmt::format("I/O error flushing output to client {} at {} [{}]: {}",
                                         shown_user(), shown_name(), client_.address, error.text));
}

void SessionLog::claimed(const Claim& claim) const {
  log_.event(Severity::notice, "session-takeover",
             {{"id", client_.connection},
              {"user", client_.user},
              {"from", client_.address},
              {"outcome", std::string{claim.outcome}},
              {"holder", std::to_string(claim.holder)},
              {"waited-ms", std::to_string(claim.waited.count())}});
}

void SessionLog::taken_over(std::string_view why, pid_t asked_by) const {
  log_.event(Severity::notice, "session-taken-over",
             {{"id", client_.connection},
              {"user", client_.user},
              {"from", client_.address},
              {"why", std::string{why}},
              {"by", std::to_string(asked_by)}});
}

void SessionLog::mail_sent(std::uint64_t octets) const {
  log_.event(Severity::info, "mail-sent",
             {{"id", client_.connection},
              {"user", client_.user},
              {"from", client_.address},
              {"octets", std::to_string(octets)}});
}

void SessionLog::statistics(const SessionTally& tally) const {
  if (!settings_.statistics) return;
  sentence(
      Severity::notice,
      fmt::format("Stats: {} {} {} {} {} {} {}", shown_user(), tally.deleted, tally.deleted_octets,
                  tally.left, tally.left_octets, shown_name(), client_.address),
      SentenceEnd::fixed);
}

void SessionLog::end(const End& end) const {
  log_.event(Severity::info, "session-end",
             {{"id", client_.connection},
              {"user", client_.user},
              {"from", client_.address},
              {"how", std::string{end.how}},
              {"messages", std::to_string(end.messages)},
              {"deleted", std::to_string(end.deleted)},
              {"octets-sent", std::to_string(end.octets_sent)},
              {"retrieved", std::to_string(end.retrieved)},
              {"again", std::to_string(end.again)}});
  if (!settings_.timing) return;
  sentence(Severity::info,
           fmt::format("{} Timing for {}@{} ({}) auth={} init={} clean={}", version, shown_user(),
                       shown_name(), end.how == "quit" ? "normal" : "error",
                       whole_seconds(end.times.authentication), whole_seconds(end.times.opening),
                       whole_seconds(end.times.update)));
}

}  // namespace pop
