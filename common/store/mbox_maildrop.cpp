#include "store/mbox_maildrop.h"

#include <algorithm>
#include <utility>

#include "store/delivery.h"
#include "store/imported_ids_file.h"
#include "store/leftover_mail.h"
#include "store/message_readers.h"
#include "store/scan_options.h"
#include "store/spool_file.h"
#include "store/spool_journal.h"
#include "store/spool_trash.h"

namespace pop {

Result<std::unique_ptr<Maildrop>> MboxMaildrop::open(const MaildropContext& context,
                                                     const MailUser& user,
                                                     MaildropLocation location) {
  Result<SessionLock> session = SessionLock::acquire(context, location.drop, user);
  if (!session) return std::unexpected(std::move(session).error());
  std::unique_ptr<MboxMaildrop> maildrop{
      new MboxMaildrop{context, user, std::move(location), std::move(*session)}};
  Result<void> loaded = maildrop->load();
  if (!loaded) {
    return std::unexpected(
        std::move(loaded).error().in("open " + maildrop->location_.spool.path()));
  }
  if (context.settings.fast_update) maildrop->look_at_writers();
  return maildrop;
}

MboxMaildrop::MboxMaildrop(const MaildropContext& context, MailUser user, MaildropLocation location,
                           SessionLock session)
    : context_{context},
      user_{std::move(user)},
      location_{std::move(location)},
      session_{std::move(session)},
      options_{scan_options(context.settings)} {}

MboxMaildrop::~MboxMaildrop() {
  save_index();
}

/// A hint: without it the next open only costs a scan.
void MboxMaildrop::save_index() {
  if (!std::exchange(index_is_new_, false)) return;
  (void)index_.save(context_.disk, location_.index, user_.uid);
}

Result<std::size_t> MboxMaildrop::add(const OwnMail& mail) {
  const Result<std::vector<OwnMessage>> messages = find_unlisted(mail);
  if (!messages) return std::unexpected(messages.error());
  const Result<void> done =
      messages->empty() ? mail.confirm()
                        : append_own_to_spool(context_, user_, location_, *messages, mail.confirm);
  if (!done) return std::unexpected(done.error());
  return messages->size();
}

/// The index as it was is saved first: then only what came is read.
Result<void> MboxMaildrop::list_again() {
  save_index();
  listed_.clear();
  index_ = {};
  source_ = {};
  return load();
}

Result<void> MboxMaildrop::load() {
  const Result<bool> leftovers = leftovers_exist();
  if (!leftovers) return std::unexpected(leftovers.error());
  if (!*leftovers) {
    const Result<bool> loaded = load_unlocked();
    if (!loaded) return std::unexpected(loaded.error());
    if (*loaded) {
      fill_listed();
      return {};
    }
  }
  const auto missing = *leftovers ? SpoolLock::Missing::create : SpoolLock::Missing::accept;
  Result<SpoolLock> lock = SpoolLock::acquire(context_, location_.spool, user_.uid, missing);
  if (!lock) return std::unexpected(std::move(lock).error());
  Result<void> done = *leftovers ? recover(*lock) : finish_delivery(*lock);
  if (done) done = load_locked(*lock);
  if (done) fill_listed();
  return done;
}

void MboxMaildrop::look_at_writers() {
  const FilePlace& spool = location_.spool;
  const Result<FileStatus> file = context_.disk.status(spool.directory(), spool.name);
  const Result<FileStatus> directory = context_.disk.status(spool.in->fd);
  if (!file || !directory || writers_may_dotlock(*file, *directory)) return;
  remark(spool.path() + " can be written by its group, which cannot make the dotlock in " +
         spool.in->path.native() +
         ": fast-update is not used there; chmod g-w the file, or let the group write the "
         "directory");
}

Result<bool> MboxMaildrop::leftovers_exist() {
  const Result<FileBytes> in_drop = session_.leftover_size();
  if (!in_drop) return std::unexpected(in_drop.error());
  if (in_drop->count > 0) return true;
  if (location_.old_drop) {
    const Result<FileStatus> old =
        context_.disk.status(location_.old_drop->directory(), location_.old_drop->name);
    if (old && old->size.count > 0) return true;
    if (!old && old.error().code != Errc::not_found) return std::unexpected(old.error());
  }
  return journal_exists(context_.disk, location_.journal);
}

/// The cheap way: true if the maildrop is known without the spool lock and without reading mail.
Result<bool> MboxMaildrop::load_unlocked() {
  Result<Fd> spool = open_mail_file(context_.disk, location_.spool, O_RDONLY, user_.uid,
                                    Exposure::not_writable_by_others);
  if (!spool && spool.error().code == Errc::not_found) return true;
  if (!spool && spool.error().code == Errc::changed) return false;  // the lock waits for its writer
  if (!spool) return std::unexpected(std::move(spool).error());
  if (!context_.settings.server_mode) return false;
  const Result<FileStatus> now = context_.disk.status(*spool);
  if (!now) return std::unexpected(now.error());
  Result<SpoolIndex> index = SpoolIndex::load(context_.disk, location_.index, user_.uid);
  if (!index) return false;
  const Result<SpoolIndex::Freshness> fresh =
      index->freshness(context_.disk, *spool, *now, options_);
  if (!fresh) return std::unexpected(fresh.error());
  if (*fresh != SpoolIndex::Freshness::exact) return false;
  index_ = std::move(*index);
  source_ = std::move(*spool);
  source_status_ = *now;
  return true;
}

Result<void> MboxMaildrop::recover(SpoolLock& lock) {
  if (Result<void> done = recover_from_journal(lock); !done) return done;
  const Result<FileBytes> in_drop = session_.leftover_size();
  if (!in_drop) return std::unexpected(in_drop.error());
  if (in_drop->count > 0) {
    Result<void> merged = merge_and_empty(lock, session_.file());
    if (!merged) {
      return std::unexpected(std::move(merged).error().in("merge " + location_.drop.path()));
    }
  }
  if (!location_.old_drop) return {};
  return merge_old_drop(lock, *location_.old_drop);
}

Result<void> MboxMaildrop::merge_old_drop(SpoolLock& lock, const FilePlace& place) {
  const Result<FileStatus> there = context_.disk.status(place.directory(), place.name);
  if (!there && there.error().code == Errc::not_found) return {};
  if (!there) return std::unexpected(there.error());
  if (there->size.count == 0) return {};
  // The old program may serve from it at this moment. Letting go of the lock removes the file.
  const Result<SessionLock> old = SessionLock::acquire(context_, place, user_);
  Result<void> done = old ? merge_and_empty(lock, old->file()) : std::unexpected(old.error());
  if (!done) return std::unexpected(std::move(done).error().in("merge " + place.path()));
  return {};
}

Result<void> MboxMaildrop::recover_from_journal(SpoolLock& lock) {
  const Result<Recovery> recovery =
      recover_journal(context_.disk, location_.journal, lock, user_.uid);
  if (!recovery) return std::unexpected(recovery.error());
  if (*recovery != Recovery::foreign) return {};
  const Result<Fd> tail = journal_tail(context_.disk, location_.journal, user_.uid);
  if (!tail) return std::unexpected(tail.error());
  // The merge writes a journal of its own in the old one's place, in one step by rename.
  Result<void> merged =
      merge_leftover(context_, location_, user_.uid, lock, *tail, LeftoverState::may_be_torn);
  if (!merged) return merged;
  const Result<bool> left = journal_exists(context_.disk, location_.journal);
  if (!left) return std::unexpected(left.error());
  return *left ? remove_journal(context_.disk, location_.journal) : Result<void>{};
}

Result<void> MboxMaildrop::finish_delivery(SpoolLock& lock) {
  const Result<bool> journal = journal_exists(context_.disk, location_.journal);
  if (!journal) return std::unexpected(journal.error());
  if (!*journal || !lock.has_file()) return {};
  const Result<Recovery> recovery =
      recover_journal(context_.disk, location_.journal, lock, user_.uid);
  if (!recovery) return std::unexpected(recovery.error());
  if (*recovery != Recovery::foreign) return {};
  return fail(Errc::changed, location_.journal.path() +
                                 " belongs to another state of the spool; the next session merges "
                                 "its mail");
}

Result<void> MboxMaildrop::merge_and_empty(SpoolLock& lock, const Fd& leftover) {
  Result<void> done =
      merge_leftover(context_, location_, user_.uid, lock, leftover, LeftoverState::may_be_torn);
  if (done) done = context_.disk.truncate(leftover, {0});
  if (done) done = context_.disk.sync(leftover);
  return done;
}

Result<void> MboxMaildrop::load_locked(SpoolLock& lock) {
  if (!lock.has_file()) return {};
  Result<void> done = bring_index_up_to_date(lock);
  if (done) done = choose_source(lock);
  return done;
}

Result<void> MboxMaildrop::bring_index_up_to_date(SpoolLock& lock) {
  Disk& disk = context_.disk;
  const Fd& spool = lock.file();
  const Result<FileStatus> now = disk.status(spool);
  if (!now) return std::unexpected(now.error());
  Result<SpoolIndex> known = SpoolIndex::load(disk, location_.index, user_.uid);
  auto freshness = SpoolIndex::Freshness::stale;
  if (known) {
    const Result<SpoolIndex::Freshness> fresh = known->freshness(disk, spool, *now, options_);
    if (!fresh) return std::unexpected(fresh.error());
    freshness = *fresh;
  }
  if (freshness == SpoolIndex::Freshness::exact) {
    index_ = std::move(*known);
    return {};
  }
  if (Result<void> known_ids = know_imported_ids(); !known_ids) return known_ids;
  SpoolListing listing;
  if (freshness == SpoolIndex::Freshness::grown && !context_.settings.conservative_cache) {
    listing = std::move(known->listing);
  }
  Result<SpoolListing> whole = completed_listing(
      disk, spool, now->size, options_, std::move(listing), [&] { return lock.refresh(); });
  if (!whole) return std::unexpected(std::move(whole).error());
  if (context_.meter != nullptr && known && freshness == SpoolIndex::Freshness::stale) {
    context_.meter->changed_ids += changed_ids(known->listing, *whole);
  }
  Result<SpoolIndex> index = SpoolIndex::of(disk, spool, *now, options_, *std::move(whole));
  if (!index) return std::unexpected(std::move(index).error());
  index_ = std::move(*index);
  index_is_new_ = true;
  return {};
}

Result<void> MboxMaildrop::know_imported_ids() {
  if (knows_imported_ids_) return {};
  Result<std::shared_ptr<const ImportedIds>> ids =
      load_imported_ids(context_.disk, location_.uidl, user_.uid);
  if (!ids) return std::unexpected(std::move(ids).error());
  options_.imported = std::move(*ids);
  knows_imported_ids_ = true;
  if (options_.imported && options_.imported->not_understood() > 0) {
    remark(location_.uidl.path() + ": " + std::to_string(options_.imported->not_understood()) +
           " lines are not understood; the messages they are for have other unique-ids");
  }
  return {};
}

Result<void> MboxMaildrop::choose_source(SpoolLock& lock) {
  Disk& disk = context_.disk;
  if (index_.listing.messages.empty()) return {};
  const bool wants_copy = !context_.settings.server_mode;
  Result<Fd> source = wants_copy ? copied_spool(lock) : spool_to_read();
  if (!source && wants_copy && source.error().code == Errc::full) {
    // Who deletes mail makes room, so a full disk must not keep users from theirs.
    remark(source.error().text + "; serving " + user_.name +
           " from the spool itself, as with server-mode, until there is room");
    source = spool_to_read();
  }
  if (!source) return std::unexpected(std::move(source).error());
  source_ = std::move(*source);
  const Result<FileStatus> status = disk.status(source_);
  if (!status) return std::unexpected(status.error());
  source_status_ = *status;
  return {};
}

/// A descriptor of its own: locks of the other one must not live on with it.
Result<Fd> MboxMaildrop::spool_to_read() {
  return open_mail_file(context_.disk, location_.spool, O_RDONLY, user_.uid,
                        Exposure::not_writable_by_others);
}

Result<Fd> MboxMaildrop::copied_spool(SpoolLock& lock) {
  Result<Fd> copy = context_.disk.open_unnamed(location_.drop.directory(), 0600);
  Result<void> copied = copy ? copy_spool(lock, *copy) : std::unexpected(copy.error());
  if (copied) return copy;
  return std::unexpected(
      std::move(copied).error().in("copy the spool to " + location_.drop.in->path.native()));
}

Result<void> MboxMaildrop::copy_spool(SpoolLock& lock, const Fd& copy) {
  const FileBytes size = index_.listing.size;
  Result<void> reserved = context_.disk.reserve(copy, size);
  if (!reserved) return reserved;
  return copy_in_pieces(context_.disk, lock.file(), copy, {.from = {0}, .to = {0}, .count = size},
                        [&] { return lock.refresh(); });
}

void MboxMaildrop::fill_listed() {
  listed_.clear();
  listed_.reserve(index_.listing.messages.size());
  for (const SpoolMessage& message : index_.listing.messages) {
    if ((message.flags & internal_flag) != 0) continue;
    listed_.push_back({.size = message.wire,
                       .unique_id = index_.listing.id_of(message),
                       .retrieved = (message.flags & retrieved_flag) != 0,
                       .header = header_kind_of(message),
                       .fingerprint = message.fingerprint});
  }
}

/// Only the first message can be hidden.
std::size_t MboxMaildrop::position_of(MessageNumber number) const {
  return number.index() + hidden();
}

Result<std::unique_ptr<MessageReader>> MboxMaildrop::open(MessageNumber number) {
  return open_spool_message(
      {.disk = context_.disk,
       .file = source_,
       .seen = source_status_,
       .format = index_.listing.format,
       .options = options_},
      index_.listing.messages[position_of(number)],
      "message " + std::to_string(number.value) + " of " + location_.spool.path());
}

SpoolChange MboxMaildrop::change_of(const SessionOutcome& outcome) const {
  SpoolChange change{index_.listing.messages.size()};
  for (std::size_t i = 0; i < listed_.size(); ++i) {
    const MessageNumber number{static_cast<std::uint32_t>(i + 1)};
    const std::size_t position = position_of(number);
    change.listed[position] = true;
    change.erase[position] = outcome.deleted.contains(number);
    change.mark_retrieved[position] = outcome.retrieved.contains(number);
  }
  return change;
}

bool MboxMaildrop::changes_anything(const SpoolChange& change) const {
  for (std::size_t i = 0; i < change.erase.size(); ++i) {
    if (change.erase[i]) return true;
    const bool known = (index_.listing.messages[i].flags & retrieved_flag) != 0;
    if (context_.settings.update_status_headers && change.mark_retrieved[i] && !known) return true;
  }
  return false;
}

Result<void> MboxMaildrop::commit(const SessionOutcome& outcome) {
  const SpoolChange change = change_of(outcome);
  for_undo_ = outcome.for_undo;
  if (!changes_anything(change)) return {};
  const bool erases = std::ranges::find(change.erase, true) != change.erase.end();
  Result<SpoolLock> lock = SpoolLock::acquire(context_, location_.spool, user_.uid);
  Result<void> done =
      lock ? commit_locked(*lock, change) : std::unexpected(std::move(lock).error());
  if (done) return {};
  index_is_new_ = false;
  // Nothing was asked to go, and there was no room to begin: the missing mark costs nobody a
  // message.
  if (!erases && done.error().code == Errc::full && !change_was_decided()) return {};
  return std::unexpected(std::move(done).error().in("update " + location_.spool.path()));
}

bool MboxMaildrop::change_was_decided() {
  const Result<bool> journal = journal_exists(context_.disk, location_.journal);
  return !journal || *journal;
}

Result<void> MboxMaildrop::commit_locked(SpoolLock& lock, const SpoolChange& change) {
  if (!lock.has_file()) return {};  // somebody removed the spool: nothing is left to delete
  if (Result<void> done = finish_delivery(lock); !done) return done;
  Result<Current> current = see_current(lock, change);
  if (!current) return std::unexpected(std::move(current).error());
  const SpoolListing& listing = current->read_anew ? *current->read_anew : index_.listing;
  Result<SpoolListing> left = rewrite(lock, listing, current->change);
  if (!left) return std::unexpected(std::move(left).error());
  const Result<FileStatus> now = context_.disk.status(lock.file());
  if (now) {
    Result<SpoolIndex> index =
        SpoolIndex::of(context_.disk, lock.file(), *now, options_, std::move(*left));
    index_is_new_ = index.has_value();
    if (index) {
      listed_.clear();
      index_ = std::move(*index);
    }
  }
  if (current->changed == 0) return {};
  return fail(Errc::changed, std::to_string(current->changed) +
                                 " messages were changed by another program during the session "
                                 "and stay");
}

/// What is kept for undo was asked for, so without room for both nothing is changed.
Result<SpoolListing> MboxMaildrop::rewrite(SpoolLock& lock, const SpoolListing& listing,
                                           const SpoolChange& change) {
  const Result<bool> kept = keep_for_undo(lock, listing, change);
  if (!kept) return std::unexpected(kept.error());
  const Result<FileStatus> before = spool_status();
  Result<SpoolListing> left = rewrite_with_trash(lock, listing, change);
  if (left || left.error().code != Errc::full || !*kept || !is_untouched(before)) return left;
  (void)context_.disk.remove(location_.undo.directory(), location_.undo.name);
  return std::unexpected(not_kept_for_undo(std::move(left).error()));
}

Result<FileStatus> MboxMaildrop::spool_status() const {
  return context_.disk.status(location_.spool.directory(), location_.spool.name);
}

bool MboxMaildrop::is_untouched(const Result<FileStatus>& before) {
  if (change_was_decided()) return false;
  const Result<FileStatus> now = spool_status();
  return before && now && now->same_file(*before) && now->size == before->size &&
         now->same_times(*before);
}

Result<bool> MboxMaildrop::keep_for_undo(SpoolLock& lock, const SpoolListing& listing,
                                         const SpoolChange& change) {
  if (for_undo_ == ForUndo::nothing) return false;
  return copy_for_undo(context_, location_, user_.uid, lock, listing, change.erase);
}

/// Who deletes mail makes room, so a full disk must not keep users from it: where the trash leaves
/// none for the rewriting, it goes without.
Result<SpoolListing> MboxMaildrop::rewrite_with_trash(SpoolLock& lock, const SpoolListing& listing,
                                                      const SpoolChange& change) {
  Result<std::optional<Trash>> kept = keep_in_trash(lock, listing, change);
  if (!kept) return std::unexpected(std::move(kept).error());
  const Result<FileStatus> before = spool_status();
  Result<SpoolListing> left = rewrite_spool(context_, location_, user_.uid, lock, listing, change);
  if (left || left.error().code != Errc::full || !*kept) return left;
  if (!is_untouched(before) || !(*kept)->withdraw()) return left;
  remark(no_room_for_trash);
  return rewrite_spool(context_, location_, user_.uid, lock, listing, change);
}

Result<std::optional<Trash>> MboxMaildrop::keep_in_trash(SpoolLock& lock,
                                                         const SpoolListing& listing,
                                                         const SpoolChange& change) {
  if (context_.settings.trash_days <= 0) return std::nullopt;
  Result<std::optional<Trash>> kept =
      copy_to_trash(context_, location_, user_.uid, lock, listing, change.erase);
  if (kept || kept.error().code != Errc::full) return kept;
  remark(no_room_for_trash);
  return std::nullopt;
}

Result<MboxMaildrop::Current> MboxMaildrop::see_current(SpoolLock& lock,
                                                        const SpoolChange& change) {
  Disk& disk = context_.disk;
  const Fd& spool = lock.file();
  const Result<FileStatus> now = disk.status(spool);
  if (!now) return std::unexpected(now.error());
  const Result<SpoolIndex::Freshness> fresh = index_.freshness(disk, spool, *now, options_);
  if (!fresh) return std::unexpected(fresh.error());
  if (*fresh == SpoolIndex::Freshness::exact) return Current{std::nullopt, change};
  if (Result<void> known_ids = know_imported_ids(); !known_ids) {
    return std::unexpected(std::move(known_ids).error());
  }
  SpoolListing listing;
  if (*fresh == SpoolIndex::Freshness::grown) {
    const Result<bool> stand = erased_still_stand(lock, change);
    if (!stand) return std::unexpected(stand.error());
    if (*stand) listing = index_.listing;
  }
  Result<SpoolListing> whole = completed_listing(
      disk, spool, now->size, options_, std::move(listing), [&] { return lock.refresh(); });
  if (!whole) return std::unexpected(std::move(whole).error());
  return relocate(*std::move(whole), change);
}

Result<bool> MboxMaildrop::erased_still_stand(SpoolLock& lock, const SpoolChange& change) {
  for (std::size_t i = 0; i < change.erase.size(); ++i) {
    if (!change.erase[i]) continue;
    const Result<bool> stands =
        still_stands(context_.disk, lock.file(), index_.listing.messages[i], index_.listing.format,
                     options_, [&] { return lock.refresh(); });
    if (!stands || !*stands) return stands;
  }
  return true;
}

MboxMaildrop::Current MboxMaildrop::relocate(SpoolListing now, const SpoolChange& change) const {
  const std::vector<std::size_t> where = relocated(index_.listing, now);
  Current current{std::nullopt, SpoolChange{now.messages.size()}};
  std::vector<std::string_view> lost;
  for (std::size_t i = 0; i < where.size(); ++i) {
    if (where[i] == npos) {
      if (change.erase[i]) lost.push_back(index_.listing.id_of(index_.listing.messages[i]));
      continue;
    }
    current.change.listed[where[i]] = change.listed[i];
    current.change.erase[where[i]] = change.erase[i];
    current.change.mark_retrieved[where[i]] = change.mark_retrieved[i];
  }
  std::ranges::sort(lost);
  for (const SpoolMessage& message : now.messages) {
    if (std::ranges::binary_search(lost, now.id_of(message))) ++current.changed;
  }
  current.read_anew = std::move(now);
  return current;
}

}  // namespace pop
