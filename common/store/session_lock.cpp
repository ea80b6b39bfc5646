#include "store/session_lock.h"

#include <fmt/format.h>
#include <time.h>

#include <array>
#include <utility>

#include "base/flock.h"
#include "store/spool_file.h"

namespace pop {
namespace {

/// More than a few in a row means that sessions open and close all the time: then it is busy.
constexpr int tries_at_most = 10;

std::string time_text(timespec when) {
  tm parts{};
  std::array<char, 32> text{};
  ::localtime_r(&when.tv_sec, &parts);
  const std::size_t size = ::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return {text.data(), size};
}

Result<Fd> open_or_create(Disk& disk, const FilePlace& drop, uid_t owner) {
  for (int tries = 0; tries < tries_at_most; ++tries) {
    Result<Fd> file = open_mail_file(disk, drop, O_RDWR, owner, Exposure::not_accessible_by_others);
    if (!file && file.error().code == Errc::changed) continue;
    if (file || file.error().code != Errc::not_found) return file;
    Result<std::optional<Fd>> made = create_mail_file(disk, drop);
    if (!made && made.error().code == Errc::denied) {
      return fail(Errc::denied, made.error().text + "; the directory " + drop.in->path.native() +
                                    " must be writable for the user or for the spool group");
    }
    if (!made) return std::unexpected(made.error());
    if (*made) return std::move(**made);
  }
  return fail(Errc::busy, drop.path() + " is made and removed again and again");
}

std::unexpected<Error> in_use(Disk& disk, const Fd& file, const MailUser& user) {
  const Result<FileStatus> status = disk.status(file);
  if (!status) {
    return fail(Errc::busy, fmt::format("maildrop of {} is in use (another session)", user.name));
  }
  return fail(Errc::busy, fmt::format("maildrop of {} is in use since {} (another session)",
                                      user.name, time_text(status->modified)));
}

/// The file as it is under the lock. False: it was removed by the session before, between our open
/// and our lock, and a new one has to be made.
Result<bool> check_locked(Disk& disk, const Fd& file, const FilePlace& drop, uid_t owner) {
  const Result<bool> named = is_still_named(disk, file, drop);
  if (!named || !*named) return named;
  const Result<FileStatus> status = disk.status(file);
  if (!status) return std::unexpected(status.error());
  Result<void> fine = check_mail_file(*status, drop, owner, Exposure::not_accessible_by_others);
  if (!fine) return std::unexpected(fine.error());
  return true;
}

Result<Flock> take(const Fd& file, LockClaim* claim) {
  while (true) {
    Result<Flock> locked = try_flock(file);
    if (!locked || *locked == Flock::taken || claim == nullptr) return locked;
    if (!claim->wait_for(file)) return locked;
  }
}

/// Opens, locks and checks; a file that is not open means that the name changed meanwhile.
Result<Fd> lock_once(const MaildropContext& context, const FilePlace& drop, const MailUser& user) {
  Disk& disk = context.disk;
  Result<Fd> file = open_or_create(disk, drop, user.uid);
  if (!file) return file;
  Result<Flock> locked = take(*file, context.claim);
  if (!locked) return std::unexpected(std::move(locked).error().in(drop.path()));
  if (*locked == Flock::held_by_another) return in_use(disk, *file, user);
  const Result<bool> current = check_locked(disk, *file, drop, user.uid);
  if (!current) return std::unexpected(current.error());
  if (!*current) return Fd{};
  return file;
}

}  // namespace

Result<SessionLock> SessionLock::acquire(const MaildropContext& context, const FilePlace& drop,
                                         const MailUser& user) {
  for (int tries = 0; tries < tries_at_most; ++tries) {
    Result<Fd> file = lock_once(context, drop, user);
    if (!file) return std::unexpected(file.error());
    if (!file->is_open()) continue;
    // Tells the next one since when; works on an empty file and changes no mail. Where it does
    // not, the next one is told the time of the session before, which is no reason to fail.
    (void)context.disk.touch(*file);
    if (context.claim != nullptr) context.claim->on_taken(*file);
    const AtRelease at_release =
        context.settings.keep_temp_drop ? AtRelease::keep : AtRelease::remove;
    return SessionLock{context.disk, drop, std::move(*file), at_release};
  }
  return fail(Errc::busy,
              fmt::format("maildrop of {} is opened and closed again and again", user.name));
}

SessionLock::SessionLock(Disk& disk, FilePlace drop, Fd file, AtRelease at_release)
    : disk_{&disk}, drop_{std::move(drop)}, file_{std::move(file)}, at_release_{at_release} {}

SessionLock::SessionLock(SessionLock&& other) noexcept = default;

SessionLock::~SessionLock() {
  if (!file_.is_open() || at_release_ == AtRelease::keep) return;
  const Result<FileBytes> size = leftover_size();
  if (!size || size->count != 0) return;
  const Result<bool> ours = is_still_named(*disk_, file_, drop_);
  // Under the lock: whoever opened the file meanwhile gets the lock only after the name has gone,
  // and looks at the name then.
  if (ours && *ours) (void)disk_->remove(drop_.directory(), drop_.name);
}

Result<FileBytes> SessionLock::leftover_size() const {
  const Result<FileStatus> status = disk_->status(file_);
  if (!status) return std::unexpected(status.error());
  return status->size;
}

}  // namespace pop
