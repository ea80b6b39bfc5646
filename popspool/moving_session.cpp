#include "popspool/moving_session.h"

namespace pop {

Result<MovingSession> MovingSession::open(const MaildropContext& context, const MailUser& user) {
  MovingSession session;
  auto settings = std::make_unique<Settings>(context.settings);
  settings->server_mode = true;  // no copy: nothing is read from this session
  settings->trash_days = 0;      // what is somewhere else need not be kept here
  session.settings_ = std::move(settings);
  session.context_.reset(new MaildropContext{*session.settings_, context.disk, context.clock});
  Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(*session.context_, user);
  if (!maildrop) return std::unexpected(std::move(maildrop).error());
  session.maildrop_ = std::move(*maildrop);
  return session;
}

Result<std::size_t> MovingSession::remove(const std::set<std::string>& ids) {
  const std::span<const MessageInfo> messages = maildrop_->messages();
  SessionOutcome outcome{MessageSet{messages.size()}, MessageSet{messages.size()}};
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!ids.contains(std::string{messages[i].unique_id})) continue;
    outcome.deleted.insert({static_cast<std::uint32_t>(i + 1)});
  }
  if (Result<void> done = maildrop_->commit(outcome); !done) {
    return std::unexpected(std::move(done).error());
  }
  return outcome.deleted.count();
}

}  // namespace pop
