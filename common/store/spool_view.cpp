#include "store/spool_view.h"

#include <sys/stat.h>

#include "store/maildir_view.h"
#include "store/mbox_view.h"

namespace pop {
namespace {

bool has_directory(const std::filesystem::path& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

/// A session would make the hash directory, and find no mail in it.
bool awaits_hash_directory(const Settings& settings, const Error& error) {
  return error.code == Errc::not_found && settings.check_hash_dir && settings.hash_spool != 0 &&
         has_directory(settings.spool_dir);
}

class EmptyView final : public SpoolView {
 public:
  Result<std::unique_ptr<MessageReader>> open(MessageNumber number) override {
    return no_message(number);
  }
  Result<std::string> separator(MessageNumber number) override { return no_message(number); }
  std::optional<std::int64_t> delivered(MessageNumber) override { return std::nullopt; }

 private:
  static std::unexpected<Error> no_message(MessageNumber number) {
    return fail(Errc::usage, "there is no message " + std::to_string(number.value));
  }
};

}  // namespace

Result<std::unique_ptr<SpoolView>> view_maildrop(const MaildropContext& context,
                                                 const MailUser& user) {
  Settings looking = context.settings;
  looking.check_hash_dir = false;  // nothing is made
  Result<MaildropLocation> location = locate_maildrop(context.disk, looking, user);
  if (!location && awaits_hash_directory(context.settings, location.error())) {
    return std::make_unique<EmptyView>();
  }
  if (!location) return std::unexpected(std::move(location).error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (!format) return std::unexpected(format.error());
  if (*format == MailFormat::mbox) return MboxView::open(context, user, std::move(*location));
  Result<std::unique_ptr<SpoolView>> maildir = MaildirView::open(context, user, *location);
  if (maildir && !*maildir) return std::make_unique<EmptyView>();
  return maildir;
}

}  // namespace pop
