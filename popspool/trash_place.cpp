#include "popspool/trash_place.h"

#include "store/maildir_location.h"

namespace pop {

Result<std::optional<TrashPlace>> find_trash(const MaildropContext& context, const MailUser& user) {
  Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(std::move(location).error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (!format) return std::unexpected(format.error());
  if (*format == MailFormat::mbox) {
    const FilePlace trash = location->trash, undo = location->undo, session = location->drop;
    return TrashPlace{*format, std::move(*location), trash, undo, session};
  }
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(context.disk, context.settings, user, *location);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return std::nullopt;
  return TrashPlace{*format, std::move(*location), (*maildir)->trash, (*maildir)->undo,
                    (*maildir)->drop};
}

}  // namespace pop
