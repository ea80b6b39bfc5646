#include "store/maildrop.h"

#include <algorithm>

#include "base/text.h"
#include "store/maildir_location.h"
#include "store/maildir_maildrop.h"
#include "store/mbox_maildrop.h"

namespace pop {

std::size_t MessageSet::count() const {
  return static_cast<std::size_t>(std::ranges::count(members_, true));
}

void MessageSet::insert_all(const MessageSet& others) {
  for (std::size_t i = 0; i < members_.size(); ++i) members_[i] = members_[i] || others.members_[i];
}

Result<std::vector<OwnMessage>> Maildrop::find_unlisted(const OwnMail& mail) const {
  Result<std::vector<OwnMessage>> found = mail.find();
  if (!found) return found;
  std::erase_if(*found, [this](const OwnMessage& message) {
    return std::ranges::find(messages(), message.unique_id, &MessageInfo::unique_id) !=
           messages().end();
  });
  return found;
}

Result<MailFormat> format_of_maildrop(const MaildropContext& context, const MailUser& user,
                                      const MaildropLocation& location) {
  MailFormat format = context.settings.mail_format;
  if (format == MailFormat::by_place) {
    const Result<bool> is_maildir = is_maildir_place(context.disk, location.spool);
    if (!is_maildir) return std::unexpected(is_maildir.error());
    format = *is_maildir ? MailFormat::maildir : MailFormat::mbox;
  }
  if (format == MailFormat::mbox && !user.folder.empty()) {
    return fail(Errc::not_found, "no folder \"" + escaped(user.folder) +
                                     "\": " + location.spool.path() + " is no Maildir");
  }
  return format;
}

namespace {

Result<std::unique_ptr<Maildrop>> open_as(MailFormat format, const MaildropContext& context,
                                          const MailUser& user, const MaildropLocation& location) {
  return format == MailFormat::maildir ? MaildirMaildrop::open(context, user, location)
                                       : MboxMaildrop::open(context, user, location);
}

}  // namespace

Result<std::unique_ptr<Maildrop>> open_maildrop(const MaildropContext& context,
                                                const MailUser& user) {
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (!format) return std::unexpected(format.error());
  Result<std::unique_ptr<Maildrop>> maildrop = open_as(*format, context, user, *location);
  if (!maildrop) {
    // A conversion may have given it the other form between the look and the lock.
    const Result<MailFormat> now = format_of_maildrop(context, user, *location);
    if (!now || *now == *format) return maildrop;
    maildrop = open_as(*now, context, user, *location);
  }
  if (!maildrop) return maildrop;
  for (const std::string& remark : location->remarks) (*maildrop)->remark(remark);
  return maildrop;
}

}  // namespace pop
