// The gate's strangers who show a Kerberos ticket, before they are greeted (KPOP) or by AUTH
// GSSAPI. What they show is judged elsewhere: the gate knows where it begins and ends.

#include <sys/epoll.h>

#include <utility>

#include "daemon/connection_name.h"
#include "pop3/reply.h"
#include "popper/gate.h"
#include "popper/gate_events.h"

namespace pop {

bool Gate::is_proven(const Stranger& stranger) {
  return stranger.ticket && !stranger.ticket->principal.empty();
}

void Gate::ask_tickets_of(Channel acceptor) {
  if (acceptor_) lose_acceptor();
  make_non_blocking(acceptor.fd());
  epoll_event event = event_for(Source::acceptor, 0, EPOLLIN);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, acceptor.fd(), &event);
  acceptor_.emplace(std::move(acceptor));
  ask_about_tickets();
}

// --- What they say

void Gate::exchange(std::uint64_t id, Stranger& stranger) {
  while (stranger.state == State::exchanging) {
    KpopStep step = stranger.ticket->exchange.next();
    if (std::holds_alternative<KpopWait>(step)) return;
    if (const KpopSend* const send = std::get_if<KpopSend>(&step)) {
      stranger.unsent += send->octets;
    } else if (const KpopRefusal* const refusal = std::get_if<KpopRefusal>(&step)) {
      refuse(id, stranger, *refusal);
    } else if (KpopRequest* const request = std::get_if<KpopRequest>(&step)) {
      stranger.ticket->request = std::move(request->octets);
      set_state(id, stranger, State::awaiting_ticket);
      unasked_.push_back(id);
      ask_about_tickets();
    }
  }
}

void Gate::refuse(std::uint64_t id, Stranger& stranger, const KpopRefusal& refusal) {
  log_repeated("no-kerberos-client", not_kerberos_, stranger.address);
  context_.log.event(
      Severity::debug, "kerberos-refused",
      {{"id", connection_name(id)}, {"from", stranger.address}, {"why", refusal.why}});
  stranger.unsent += refusal.octets;
  leave(id, stranger);
}

// --- The acceptor

// When it has too much to do the rest waits until it has answered.
void Gate::ask_about_tickets() {
  while (acceptor_ && !unasked_.empty()) {
    const std::uint64_t id = unasked_.front();
    const auto found = strangers_.find(id);
    if (found != strangers_.end() && found->second.state == State::awaiting_ticket) {
      Stranger& stranger = found->second;
      const Result<void> sent = acceptor_->send(encode(question_of(id, stranger)));
      if (!sent && sent.error().code == Errc::busy) return;
      if (!sent) return lose_acceptor();
      if (stranger.ticket) stranger.ticket->request = {};
      stranger.attempt.reset();
      asked_.insert(id);
    }
    unasked_.pop_front();
  }
}

TicketQuestion Gate::question_of(std::uint64_t id, Stranger& stranger) const {
  using Kind = TicketQuestion::Kind;
  if (!stranger.attempt) return {id, Kind::ap_req, stranger.ticket->request, stranger.address};
  if (const auto* const begin = std::get_if<SaslBegin>(stranger.attempt.get())) {
    return {id, Kind::gss_begin, std::string{begin->response.octets()}, stranger.address};
  }
  const auto& response = std::get<SaslResponse>(*stranger.attempt);
  return {id, Kind::gss_continue, std::string{response.response.octets()}, stranger.address};
}

void Gate::take_ticket_answers() {
  while (acceptor_) {
    Result<std::optional<Channel::Received>> received = acceptor_->receive();
    if (!received && received.error().code == Errc::busy) break;
    if (!received || !*received) return lose_acceptor();
    Result<TicketAnswer> answer = decode_ticket_answer((*received)->record);
    if (answer && take_readiness(*answer)) continue;
    if (!answer || asked_.erase(answer->connection) == 0) return lose_acceptor();
    const std::uint64_t id = answer->connection;
    const auto found = strangers_.find(id);
    if (found == strangers_.end() || found->second.state != State::awaiting_ticket) continue;
    if (found->second.ticket) {
      take_answer(id, found->second, std::move(*answer));
    } else {
      take_gss_answer(id, found->second, std::move(*answer));
    }
    settle(id);
  }
  ask_about_tickets();
}

void Gate::take_answer(std::uint64_t id, Stranger& stranger, TicketAnswer answer) {
  if (answer.outcome != TicketAnswer::Outcome::accepted || answer.text.empty()) {
    return reject_ticket(id, stranger, answer);
  }
  context_.log.event(
      Severity::info, "kerberos",
      {{"id", connection_name(id)}, {"from", stranger.address}, {"principal", answer.text}});
  stranger.unsent += kpop_message("");  // no error
  if (!answer.reply.empty()) stranger.unsent += kpop_message(answer.reply);
  stranger.ticket->voucher = std::move(answer.voucher);
  stranger.ticket->principal = std::move(answer.text);
  greet(id, stranger, "");
}

void Gate::reject_ticket(std::uint64_t id, Stranger& stranger, const TicketAnswer& answer) {
  failures_.note_failure(stranger.key, {}, context_.clock.steady());
  context_.log.event(Severity::info, "login-failed",
                     {{"id", connection_name(id)},
                      {"user", ""},
                      {"from", stranger.address},
                      {"by", "kerberos"},
                      {"guess", "new"},
                      {"why", answer.text}});
  if (!answer.reply.empty()) stranger.unsent += kpop_message(answer.reply);  // else: no error
  stranger.unsent += reply::kerberos_failed();
  leave(id, stranger);
}

// Whether it has noted a ticket as used nobody knows, so who was asked about must come again.
void Gate::lose_acceptor() {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, acceptor_->fd(), nullptr);
  acceptor_.reset();
  gss_is_ready_ = false;
  if (!retiring_ || !strangers_.empty()) {
    context_.log.event(Severity::warning, "kerberos-acceptor-lost", {});
  }
  for (const std::uint64_t id : std::exchange(asked_, {})) {
    const auto found = strangers_.find(id);
    if (found == strangers_.end() || found->second.state != State::awaiting_ticket) continue;
    say(found->second, reply::login_unavailable());
    leave(id, found->second);
    settle(id);
  }
}

// --- AUTH GSSAPI (RFC 4752)

bool Gate::take_readiness(const TicketAnswer& answer) {
  const bool has_gss = answer.outcome == TicketAnswer::Outcome::gss_ready;
  if (!has_gss && answer.outcome != TicketAnswer::Outcome::ready) return false;
  gss_is_ready_ = has_gss;
  context_.log.event(Severity::info, "kerberos-acceptor-ready",
                     {{"gssapi", has_gss ? "true" : "false"}});
  return true;
}

bool Gate::is_for_acceptor(const Stranger& stranger) {
  const bool is_exchange = std::holds_alternative<SaslBegin>(*stranger.attempt) ||
                           std::holds_alternative<SaslResponse>(*stranger.attempt);
  return is_exchange && stranger.conversation->is_with_acceptor;
}

void Gate::queue_for_acceptor(std::uint64_t id, Stranger& stranger) {
  set_state(id, stranger, State::awaiting_ticket);
  unwatch(stranger);
  deadlines_.add(id, *deadline_of(stranger));
  unasked_.push_back(id);
  ask_about_tickets();
}

void Gate::take_gss_answer(std::uint64_t id, Stranger& stranger, TicketAnswer answer) {
  switch (answer.outcome) {
    case TicketAnswer::Outcome::challenge:
      set_state(id, stranger, State::talking);
      deadlines_.add(id, *deadline_of(stranger));
      return perform(id, stranger, stranger.conversation->dialogue->on_challenge(answer.reply));
    case TicketAnswer::Outcome::accepted:
      context_.log.event(
          Severity::info, "kerberos",
          {{"id", connection_name(id)}, {"from", stranger.address}, {"principal", answer.text}});
      return check_voucher(id, stranger, std::move(answer));
    case TicketAnswer::Outcome::refused:
      return check_voucher(id, stranger, std::move(answer));
    default:
      return end_check(id, {LoginVerdict::Outcome::unavailable, reply::login_unavailable()});
  }
}

// A keeper has the last word, and counts and logs a ticket that was no good as it does all
// failures.
void Gate::check_voucher(std::uint64_t id, Stranger& stranger, TicketAnswer answer) {
  KerberosAttempt attempt;
  attempt.connection = id;
  attempt.user = std::move(answer.user);
  attempt.voucher = std::move(answer.voucher);
  attempt.address = stranger.address;
  attempt.by_auth = true;
  if (attempt.voucher.empty()) attempt.why = std::move(answer.text);
  stranger.attempt = std::make_unique<GateMessage>(std::move(attempt));
  queue(id, stranger);
}

}  // namespace pop
