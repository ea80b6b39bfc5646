#include "store/spool_move.h"

#include <algorithm>
#include <optional>

#include "base/file_replacement.h"
#include "store/file_pieces.h"
#include "store/imported_ids_file.h"
#include "store/leftover_mail.h"
#include "store/maildrop_location.h"
#include "store/open_elsewhere.h"
#include "store/repair_record.h"
#include "store/session_lock.h"
#include "store/spool_file.h"
#include "store/spool_journal.h"
#include "store/spool_lock.h"

namespace pop {
namespace {

/// However the directories were come by: two paths may lead to one.
Result<bool> is_same_place(Disk& disk, const FilePlace& one, const FilePlace& other) {
  if (one.name != other.name) return false;
  const Result<FileStatus> first = disk.status(one.in->fd);
  if (!first) return std::unexpected(first.error());
  const Result<FileStatus> second = disk.status(other.in->fd);
  if (!second) return std::unexpected(second.error());
  return first->same_file(*second);
}

/// A place beside the journal.
FilePlace beside_journal(const MaildropLocation& location, std::string_view ending) {
  const std::string& journal = location.journal.name;
  return location.journal.sibling(journal.substr(0, journal.rfind('.')) + std::string{ending});
}

class SpoolMove {
 public:
  SpoolMove(const MaildropContext& from, const MaildropContext& to, const MailUser& user,
            const MaildropLocation& old_place, const MaildropLocation& new_place)
      : from_{from},
        to_{to},
        disk_{to.disk},
        user_{user},
        old_{old_place},
        new_{new_place},
        staged_{beside_journal(new_place, ".moved")} {}

  Result<MovedSpool> run() {
    done_.from = old_.spool.path();
    done_.to = new_.spool.path();
    Result<void> step = look_at_old();
    if (step) step = lock_sessions();
    if (step) step = finish_rename();
    if (step) step = lock_spools();
    if (step) step = bring_imported_ids();
    if (step) step = finish_staged();
    if (step) step = bring_mail();
    if (step) step = bring_drop();
    if (step) step = bring_the_rest();
    if (!step) return std::unexpected(std::move(step).error());
    return done_;
  }

 private:
  [[nodiscard]] Result<std::optional<FileStatus>> status(const FilePlace& place) {
    const Result<FileStatus> there = disk_.status(place.directory(), place.name);
    if (!there && there.error().code == Errc::not_found) return std::nullopt;
    if (!there) return std::unexpected(there.error());
    return *there;
  }

  Result<void> look_at_old() {
    const Result<std::optional<FileStatus>> old = status(old_.spool);
    if (!old) return std::unexpected(old.error());
    if (!*old) return {};
    if ((*old)->is_directory()) {
      return fail(Errc::usage, old_.spool.path() + " is a Maildir; only spools are moved");
    }
    return {};
  }

  Result<void> lock_sessions() {
    Result<SessionLock> session = SessionLock::acquire(to_, new_.drop, user_);
    if (!session) return std::unexpected(std::move(session).error());
    new_session_.emplace(std::move(*session));
    if (old_.drop.path() != new_.drop.path()) {
      Result<SessionLock> other = SessionLock::acquire(from_, old_.drop, user_);
      if (!other) return std::unexpected(std::move(other).error());
      old_session_.emplace(std::move(*other));
    }
    return {};
  }

  /// A crash in the middle of a rename, on a file system that makes two steps of it, leaves one
  /// file with two names.
  Result<void> finish_rename() {
    const Result<std::optional<FileStatus>> old = status(old_.spool);
    if (!old) return std::unexpected(old.error());
    const Result<std::optional<FileStatus>> other = status(new_.spool);
    if (!other) return std::unexpected(other.error());
    if (!*old || !*other || !(*other)->same_file(**old)) return {};
    if ((*old)->links != 2) {
      return fail(Errc::denied, old_.spool.path() + " and " + new_.spool.path() +
                                    " are one file with " + std::to_string((*old)->links) +
                                    " links; look who made it so");
    }
    Result<void> removed = disk_.remove(old_.spool.directory(), old_.spool.name);
    return removed ? disk_.sync_directory(old_.spool.directory()) : removed;
  }

  Result<void> lock_spools() {
    Result<SpoolLock> old = SpoolLock::acquire(from_, old_.spool, user_.uid);
    if (!old) return std::unexpected(std::move(old).error());
    old_lock_.emplace(std::move(*old));
    if (Result<void> done = lock_new(SpoolLock::Missing::accept); !done) return done;
    Result<void> finished = finish_update(old_, *old_lock_);
    return finished ? finish_update(new_, *new_lock_) : finished;
  }

  Result<void> lock_new(SpoolLock::Missing missing) {
    new_lock_.reset();
    Result<SpoolLock> lock = SpoolLock::acquire(to_, new_.spool, user_.uid, missing);
    if (!lock) return std::unexpected(std::move(lock).error());
    new_lock_.emplace(std::move(*lock));
    return {};
  }

  Result<void> finish_update(const MaildropLocation& place, SpoolLock& lock) {
    const Result<Recovery> recovery = recover_journal(disk_, place.journal, lock, user_.uid);
    if (!recovery) return std::unexpected(recovery.error());
    if (*recovery != Recovery::foreign) return {};
    return fail(Errc::changed, place.journal.path() +
                                   " belongs to another state of the spool; a session there "
                                   "merges its mail");
  }

  /// Before the mail, and from the old place after it: in neither may ids be missing.
  Result<void> bring_imported_ids() {
    const auto old = load_imported_ids(disk_, old_.uidl, user_.uid);
    if (!old) return std::unexpected(old.error());
    if (!*old) return {};
    const auto known = load_imported_ids(disk_, new_.uidl, user_.uid);
    if (!known) return std::unexpected(known.error());
    std::vector<ImportedIds::Entry> entries{(*old)->entries().begin(), (*old)->entries().end()};
    if (*known) {
      for (const ImportedIds::Entry& entry : (*known)->entries()) {
        if (std::ranges::find(entries, entry) == entries.end()) entries.push_back(entry);
      }
    }
    (void)disk_.remove(new_.index.directory(), new_.index.name);
    return replace_file(disk_, {.directory = new_.uidl.directory(), .name = new_.uidl.name},
                        ImportedIds{std::move(entries)}.serialised());
  }

  Result<void> bring_mail() {
    if (!old_lock_->has_file()) return {};
    const Result<FileStatus> old = disk_.status(old_lock_->file());
    if (!old) return std::unexpected(old.error());
    done_.size = old->size;
    if (!new_lock_->has_file()) {
      const Result<void> moved = disk_.move(old_.spool.directory(), old_.spool.name,
                                            new_.spool.directory(), new_.spool.name);
      if (moved) {
        done_.how = MovedSpool::How::renamed;
        Result<void> synced = disk_.sync_directory(new_.spool.directory());
        return synced ? disk_.sync_directory(old_.spool.directory()) : synced;
      }
    }
    if (old->size.count > 0) {
      done_.how = MovedSpool::How::merged;
      Result<void> merged = stage(old_lock_->file(), old->size);
      if (merged) merged = empty(old_lock_->file(), old->size);
      if (merged) merged = merge_staged();
      if (!merged) return merged;
    }
    return remove_old();
  }

  /// What an earlier run has staged. It is the only copy if the old place has let go of it.
  Result<void> finish_staged() {
    Result<void> cleared = remove_if_there(building());
    if (!cleared) return cleared;
    const Result<Fd> file =
        open_mail_file(disk_, staged_, O_RDWR, user_.uid, Exposure::not_accessible_by_others);
    if (!file && file.error().code == Errc::not_found) return {};
    if (!file) return std::unexpected(file.error());
    const Result<bool> decided = holds_journal(disk_, *file);
    if (!decided) return std::unexpected(decided.error());
    if (*decided) return finish_decided();
    const Result<bool> still_there = old_still_has(*file);
    if (!still_there) return std::unexpected(still_there.error());
    if (*still_there) return remove_if_there(staged_);
    done_.how = MovedSpool::How::merged;
    return merge_staged();
  }

  /// A crash came between the two steps of JournalWriter::consume().
  Result<void> finish_decided() {
    done_.how = MovedSpool::How::merged;
    Result<void> done = disk_.rename(staged_.directory(), staged_.name, new_.journal.name);
    if (done) done = disk_.sync_directory(new_.journal.directory());
    if (done) done = finish_update(new_, *new_lock_);
    if (done) (void)disk_.remove(new_.index.directory(), new_.index.name);
    return done;
  }

  Result<bool> old_still_has(const Fd& staged) {
    if (!old_lock_->has_file()) return false;
    const Result<FileStatus> status = disk_.status(staged);
    if (!status) return std::unexpected(status.error());
    const auto refresh = [this] { return refresh_locks(); };
    const Result<ByteSum> sum = sum_of(disk_, staged, status->size, refresh);
    if (!sum) return std::unexpected(sum.error());
    return begins_with(disk_, old_lock_->file(), *sum, refresh);
  }

  Result<void> refresh_locks() {
    Result<void> fresh = old_lock_ ? old_lock_->refresh() : Result<void>{};
    return fresh && new_lock_ ? new_lock_->refresh() : fresh;
  }

  [[nodiscard]] FilePlace building() const { return staged_.sibling(staged_.name + ".new"); }

  /// Mail in two places would come back to a user who has deleted it from one. So it is copied
  /// where no session sees it, durably, and shown when the old place has let go of it.
  Result<void> stage(const Fd& mail, FileBytes size) {
    const FilePlace building = this->building();
    Result<std::optional<Fd>> file = create_mail_file(disk_, building);
    if (!file) return std::unexpected(std::move(file).error());
    if (!*file) return fail(Errc::busy, building.path() + " was made by another program");
    Result<void> done = copy_in_pieces(disk_, mail, **file, {.from = {0}, .to = {0}, .count = size},
                                       [this] { return refresh_locks(); });
    if (done) done = disk_.sync(**file);
    if (done) done = disk_.rename(staged_.directory(), building.name, staged_.name);
    if (done) done = disk_.sync_directory(staged_.directory());
    if (!done) (void)disk_.remove(building.directory(), building.name);
    return done;
  }

  /// Of what has been staged.
  Result<void> empty(const Fd& mail, FileBytes size) {
    Result<void> done = refresh_locks();
    if (done) done = check_size(mail, size);
    if (done) done = disk_.truncate(mail, {0});
    return done ? disk_.sync(mail) : done;
  }

  Result<void> merge_staged() {
    if (!new_lock_->has_file()) {
      if (Result<void> made = lock_new(SpoolLock::Missing::create); !made) return made;
    }
    const Result<Fd> mail =
        open_mail_file(disk_, staged_, O_RDWR, user_.uid, Exposure::not_accessible_by_others);
    if (!mail) return std::unexpected(mail.error());
    Result<void> done =
        merge_leftover(to_, new_, user_.uid, *new_lock_, *mail, LeftoverState::whole, staged_.name);
    if (done) (void)disk_.remove(new_.index.directory(), new_.index.name);
    if (done) done = remove_if_there(staged_);  // where all of it was there already
    return done ? disk_.sync_directory(staged_.directory()) : done;
  }

  Result<void> merge(const Fd& mail, LeftoverState state) {
    if (!new_lock_->has_file()) {
      if (done_.how == MovedSpool::How::renamed) old_lock_.reset();  // its locks went along
      if (Result<void> made = lock_new(SpoolLock::Missing::create); !made) return made;
    }
    const Result<FileStatus> seen = disk_.status(mail);
    if (!seen) return std::unexpected(seen.error());
    Result<void> done = merge_leftover(to_, new_, user_.uid, *new_lock_, mail, state);
    if (done) (void)disk_.remove(new_.index.directory(), new_.index.name);
    if (done && old_lock_) done = old_lock_->refresh();
    if (done) done = check_size(mail, seen->size);
    if (done) done = disk_.truncate(mail, {0});
    return done ? disk_.sync(mail) : done;
  }

  Result<void> check_size(const Fd& mail, FileBytes expected) {
    const Result<FileStatus> now = disk_.status(mail);
    return now ? check_nothing_arrived(*now, expected) : std::unexpected(now.error());
  }

  /// Who waits for its locks must not write into a file that has no name any more.
  Result<void> remove_old() {
    const OpenElsewhere open = is_open_elsewhere(old_lock_->file());
    if (open != OpenElsewhere::no) {
      done_.remarks.push_back(old_.spool.path() + (open == OpenElsewhere::yes ? " is" : " may be") +
                              " open in another program, and stays as an empty file");
      return {};
    }
    if (Result<void> empty = check_size(old_lock_->file(), {0}); !empty) return empty;
    Result<void> removed = disk_.remove(old_.spool.directory(), old_.spool.name);
    return removed ? disk_.sync_directory(old_.spool.directory()) : removed;
  }

  Result<void> bring_drop() {
    if (!old_session_) return {};
    const Result<FileBytes> left = old_session_->leftover_size();
    if (!left) return std::unexpected(left.error());
    if (left->count == 0) return {};
    done_.remarks.push_back("the mail of " + old_.drop.path() + " was merged, too");
    return merge(old_session_->file(), LeftoverState::may_be_torn);
  }

  Result<void> bring_the_rest() {
    Result<void> done = bring_file(old_.retrievals, new_.retrievals);
    if (done) done = bring_file(old_.warnings, new_.warnings);
    if (done) done = bring_file(old_.trash, new_.trash);
    if (done) done = bring_file(old_.undo, new_.undo);
    const Result<std::vector<std::uint32_t>> repairs = recorded_repairs(disk_, old_);
    if (!repairs) return std::unexpected(repairs.error());
    for (const std::uint32_t number : *repairs) {
      const RepairFiles from = RepairFiles::of(old_, number);
      const RepairFiles to = RepairFiles::of(new_, number);
      // The record last: the others mean nothing without it.
      if (done) done = bring_file(from.backup, to.backup);
      if (done) done = bring_file(from.quarantine, to.quarantine);
      if (done) done = bring_file(from.record, to.record);
    }
    const Result<bool> shares_ids = is_same_place(disk_, old_.uidl, new_.uidl);
    if (!shares_ids) return std::unexpected(shares_ids.error());
    if (done && !*shares_ids) done = remove_if_there(old_.uidl);
    if (done) done = remove_if_there(old_.index);
    if (done) done = disk_.sync_directory(new_.spool.directory());
    return done ? disk_.sync_directory(old_.spool.directory()) : done;
  }

  Result<void> remove_if_there(const FilePlace& place) {
    Result<void> removed = disk_.remove(place.directory(), place.name);
    return removed || removed.error().code != Errc::not_found ? removed : Result<void>{};
  }

  /// One that cannot be moved stays, and is told: no mail of the maildrop depends on it.
  Result<void> bring_file(const FilePlace& from, const FilePlace& to) {
    const Result<std::optional<FileStatus>> there = status(from);
    if (!there) return std::unexpected(there.error());
    if (!*there) return {};
    const Result<bool> same = is_same_place(disk_, from, to);
    if (!same) return std::unexpected(same.error());
    if (*same) return {};
    const Result<void> moved = disk_.move(from.directory(), from.name, to.directory(), to.name);
    if (!moved) done_.remarks.push_back(from.path() + " stays: " + moved.error().text);
    return {};
  }

  const MaildropContext& from_;
  const MaildropContext& to_;
  Disk& disk_;
  const MailUser& user_;
  const MaildropLocation& old_;
  const MaildropLocation& new_;
  FilePlace staged_;

  std::optional<SessionLock> new_session_, old_session_;
  std::optional<SpoolLock> old_lock_, new_lock_;
  MovedSpool done_;
};

}  // namespace

Result<MovedSpool> move_spool(const MaildropContext& from, const MaildropContext& to,
                              const MailUser& user) {
  const Result<std::filesystem::path> old_path = spool_path(from.settings, user);
  if (!old_path) return std::unexpected(old_path.error());
  const Result<std::filesystem::path> new_path = spool_path(to.settings, user);
  if (!new_path) return std::unexpected(new_path.error());
  if (old_path->lexically_normal() == new_path->lexically_normal()) {
    return MovedSpool{.from = old_path->native(), .to = new_path->native()};
  }
  const Result<MaildropLocation> old_place = locate_maildrop(from.disk, from.settings, user);
  if (!old_place && old_place.error().code == Errc::not_found) {
    return MovedSpool{.from = old_path->native(), .to = new_path->native()};  // no directory
  }
  if (!old_place) return std::unexpected(old_place.error());
  const Result<MaildropLocation> new_place = locate_maildrop(to.disk, to.settings, user);
  if (!new_place) return std::unexpected(new_place.error());
  const Result<bool> same = is_same_place(to.disk, old_place->spool, new_place->spool);
  if (!same) return std::unexpected(same.error());
  if (*same) return MovedSpool{.from = old_path->native(), .to = new_path->native()};
  return SpoolMove{from, to, user, *old_place, *new_place}.run();
}

}  // namespace pop
