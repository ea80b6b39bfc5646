#include "popper/notify/notifier_process.h"

#include <fcntl.h>

#include <array>
#include <string>
#include <utility>

#include "daemon/role.h"
#include "popper/notify/login_notifier.h"

namespace pop {
namespace {

constexpr std::chrono::seconds pause_after_failure{1};

}  // namespace

NotifierProcess::NotifierProcess(Fd settings, Channel keepers, Channel own)
    : settings_{std::move(settings)}, keepers_{std::move(keepers)}, own_{std::move(own)} {}

Result<std::shared_ptr<NotifierProcess>> NotifierProcess::create(const Handover& handover) {
  if (!wants_notices(handover.settings)) return nullptr;
  Result<Fd> settings = seal_handover(handover);
  if (!settings) return std::unexpected(std::move(settings).error());
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(std::move(ends).error());
  ::fcntl(ends->first.fd(), F_SETFL, O_NONBLOCK);  // a slow notifier must not hold a keeper up
  return std::shared_ptr<NotifierProcess>{
      new NotifierProcess{std::move(*settings), std::move(ends->first), std::move(ends->second)}};
}

void NotifierProcess::start_if_due(Log& log, Clock& clock) {
  const Time now = clock.steady();
  if (pid_ != 0 || due_ > now || !own_) return;
  const std::array<Placed, 2> inherits{
      {{settings_.get(), inherited::settings}, {own_->fd(), inherited::notices}}};
  const Result<pid_t> child = spawn_role(notifier_role, inherits);
  if (!child) {
    log.failure("start a role", child.error());
    due_ = now + pause_after_failure;
    return;
  }
  pid_ = *child;
  started_ = now;
}

std::optional<NotifierProcess::Time> NotifierProcess::next_due() const {
  if (pid_ != 0 || !own_) return std::nullopt;
  return due_;
}

bool NotifierProcess::take_end(pid_t child, int wait_status, Log& log, Clock& clock) {
  if (pid_ == 0 || child != pid_) return false;
  const Time now = clock.steady();
  const auto delay = delay_.after_life_of(now - started_);
  log.event(Severity::error, "notifier-ended",
            {{"pid", std::to_string(pid_)},
             {"by", end_of(wait_status)},
             {"restart-in-ms", std::to_string(delay.count())}});
  pid_ = 0;
  due_ = now + delay;
  return true;
}

pid_t NotifierProcess::leave() {
  keepers_.reset();
  own_.reset();
  return std::exchange(pid_, 0);
}

}  // namespace pop
