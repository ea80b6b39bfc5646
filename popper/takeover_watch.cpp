#include "popper/takeover_watch.h"

#include <algorithm>

#include "base/clock.h"

namespace pop {
namespace {

constexpr std::chrono::milliseconds on_trial{50};
constexpr std::chrono::milliseconds now_and_then{20'000};

}  // namespace

TakeoverWatch::TakeoverWatch(int socket) : socket_{socket}, last_life_{system_clock().steady()} {}

void TakeoverWatch::note_life() {
  last_life_ = system_clock().steady();
}

bool TakeoverWatch::must_end() {
  if (ending_) return true;
  const Time now = system_clock().steady();
  if (const auto call = take_call()) hear(*call, now);
  if (trial_) judge(now);
  return ending_.has_value();
}

bool TakeoverWatch::has_lost_client() {
  if (ending_ || trial_) return ending_.has_value();
  const std::optional<PeerFacts> facts = peer_facts(socket_);
  if (facts && has_vanished(*facts)) ending_ = Ending::gone;
  return ending_.has_value();
}

void TakeoverWatch::hear(const ReceivedCall& call, Time now) {
  using When = TakeoverRule::When;
  if (!call.call.rule || std::ranges::find(maildrops_, call.call.maildrop) == maildrops_.end()) {
    return;
  }
  const TakeoverRule rule = *call.call.rule;
  if (rule.when == When::always) ending_ = Ending::wanted;
  if (rule.when == When::idle && now - last_life_ >= rule.silence) ending_ = Ending::silent;
  if (ending_) {
    asked_by_ = call.from;
    trial_.reset();
    return;
  }
  call_ = call;
  if (trial_) return;
  trial_.emplace(now);
  call_peer_often(socket_);
}

void TakeoverWatch::judge(Time now) {
  const std::optional<PeerFacts> facts = peer_facts(socket_);
  const PeerState state = facts ? trial_->judge(*facts, now) : PeerState::there;
  if (state == PeerState::undecided) return;
  if (state == PeerState::there) return stay();
  if (state == PeerState::unknown) return end_trial();
  ending_ = Ending::gone;
  asked_by_ = call_->from;
}

void TakeoverWatch::stay() {
  (void)send_call(call_->from, {call_->call.maildrop, {}});
  end_trial();
}

void TakeoverWatch::end_trial() {
  call_peer_seldom(socket_);
  trial_.reset();
  call_.reset();
}

std::chrono::milliseconds TakeoverWatch::next_answer() const {
  return trial_ ? on_trial : std::chrono::milliseconds::max();
}

std::chrono::milliseconds TakeoverWatch::next_look() const {
  return trial_ ? on_trial : now_and_then;
}

std::string_view TakeoverWatch::reason() const {
  if (!ending_) return "";
  switch (*ending_) {
    case Ending::gone:
      return "the client has vanished";
    case Ending::silent:
      return "another login has taken over from a silent client";
    case Ending::wanted:
      return "another login has taken over";
  }
  return "";
}

}  // namespace pop
