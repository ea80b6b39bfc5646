#include "popspool/removed_mail.h"

#include <set>

#include "mail/from_line.h"
#include "popspool/expiry.h"
#include "store/maildir_name.h"

namespace pop {
namespace {

SourceMessage from_spool(const TrashedMessage& kept, std::string_view separator,
                         std::string content) {
  SourceMessage message{.separator = from_line_in(separator),
                        .content = std::move(content),
                        .delivered = {},
                        .retrieved = false,
                        .unique_id = kept.unique_id};
  message.delivered = from_line_time(message.separator);
  message.retrieved = (flags_in_header(message.content).bits & MailFlags::seen) != 0;
  return message;
}

/// `file` is the place and the name that it had.
SourceMessage from_maildir(const TrashedMessage& kept, std::string_view file, std::string content) {
  const MaildirName name = parse_maildir_name(file.substr(0, file.find('\n')));
  SourceMessage message{.separator = {},
                        .content = std::move(content),
                        .delivered = {},
                        .retrieved = name.has_flag('S'),
                        .unique_id = kept.unique_id};
  if (kept.delivered > 0) message.delivered = kept.delivered;
  for (const char letter : std::string_view{"DFPRT"}) {
    if (name.has_flag(letter)) message.marks += letter;
  }
  return message;
}

}  // namespace

Result<std::unique_ptr<RemovedMailSource>> RemovedMailSource::open(Disk& disk,
                                                                   const FilePlace& place,
                                                                   uid_t owner) {
  const Result<FileStatus> status = disk.status(place.directory(), place.name);
  if (!status && status.error().code == Errc::not_found) return nullptr;
  if (!status) return std::unexpected(status.error());
  Result<Trash> trash = Trash::open(disk, place, owner);
  if (!trash && trash.error().code == Errc::not_found) return nullptr;
  if (!trash) return std::unexpected(std::move(trash).error());
  if (trash->messages().empty()) {
    if (trash->is_whole()) return nullptr;
    return fail(Errc::corrupt, place.path() + " is damaged from its beginning on");
  }
  return std::unique_ptr<RemovedMailSource>{
      new RemovedMailSource{disk, place, *status, std::move(*trash)}};
}

Result<void> RemovedMailSource::visit(const Visit& visit) {
  damaged_ = 0;
  for (const TrashedMessage& kept : trash_.messages()) {
    const Result<std::string> bytes = trash_.read(kept);
    if (!bytes && bytes.error().code == Errc::corrupt) {
      ++damaged_;
      if (tell_) tell_(bytes.error().text);
      continue;
    }
    if (!bytes) return std::unexpected(bytes.error());
    const std::string_view separator = std::string_view{*bytes}.substr(0, kept.separator.count);
    std::string content = bytes->substr(kept.separator.count, kept.content.count);
    Result<void> visited =
        visit(kept.form == TrashedForm::maildir ? from_maildir(kept, separator, std::move(content))
                                                : from_spool(kept, separator, std::move(content)));
    if (!visited) return visited;
  }
  if (!trash_.is_whole()) {
    ++damaged_;
    if (tell_) tell_(place_.path() + " is damaged; what follows in it cannot be read");
  }
  tell_ = nullptr;
  return {};
}

Result<void> RemovedMailSource::drop() {
  const Result<FileStatus> now = disk_->status(place_.directory(), place_.name);
  if (!now && now.error().code == Errc::not_found) return {};
  if (!now) return std::unexpected(now.error());
  if (!now->same_file(status_)) return {};
  Result<void> done = disk_->remove(place_.directory(), place_.name);
  return done ? disk_->sync_directory(place_.directory()) : done;
}

Result<ImportedMail> bring_back(const MaildropContext& context, const MailUser& user, RunMode mode,
                                RemovedMailSource& source) {
  const auto drop = [&] { return source.damaged() > 0 ? Result<void>{} : source.drop(); };
  return import_mail(context, user, {.mode = mode, .sameness = Sameness::unique_id, .finish = drop},
                     source);
}

}  // namespace pop
