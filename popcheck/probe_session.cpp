#include "popcheck/probe_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "auth/apop.h"
#include "auth/sasl_client.h"
#include "base/base64.h"
#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t longest_reply = 512;  // RFC 2449 section 4, CRLF included
constexpr std::size_t longest_command = 255;
constexpr int most_challenges = 20;
constexpr std::size_t most_lines = std::size_t{4} << 20;  // empty ones take memory, too

std::string_view word_of(std::string_view command) {
  return command.substr(0, command.find_first_of(" \r"));
}

/// Some servers say back what they did not understand. Of an answer to a password or a proof of one
/// this leaves the verdict and a response code of RFC 2449, 3206 or 6856.
std::string without_text(std::string_view line) {
  if (line.starts_with("+OK")) return "+OK";
  if (!line.starts_with("-ERR")) return "+ ...";
  const std::optional<std::string> code = response_code_of(line);
  constexpr std::array<std::string_view, 6> known{"AUTH",     "IN-USE",   "LOGIN-DELAY",
                                                  "SYS/PERM", "SYS/TEMP", "UTF8"};
  if (!code || std::ranges::find(known, *code) == known.end()) return "-ERR ...";
  return "-ERR [" + *code + "] ...";
}

}  // namespace

std::string said(std::string_view command, const Reply& reply) {
  return std::string{command} + ": \"" + escaped(reply.line, 120) + "\"";
}

std::vector<std::string> ReplyLines::plain() const {
  std::vector<std::string> without = lines;
  for (std::string& line : without) {
    if (line.starts_with("..")) line.erase(0, 1);
  }
  return without;
}

std::string LoginWay::name() const {
  if (by == By::user) return "USER";
  return by == By::apop ? "APOP" : std::string{mechanism->name};
}

// --- Lines

void ProbeSession::check_length(std::string_view command, std::string_view line) {
  if (line.size() + 2 <= longest_reply) return;
  report_->judge("reply-length", std::string{word_of(command)} + ": a line of " +
                                     std::to_string(line.size() + 2) + " octets");
}

Result<std::string> ProbeSession::next_line(std::string_view command) {
  Result<Pop3Wire::Line> line = wire_.read_line();
  if (!line) return std::unexpected(std::move(line).error().in(word_of(command)));
  if (!line->crlf) {
    report_->judge("line-ends", std::string{word_of(command)} + ": a line ends with LF alone");
  }
  return std::move(line->text);
}

Result<Reply> ProbeSession::answer(std::string_view command) {
  Result<std::string> line = next_line(command);
  if (!line) return std::unexpected(std::move(line).error());
  check_length(command, *line);
  Fault fault = response_code_fault(*line, capabilities_);
  if (fault && has_sent_secret_) {
    fault = std::string{word_of(command)} + ": no response code where one should be";
  }
  report_->judge("response-codes", std::move(fault));
  const bool ok = line->starts_with("+OK"), err = line->starts_with("-ERR");
  if (ok || err || line->starts_with("+ ") || *line == "+") return Reply{ok, std::move(*line)};
  const std::string quoted = has_sent_secret_ ? "this" : "\"" + escaped(*line, 80) + "\"";
  return fail(Errc::corrupt,
              std::string{word_of(command)} + ": " + quoted + " is no answer of POP3");
}

Result<Reply> ProbeSession::ask(const std::string& command) {
  if (Result<void> sent = wire_.write(command + "\r\n"); !sent) {
    return std::unexpected(std::move(sent).error().in(word_of(command)));
  }
  return answer(command);
}

Result<ReplyLines> ProbeSession::answer_lines(std::string_view command, std::uint64_t most_octets) {
  Result<Reply> reply = answer(command);
  if (!reply) return std::unexpected(std::move(reply).error());
  ReplyLines all{.reply = std::move(*reply)};
  if (!all.reply.ok) return all;
  for (;;) {
    Result<std::string> line = next_line(command);
    if (!line) return std::unexpected(std::move(line).error());
    if (*line == ".") return all;
    if (all.lines.size() == most_lines) {
      return fail(Errc::limit, std::string{word_of(command)} + ": more than " +
                                   std::to_string(most_lines) + " lines");
    }
    all.octets += line->size() + 2 - (line->starts_with("..") ? 1 : 0);
    if (all.octets > most_octets) {
      return fail(Errc::limit, std::string{word_of(command)} + ": more than " +
                                   std::to_string(most_octets) + " octets");
    }
    all.lines.push_back(std::move(*line));
  }
}

Result<ReplyLines> ProbeSession::ask_lines(const std::string& command, std::uint64_t most_octets) {
  if (Result<void> sent = wire_.write(command + "\r\n"); !sent) {
    return std::unexpected(std::move(sent).error().in(word_of(command)));
  }
  return answer_lines(command, most_octets);
}

// --- Opening and end

Result<Reply> ProbeSession::greeting() {
  Result<Reply> reply = answer("greeting");
  if (!reply) return reply;
  banner_stamp_ = banner_stamp_of(reply->line).value_or("");
  return reply;
}

Result<Capabilities> ProbeSession::ask_capabilities(CheckId check) {
  look_at(check);
  Result<ReplyLines> listed = ask_lines("CAPA", small_listing);
  if (!listed) return std::unexpected(std::move(listed).error());
  for (const std::string& line : listed->lines) check_length("CAPA", line);
  capabilities_ = capabilities_of(listed->lines);
  if (listed->reply.ok) report_->judge(check, capabilities_fault(listed->lines));
  return capabilities_;
}

Result<void> ProbeSession::begin_tls(const TlsClient::Wishes& wishes) {
  if (wire_.unread() > 0) {
    report_->judge("stls-injection", "the server went on in clear after it was asked for TLS");
  }
  return wire_.begin_tls(wishes);
}

Result<Reply> ProbeSession::quit() {
  Result<Reply> bye = ask("QUIT");
  if (!bye) return bye;
  const Pop3Wire::End end = wire_.wait_for_end();
  if (!bye->ok) report_->judge("quit", said("QUIT", *bye));
  if (end == Pop3Wire::End::stays) report_->judge("quit", "the server keeps the connection");
  if (end == Pop3Wire::End::says_more) report_->judge("quit", "the server says more after QUIT");
  if (bye->ok && end == Pop3Wire::End::hung_up) report_->good("quit");
  conclude();
  return bye;
}

void ProbeSession::conclude() {
  report_->good("line-ends");
  report_->good("reply-length");
  report_->good("response-codes");
}

// --- Login

Result<Reply> ProbeSession::log_in(const LoginWay& way, const Account& account) {
  Result<Reply> reply = exchange(way, account);
  if (reply && has_sent_secret_) reply->line = without_text(reply->line);
  has_sent_secret_ = false;
  return reply;
}

Result<Reply> ProbeSession::exchange(const LoginWay& way, const Account& account) {
  if (way.by == LoginWay::By::sasl) return log_in_by_sasl(*way.mechanism, account);
  if (way.by == LoginWay::By::apop) {
    const auto digest = challenge_digest(banner_stamp_, account.password.octets());
    if (!digest) return fail(Errc::io, "MD5 is forbidden on this machine");
    has_sent_secret_ = true;
    return ask("APOP " + account.user + " " + *digest);
  }
  Result<Reply> known = ask("USER " + account.user);
  if (!known || !known->ok) return known;
  has_sent_secret_ = true;
  std::string line = "PASS " + std::string{account.password.octets()} + "\r\n";
  Result<void> sent = wire_.write(line);
  wipe(line);
  if (!sent) return std::unexpected(std::move(sent).error().in("PASS"));
  return answer("PASS");
}

Result<Reply> ProbeSession::log_in_by_sasl(const SaslMechanism& mechanism, const Account& account) {
  SaslLogin login{.mechanism = &mechanism,
                  .user = account.user,
                  .password = account.password.clone(),
                  .host = account.host};
  if (mechanism.binds_channel && wire_.tls() != nullptr) {
    Result<TlsClient::Binding> binding = wire_.tls()->channel_binding();
    if (!binding) return std::unexpected(std::move(binding).error());
    login.binding = {std::move(binding->kind), std::move(binding->data)};
  }
  const auto client = make_sasl_client(std::move(login));
  if (!client) return std::unexpected(client.error());
  Result<std::optional<Secret>> first = (*client)->begin();
  if (!first) return std::unexpected(std::move(first).error());
  // An initial response only where it fits on the line (RFC 5034 section 4).
  std::string line = "AUTH " + std::string{mechanism.name};
  if (*first) {
    std::string encoded = (*first)->empty() ? "=" : to_base64((*first)->octets());
    if (line.size() + encoded.size() + 3 <= longest_command) {
      line += " " + encoded;
      *first = std::nullopt;
    }
    wipe(encoded);
  }
  has_sent_secret_ = true;
  Result<void> sent = wire_.write(line + "\r\n");
  wipe(line);
  if (!sent) return std::unexpected(std::move(sent).error().in("AUTH"));
  for (int round = 0; round < most_challenges; ++round) {
    Result<Reply> reply = answer("AUTH");
    if (!reply || reply->ok || reply->line.starts_with("-ERR")) {
      const bool unproved = reply && reply->ok && !(*client)->is_done();
      if (!unproved) return reply;
      return fail(Errc::denied,
                  std::string{mechanism.name} + ": let in before the server had proved who it is");
    }
    const std::optional<std::string> challenge =
        from_base64(trimmed(std::string_view{reply->line}.substr(1)));
    Result<Secret> response = fail(Errc::denied, "a challenge that is not in base64");
    if (challenge) {
      response = *first ? Result<Secret>{std::move(**first)} : (*client)->answer(*challenge);
      *first = std::nullopt;
    }
    std::string encoded = response ? to_base64(response->octets()) : "*";
    sent = wire_.write(encoded + "\r\n");
    wipe(encoded);
    if (!sent) return std::unexpected(std::move(sent).error().in("AUTH"));
    if (!response) {
      (void)answer("AUTH");
      return fail(Errc::denied, std::string{mechanism.name} + ": " + response.error().text);
    }
  }
  return fail(Errc::denied, std::string{mechanism.name} + ": there is no end of challenges");
}

}  // namespace pop
