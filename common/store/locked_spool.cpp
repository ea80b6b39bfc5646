#include "store/locked_spool.h"

#include <utility>

#include "store/spool_journal.h"

namespace pop {

Result<LockedSpool> LockedSpool::open(const MaildropContext& context, const MailUser& user,
                                      const MaildropLocation& location) {
  Result<SessionLock> session = SessionLock::acquire(context, location.drop, user);
  if (!session) return std::unexpected(std::move(session).error());
  Result<SpoolLock> lock = SpoolLock::acquire(context, location.spool, user.uid);
  if (!lock) return std::unexpected(std::move(lock).error());
  LockedSpool locked{context.disk, location, user.uid, std::move(*session), std::move(*lock)};
  Result<void> ready = locked.finish_update();
  if (ready) ready = locked.look();
  if (!ready) return std::unexpected(std::move(ready).error());
  return locked;
}

LockedSpool::LockedSpool(Disk& disk, const MaildropLocation& location, uid_t owner,
                         SessionLock session, SpoolLock lock)
    : disk_{&disk},
      location_{&location},
      owner_{owner},
      session_{std::move(session)},
      lock_{std::move(lock)} {}

Result<void> LockedSpool::finish_update() {
  const Result<bool> journal = journal_exists(*disk_, location_->journal);
  if (!journal) return std::unexpected(journal.error());
  if (!*journal) return {};
  const Result<Recovery> recovery = recover_journal(*disk_, location_->journal, lock_, owner_);
  if (!recovery) return std::unexpected(recovery.error());
  if (*recovery != Recovery::foreign) return {};
  return fail(Errc::changed, location_->journal.path() +
                                 " belongs to another state of the spool; the next session, or "
                                 "popspool recover, merges its mail");
}

Result<void> LockedSpool::look() {
  if (!lock_.has_file()) return {};
  const Result<FileStatus> status = disk_->status(lock_.file());
  if (!status) return std::unexpected(status.error());
  size_ = status->size;
  return {};
}

Result<void> LockedSpool::replace_tail(const Fd& file, FileBytes base, FileBytes end,
                                       bool& decided) {
  Result<JournalWriter> writer = JournalWriter::create(*disk_, location_->journal, end - base);
  if (!writer) return std::unexpected(std::move(writer).error());
  PieceReader reader{*disk_};
  Result<void> done = reader.read(file, base, end, [&](std::string_view piece) {
    Result<void> put = writer->append(piece);
    return put ? lock_.refresh() : put;
  });
  if (done) done = writer->finish(lock_.file(), base, size_);
  const Result<FileStatus> journal =
      disk_->status(location_->journal.directory(), location_->journal.name);
  decided = journal || journal.error().code != Errc::not_found;
  if (!done) return done;
  done = apply_journal(*disk_, location_->journal, lock_, owner_);
  if (done) (void)disk_->remove(location_->index.directory(), location_->index.name);
  return done;
}

}  // namespace pop
