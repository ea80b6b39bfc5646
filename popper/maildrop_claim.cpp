#include "popper/maildrop_claim.h"

#include "popper/takeover_call.h"

namespace pop {
namespace {

// The holder needs PeerTrial::longest to be sure, and a moment to end.
constexpr std::chrono::milliseconds longest_wait = PeerTrial::longest + std::chrono::seconds{3};
constexpr std::chrono::milliseconds between_looks{20}, between_calls{250};
// Between the lock and the signature, and at its end, a session cannot be told from another holder.
constexpr std::uint32_t most_looks_without_holder = 5;

// What is left of another claim, or was meant for a session before ours, whose lock file may have
// had the same mark. Who means us will call again.
void forget_calls() {
  while (take_call()) {
  }
}

}  // namespace

bool MaildropClaim::wait_for(const Fd& drop) {
  if (rule_.when == TakeoverRule::When::never) return false;
  const Time now = clock_.steady();
  if (!begun_) {
    begun_ = now;
    forget_calls();
  }
  const auto maildrop = mark_of(drop);
  if (now - *begun_ >= longest_wait || !maildrop || !ask(drop, *maildrop, now)) return false;
  const auto answer = wait_for_call(between_looks);
  was_refused_ =
      answer && answer->from == asked_ && !answer->call.rule && answer->call.maildrop == *maildrop;
  return !was_refused_;
}

/// False: there is nobody to ask.
bool MaildropClaim::ask(const Fd& drop, std::uint64_t maildrop, Time now) {
  const auto holder = signer_of_lock(drop);
  if (!holder) return ++without_holder_ <= most_looks_without_holder;
  without_holder_ = 0;
  if (*holder == asked_ && now < next_call_) return true;
  if (!send_call(*holder, {maildrop, rule_})) {
    return ++without_holder_ <= most_looks_without_holder;
  }
  asked_ = *holder;
  next_call_ = now + between_calls;
  return true;
}

void MaildropClaim::on_taken(const Fd& drop) {
  forget_calls();
  sign_lock(drop);
  if (const auto maildrop = mark_of(drop)) watch_.hear_calls_for(*maildrop);
}

std::chrono::milliseconds MaildropClaim::waited() const {
  if (!begun_) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - *begun_);
}

}  // namespace pop
