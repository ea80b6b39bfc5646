#include "store/conversion.h"

#include "store/conversion_files.h"
#include "store/maildir_location.h"
#include "store/maildir_to_spool.h"
#include "store/maildrop_location.h"
#include "store/spool_to_maildir.h"

namespace pop {
namespace {

Result<void> check_settings(const Settings& settings, const MailUser& user, MailFormat to) {
  if (!user.folder.empty()) {
    return fail(Errc::usage, "a folder cannot be converted alone; convert the Maildir");
  }
  if (settings.mail_format == MailFormat::by_place || settings.mail_format == to) return {};
  return fail(Errc::usage,
              "mail-format says that mail lies in the other form; take that option out first, so "
              "that each maildrop is what stands in its place");
}

}  // namespace

Result<Conversion> convert_maildrop(const MaildropContext& context, const MailUser& user,
                                    MailFormat to) {
  if (Result<void> fine = check_settings(context.settings, user, to); !fine) {
    return std::unexpected(std::move(fine).error());
  }
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<FileStatus> there =
      context.disk.status(location->spool.directory(), location->spool.name);
  if (!there && there.error().code == Errc::not_found) return Conversion{};
  if (!there) return std::unexpected(there.error());
  const Result<bool> is_maildir = is_maildir_place(context.disk, location->spool);
  if (!is_maildir) return std::unexpected(is_maildir.error());
  const ConversionFiles files = ConversionFiles::of(*location);
  if (to == MailFormat::maildir) {
    SpoolToMaildir way{context, user, *location, files};
    return *is_maildir ? way.finish() : way.run();
  }
  MaildirToSpool way{context, user, *location, files};
  return *is_maildir ? way.run() : way.finish();
}

}  // namespace pop
