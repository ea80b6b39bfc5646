#include "poppassd/front.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "auth/login_policy.h"
#include "base/secret.h"

namespace pop {
namespace {

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

Front::Front(const Context& context, Client client, Fd socket, Channel changer)
    : context_{context},
      client_{std::move(client)},
      socket_{std::move(socket)},
      changer_{std::move(changer)},
      dialogue_{dialogue()},
      state_{client_.tls == ListenTls::implicit ? State::handshaking : State::talking},
      begun_{context_.clock.steady()},
      heard_{begun_} {}

PasswordDialogue Front::dialogue() const {
  PasswordDialogue::Facts facts;
  facts.host = context_.host;
  if (client_.tls == ListenTls::implicit) facts.tls = PasswordDialogue::Tls::in_progress;
  if (client_.tls == ListenTls::stls && context_.tls) facts.tls = PasswordDialogue::Tls::offered;
  facts.clear_text_allowed = context_.settings.poppassd_clear_text || is_loopback(client_.address);
  return PasswordDialogue{std::move(facts)};
}

void Front::run() {
  while (state_ != State::gone) {
    advance();
    if (state_ != State::gone) wait();
  }
}

// All that can be done without waiting.
void Front::advance() {
  if (state_ == State::handshaking) shake_hands();
  if (state_ == State::talking && !std::exchange(is_greeted_, true)) {
    unsent_ += dialogue_.greeting();
  }
  flush();
  while (state_ == State::talking && has_said_all()) {
    const std::size_t taken = lines_taken_;
    answer_lines();
    flush();
    if (lines_taken_ == taken) break;
  }
  if (state_ != State::leaving || !has_said_all() || std::exchange(said_goodbye_, true)) return;
  if (stream_) (void)stream_->end();
  ::shutdown(socket_.get(), SHUT_WR);
}

void Front::wait() {
  if (std::exchange(again_, false)) return read();
  const bool writes = !has_said_all();
  const bool reads = state_ == State::handshaking || state_ == State::leaving ||
                     (state_ == State::talking && !writes);
  const auto wanted = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
  std::array<pollfd, 2> waiting{pollfd{wanted != 0 ? socket_.get() : -1, wanted, 0},
                                pollfd{changer_ ? changer_->fd() : -1, POLLIN, 0}};
  int patience = -1;  // the master ends a changer that takes too long
  if (state_ != State::asking) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline() - context_.clock.steady());
    if (left.count() <= 0) return on_deadline();
    patience = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
  }
  if (::poll(waiting.data(), waiting.size(), patience) <= 0) return;
  if (waiting[1].revents != 0) return state_ == State::asking ? take_verdict() : make_room();
  if (waiting[0].revents != 0 && reads) read();
}

Front::Time Front::deadline() const {
  if (state_ == State::leaving) return left_ + limits_.farewell;
  return std::min(begun_ + context_.settings.login_timeout, heard_ + context_.settings.timeout);
}

void Front::on_deadline() {
  if (state_ == State::leaving) {
    state_ = State::gone;
    return;
  }
  context_.log.event(Severity::info, "login-timeout",
                     {{"id", client_.connection}, {"from", client_.address}});
  if (state_ == State::handshaking) {
    state_ = State::gone;
    return;
  }
  unsent_ += PasswordDialogue::timed_out();
  leave();
}

// --- TLS

void Front::shake_hands() {
  if (!stream_) {
    flush();
    if (!context_.tls) state_ = State::gone;
    if (!unsent_.empty() || state_ == State::gone) return;  // the last that is said in clear
    stream_ = std::make_unique<TlsStream>(TlsStream::accept(context_.tls, socket_.get()));
  }
  switch (stream_->handshake()) {
    case TlsStep::want_read:
    case TlsStep::want_write:
      return;
    case TlsStep::again:
      again_ = true;
      return;
    case TlsStep::closed:
      log_failed_handshake();
      state_ = State::gone;
      return;
    case TlsStep::failed:
      log_failed_handshake();
      leave();
      return;
    case TlsStep::done:
      break;
  }
  log_handshake();
  heard_ = context_.clock.steady();
  again_ = true;  // what follows may have come along
  state_ = State::talking;
  dialogue_.on_tls();
}

void Front::log_handshake() const {
  const TlsFacts facts = stream_->facts();
  context_.log.sentence(
      Severity::notice,
      fmt::format("(v" POPPER_VERSION
                  ") {} handshake with client at {} ({}); new session-id; cipher: {} ({}), {} bits",
                  facts.protocol, client_.address, client_.address, facts.cipher, facts.description,
                  facts.bits),
      {{"id", client_.connection}});
}

void Front::log_failed_handshake() const {
  context_.log.sentence(Severity::notice, "TLS/SSL Handshake failed: " + stream_->failure(),
                        {{"id", client_.connection}});
  context_.log.event(
      Severity::info, "tls-failed",
      {{"id", client_.connection}, {"from", client_.address}, {"why", stream_->failure()}});
}

// --- Lines

void Front::answer_lines() {
  while (state_ == State::talking && unsent_.size() < limits_.unsent) {
    const std::optional<LineReader::Line> line = lines_.next();
    if (octets_read_ > limits_.octets || (line && ++lines_taken_ > limits_.lines)) {
      unsent_ += PasswordDialogue::too_much();
      return leave();
    }
    if (!line) return;
    perform(line->too_long ? dialogue_.on_too_long_line() : dialogue_.on_line(line->text));
  }
}

void Front::perform(DialogueActions actions) {
  for (DialogueAction& action : actions) {
    if (const Reply* const reply = std::get_if<Reply>(&action)) {
      unsent_ += reply->text;
    } else if (const ChangeRequest* const request = std::get_if<ChangeRequest>(&action)) {
      lines_.wipe();
      ask(*request);
    } else if (std::holds_alternative<StartTls>(action)) {
      lines_.clear();  // nothing that was read before counts
      state_ = State::handshaking;
    } else {
      leave();
    }
  }
}

void Front::ask(const ChangeRequest& request) {
  std::string record = encode(request);
  const bool sent = changer_ && changer_->send(record).has_value();
  wipe(record);
  state_ = State::asking;
  if (!sent) take_verdict();
}

// A changer that is gone, or that does not say what it should, could not do it.
void Front::take_verdict() {
  ChangeVerdict verdict;
  const Result<std::optional<Channel::Received>> received =
      changer_ ? changer_->receive() : std::optional<Channel::Received>{};
  if (received && *received) {
    if (Result<ChangeVerdict> told = decode_change_verdict((*received)->record)) verdict = *told;
  }
  changer_.reset();
  state_ = State::talking;
  begun_ = heard_ = context_.clock.steady();  // from here on there is only quit to say
  perform(dialogue_.on_verdict(verdict));
}

// The master has ended the changer, which says nothing before it is asked.
void Front::make_room() {
  changer_.reset();
  if (state_ == State::handshaking) {
    state_ = State::gone;
    return;
  }
  unsent_ += PasswordDialogue::busy();
  leave();
}

// A connection with unread input is reset when it is closed, and the reset may overtake our last
// line. So we say that we are done and read on for a moment.
void Front::leave() {
  state_ = State::leaving;
  lines_.clear();
  changer_.reset();
  left_ = context_.clock.steady();
}

// --- Octets

bool Front::has_said_all() const {
  return unsent_.empty() && !(stream_ && stream_->has_unsent());
}

void Front::flush() {
  if (stream_ && state_ != State::handshaking) {
    if (!unsent_.empty()) {
      const TlsTransfer sent = stream_->write(unsent_);
      if (sent.step == TlsStep::closed || sent.step == TlsStep::failed) state_ = State::gone;
      unsent_.erase(0, sent.octets);
    }
    if (stream_->flush() == TlsStep::closed) state_ = State::gone;
    return;
  }
  while (!stream_ && !unsent_.empty()) {
    const ssize_t sent = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (!would_block(errno)) state_ = State::gone;
      return;
    }
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
}

void Front::read() {
  if (state_ != State::talking && state_ != State::leaving) return;  // advance() shakes hands
  std::array<char, 2048> input;
  std::size_t got = 0;
  if (stream_) {
    const TlsTransfer transfer = stream_->read(input);
    if (transfer.step == TlsStep::closed || transfer.step == TlsStep::failed) {
      state_ = State::gone;
    }
    again_ = transfer.step == TlsStep::done || transfer.step == TlsStep::again;
    if (transfer.step != TlsStep::done) return;
    got = transfer.octets;
  } else {
    const ssize_t received = ::recv(socket_.get(), input.data(), input.size(), 0);
    if (received < 0 && would_block(errno)) return;
    if (received <= 0) {
      state_ = State::gone;
      return;
    }
    got = static_cast<std::size_t>(received);
  }
  take_input({input.data(), got});
  wipe(input);
}

// Who says too much is told so by answer_lines(); until then nothing more of it is kept.
void Front::take_input(std::string_view octets) {
  if (state_ == State::leaving) {
    octets_discarded_ += octets.size();
    if (octets_discarded_ > limits_.discarded) state_ = State::gone;
    return;
  }
  heard_ = context_.clock.steady();
  octets_read_ += octets.size();
  if (octets_read_ <= limits_.octets) lines_.feed(octets);
}

}  // namespace pop
