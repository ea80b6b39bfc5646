#include "popspool/maildrop_size.h"

#include "store/maildir_location.h"
#include "store/spool_view.h"

namespace pop {

Result<std::uint64_t> maildrop_size(const MaildropContext& context, const MailUser& user) {
  Settings looking = context.settings;
  looking.check_hash_dir = false;
  const Result<MaildropLocation> location = locate_maildrop(context.disk, looking, user);
  const Result<MailFormat> format =
      location ? format_of_maildrop(context, user, *location)
               : Result<MailFormat>{MailFormat::maildir};  // the view tells what is wrong
  if (!format) return std::unexpected(format.error());
  if (location && *format == MailFormat::mbox) {
    const FilePlace& spool = location->spool;
    const Result<FileStatus> status = context.disk.status(spool.directory(), spool.name);
    if (status) return status->size.count;
    if (status.error().code == Errc::not_found) return std::uint64_t{0};
    return std::unexpected(status.error());
  }
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context, user);
  if (!view) return std::unexpected(view.error());
  std::uint64_t bytes = 0;
  for (const ViewedMessage& message : (*view)->messages()) bytes += message.stored.count;
  return bytes;
}

}  // namespace pop
