// The gate's strangers who must show a Kerberos ticket before they are greeted (KPOP). What they
// show is judged elsewhere: the gate knows where it begins and ends.

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
      std::string& request = found->second.ticket->request;
      const Result<void> sent = acceptor_->send(encode(TicketQuestion{id, request}));
      if (!sent && sent.error().code == Errc::busy) return;
      if (!sent) return lose_acceptor();
      request = {};
      asked_.insert(id);
    }
    unasked_.pop_front();
  }
}

void Gate::take_ticket_answers() {
  while (acceptor_) {
    Result<std::optional<Channel::Received>> received = acceptor_->receive();
    if (!received && received.error().code == Errc::busy) break;
    if (!received || !*received) return lose_acceptor();
    Result<TicketAnswer> answer = decode_ticket_answer((*received)->record);
    if (!answer || asked_.erase(answer->connection) == 0) return lose_acceptor();
    const std::uint64_t id = answer->connection;
    const auto found = strangers_.find(id);
    if (found == strangers_.end() || found->second.state != State::awaiting_ticket) continue;
    take_answer(id, found->second, std::move(*answer));
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
  if (!retiring_ || !strangers_.empty()) {
    context_.log.event(Severity::warning, "kerberos-acceptor-lost", {});
  }
  for (const std::uint64_t id : std::exchange(asked_, {})) {
    const auto found = strangers_.find(id);
    if (found == strangers_.end() || found->second.state != State::awaiting_ticket) continue;
    found->second.unsent += reply::login_unavailable();
    leave(id, found->second);
    settle(id);
  }
}

}  // namespace pop
