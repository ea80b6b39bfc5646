#include "popspool/message_removal.h"

#include <map>
#include <set>

#include "popspool/trash_place.h"

namespace pop {
namespace {

Result<RemovedMail> pick(SpoolView& view, const ChooseMessages& choose) {
  const Result<std::vector<ChosenMessage>> chosen = choose(view);
  if (!chosen) return std::unexpected(chosen.error());
  RemovedMail mail;
  mail.left = view.messages().size() - chosen->size();
  for (const ViewedMessage& message : view.messages()) mail.octets_left += message.size;
  for (const ChosenMessage& choice : *chosen) {
    const ViewedMessage& message = view.messages()[choice.number.index()];
    mail.octets_left = {mail.octets_left.count - message.size.count};
    mail.messages.push_back({.number = choice.number,
                             .unique_id = std::string{message.unique_id},
                             .size = message.size,
                             .delivered = view.delivered(choice.number),
                             .reason = choice.reason});
  }
  for (const std::string& remark : view.remarks()) mail.remarks.push_back(remark);
  return mail;
}

Result<RemovedMail> look_and_pick(const MaildropContext& context, const MailUser& user,
                                  const ChooseMessages& choose) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context, user);
  if (!view) return std::unexpected(view.error());
  return pick(**view, choose);
}

/// The same messages in the maildrop, whose listing may be older or newer than the view.
MessageSet found_in(const Maildrop& maildrop, const RemovedMail& mail) {
  std::map<std::string_view, MessageNumber> by_id;
  const std::span<const MessageInfo> messages = maildrop.messages();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    by_id.emplace(messages[i].unique_id, MessageNumber{static_cast<std::uint32_t>(i + 1)});
  }
  MessageSet found{messages.size()};
  for (const RemovedMessage& message : mail.messages) {
    const auto here = by_id.find(message.unique_id);
    if (here != by_id.end()) found.insert(here->second);
  }
  return found;
}

Result<void> drop_undo(const MaildropContext& context, const MailUser& user) {
  const Result<std::optional<TrashPlace>> place = find_trash(context, user);
  if (!place) return std::unexpected(place.error());
  if (!*place) return {};
  const FilePlace& undo = (*place)->undo;
  Result<void> removed = context.disk.remove(undo.directory(), undo.name);
  const bool is_missing = !removed && removed.error().code == Errc::not_found;
  return is_missing ? Result<void>{} : removed;
}

}  // namespace

Result<RemovedMail> remove_messages(const MaildropContext& context, const MailUser& user,
                                    const RemovalTerms& terms, const ChooseMessages& choose) {
  Result<RemovedMail> wanted = look_and_pick(context, user, choose);
  if (!wanted || wanted->messages.empty() || terms.mode == RunMode::dry_run) return wanted;
  Settings settings = context.settings;
  settings.server_mode = true;  // no copy: nothing is read from this session
  const MaildropContext serving{settings, context.disk, context.clock};
  const Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(serving, user);
  if (!maildrop) return std::unexpected(maildrop.error());
  Result<RemovedMail> mail = look_and_pick(context, user, choose);
  if (!mail) return std::unexpected(std::move(mail).error());
  const std::size_t messages = (*maildrop)->messages().size();
  Result<void> done = (*maildrop)->commit({.deleted = found_in(**maildrop, *mail),
                                           .retrieved = MessageSet{messages},
                                           .for_undo = terms.for_undo});
  if (!done) return std::unexpected(std::move(done).error());
  if (terms.for_undo == ForUndo::nothing) done = drop_undo(context, user);
  if (!done) mail->remarks.push_back(done.error().text);
  for (const std::string& remark : (*maildrop)->remarks()) mail->remarks.push_back(remark);
  return mail;
}

}  // namespace pop
