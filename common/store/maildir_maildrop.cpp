#include "store/maildir_maildrop.h"

#include <algorithm>
#include <utility>

#include "store/delivery.h"
#include "store/maildir_delivery.h"
#include "store/maildir_name.h"
#include "store/message_readers.h"
#include "store/scan_options.h"
#include "store/spool_trash.h"

namespace pop {
namespace {

/// Each look for new names lists both directories. Another program that renames faster than that
/// must not keep a session busy for ever.
constexpr int name_searches_at_most = 100;
constexpr int tries_at_most = 5;
constexpr std::size_t longest_place = 5;  // "new/" and the LF behind the name

/// No Maildir has been made yet; it becomes one when something is added.
class EmptyMaildrop final : public Maildrop {
 public:
  EmptyMaildrop(const MaildropContext& context, const MailUser& user, const MaildropLocation& spool)
      : context_{context}, user_{user}, spool_{spool} {}

  std::span<const MessageInfo> messages() const override {
    return made_ ? made_->messages() : std::span<const MessageInfo>{};
  }
  std::size_t hidden() const override { return made_ ? made_->hidden() : 0; }
  const FilePlace* retrievals() const override { return made_ ? made_->retrievals() : nullptr; }
  Result<std::unique_ptr<MessageReader>> open(MessageNumber number) override {
    if (made_) return made_->open(number);
    return fail(Errc::usage, "there is no message " + std::to_string(number.value));
  }
  Result<std::size_t> add(const OwnMail& mail) override {
    if (made_) return made_->add(mail);
    const Result<std::vector<OwnMessage>> messages = mail.find();
    Result<void> done = messages ? Result<void>{} : std::unexpected(messages.error());
    const bool is_wanted = messages && !messages->empty();
    if (done) done = is_wanted ? make() : mail.confirm();
    if (!done) return std::unexpected(std::move(done).error());
    return made_ ? made_->add(mail) : Result<std::size_t>{0};
  }
  Result<void> list_again() override { return made_ ? made_->list_again() : Result<void>{}; }
  Result<void> commit(const SessionOutcome& outcome) override {
    return made_ ? made_->commit(outcome) : Result<void>{};
  }

 private:
  Result<void> make() {
    Result<void> done = make_maildir(context_.disk, spool_.spool);
    if (!done && done.error().code != Errc::busy) return done;  // another one made it
    Result<std::unique_ptr<Maildrop>> made = MaildirMaildrop::open(context_, user_, spool_);
    if (!made) return std::unexpected(std::move(made).error());
    made_ = std::move(*made);
    return {};
  }

  MaildropContext context_;
  MailUser user_;
  MaildropLocation spool_;
  std::unique_ptr<Maildrop> made_;
};

}  // namespace

Result<std::unique_ptr<Maildrop>> MaildirMaildrop::open(const MaildropContext& context,
                                                        const MailUser& user,
                                                        const MaildropLocation& spool) {
  for (int tries = 0; tries < tries_at_most; ++tries) {
    Result<std::optional<MaildirLocation>> location =
        locate_maildir(context.disk, context.settings, user, spool);
    if (!location) return std::unexpected(std::move(location).error());
    if (!*location) return std::make_unique<EmptyMaildrop>(context, user, spool);
    Result<SessionLock> session = SessionLock::acquire(context, (*location)->drop, user);
    const Result<bool> in_place = is_in_place(context.disk, spool.spool, **location);
    if (in_place && !*in_place) continue;  // it was converted since it was located
    if (!session) return std::unexpected(std::move(session).error());
    if (!in_place) return std::unexpected(in_place.error());
    std::unique_ptr<MaildirMaildrop> maildrop{
        new MaildirMaildrop{context, user, std::move(**location), std::move(*session)}};
    if (Result<void> loaded = maildrop->load(); !loaded) {
      return std::unexpected(
          std::move(loaded).error().in("open " + maildrop->location_.root->path.native()));
    }
    return maildrop;
  }
  return fail(Errc::busy, spool.spool.path() + " is replaced again and again");
}

MaildirMaildrop::MaildirMaildrop(const MaildropContext& context, MailUser user,
                                 MaildirLocation location, SessionLock session)
    : context_{context},
      user_{std::move(user)},
      location_{std::move(location)},
      session_{std::move(session)} {}

MaildirMaildrop::~MaildirMaildrop() {
  save_index();
}

/// A hint: without it the next open only costs reading.
void MaildirMaildrop::save_index() {
  if (!std::exchange(index_is_new_, false)) return;
  (void)index_.save(context_.disk, location_.index, user_.uid);
}

Result<std::size_t> MaildirMaildrop::add(const OwnMail& mail) {
  const Result<std::vector<OwnMessage>> messages = find_unlisted(mail);
  if (!messages) return std::unexpected(messages.error());
  const Result<void> done = messages->empty()
                                ? mail.confirm()
                                : add_own_to_maildir(context_, location_, *messages, mail.confirm);
  if (!done) return std::unexpected(done.error());
  return messages->size();
}

Result<void> MaildirMaildrop::list_again() {
  save_index();
  listed_.clear();
  order_.clear();
  index_ = {};
  return load();
}

MaildirSource MaildirMaildrop::source() const {
  return {context_.disk, context_.clock, location_, user_.uid};
}

Result<void> MaildirMaildrop::load() {
  const UniqueIdRecipe recipe = scan_options(context_.settings).recipe;
  Result<MaildirIndex> index = MaildirIndex::load(context_.disk, location_.index, user_.uid);
  if (index && index->recipe == recipe) index_ = std::move(*index);
  index_.recipe = recipe;
  const Result<MaildirChange> change = refresh(source(), index_);
  if (!change) return std::unexpected(change.error());
  index_is_new_ = *change == MaildirChange::something;
  fill_listed();
  return {};
}

void MaildirMaildrop::fill_listed() {
  order_ = shown_order(index_.listing);
  listed_.reserve(order_.size());
  for (const std::uint32_t index : order_) {
    const MaildirMessage& message = index_.listing.messages[index];
    listed_.push_back(
        {.size = message.wire,
         .unique_id = index_.listing.id_of(message),
         .retrieved = parse_maildir_name(index_.listing.name_of(message)).has_flag('S'),
         .header = {.may_have_utf8 = (message.flags & header_utf8_flag) != 0,
                    .is_unended = (message.flags & header_unended_flag) != 0},
         .fingerprint = message.fingerprint});
  }
}

const Fd& MaildirMaildrop::directory_of(const MaildirMessage& message) const {
  return location_.places[message.place()];
}

std::string MaildirMaildrop::name_of(const MaildirMessage& message) const {
  return std::string{index_.listing.name_of(message)};
}

// Reading

Result<std::unique_ptr<MessageReader>> MaildirMaildrop::open(MessageNumber number) {
  MaildirMessage& message = at(number);
  const std::string which = "message " + std::to_string(number.value) + " of " +
                            location_.root->path.native() + " (" + name_of(message) + ")";
  Result<std::optional<CheckedFile>> opened = open_listed(message);
  if (!opened) return std::unexpected(std::move(opened).error().in(which));
  if (!*opened) return fail(Errc::changed, which + " was removed by another program");
  const Result<bool> same = is_as_listed(message, **opened);
  if (!same) return std::unexpected(Error{same.error()}.in(which));
  if (!*same && message.inode == 0) {
    return fail(Errc::changed, which + " is not what was listed: another program changed it");
  }
  if (!*same) {
    prove_all();
    return fail(Errc::changed, which +
                                   ": the size after \",W=\" in its name is wrong; the sizes of "
                                   "all messages were read anew for the next session");
  }
  return open_file_message(context_.disk, std::move((*opened)->file), (*opened)->status);
}

/// nullopt: the message has gone.
Result<std::optional<MaildirMaildrop::CheckedFile>> MaildirMaildrop::open_listed(
    MaildirMessage& message) {
  for (int tries = 0; tries < tries_at_most; ++tries) {
    Result<Fd> file = context_.disk.open(directory_of(message).get(), name_of(message), O_RDONLY);
    if (file) {
      const Result<FileStatus> status = context_.disk.status(*file);
      if (!status) return std::unexpected(status.error());
      if (!status->is_regular() || status->owner != user_.uid) return std::nullopt;
      return CheckedFile{std::move(*file), *status};
    }
    if (file.error().code != Errc::not_found) return std::unexpected(std::move(file).error());
    const Result<bool> found = found_again(message);
    if (!found) return std::unexpected(found.error());
    if (!*found) return std::nullopt;
  }
  return fail(Errc::changed, "another program renames it all the time");
}

/// Reads the file where a look at it does not tell. Learns from what it finds: the index becomes
/// right for the next session.
Result<bool> MaildirMaildrop::is_as_listed(MaildirMessage& message, const CheckedFile& opened) {
  const bool untouched = is_untouched(message, opened.status);
  const bool proven = (message.flags & proven_flag) != 0;
  if (untouched && proven) return true;
  MessageScanner scanner{index_.recipe};
  const Result<ReadMessage> read = read_maildir_message(context_.disk, opened.file, opened.status,
                                                        {}, scanner, Believe::only_content);
  if (!read) return std::unexpected(read.error());
  const MaildirMessage& now = read->message;
  index_is_new_ = true;
  const bool same = now.size == message.size && now.wire == message.wire &&
                    (untouched || (proven && now.fingerprint == message.fingerprint));
  if (!same && !untouched) {
    distrust(message);
    return false;
  }
  message.inode = now.inode;
  message.modified_seconds = now.modified_seconds;
  message.modified_nanoseconds = now.modified_nanoseconds;
  message.wire = now.wire;
  message.fingerprint = now.fingerprint;
  message.flags &= static_cast<std::uint16_t>(~content_maildir_flags);
  message.flags |= now.flags & content_maildir_flags;
  return same;
}

/// Where one name tells a wrong size, others do, and a client should not learn of each in a session
/// of its own.
void MaildirMaildrop::prove_all() {
  for (MaildirMessage& message : index_.listing.messages) {
    if ((message.flags & proven_flag) != 0) continue;
    const Result<std::optional<CheckedFile>> opened = open_listed(message);
    if (opened && *opened) (void)is_as_listed(message, **opened);
  }
}

/// The next session reads the file anew.
void MaildirMaildrop::distrust(MaildirMessage& message) {
  message.inode = 0;
  for (const MaildirPlace place : maildir_places) index_.proof[place].settled = false;
}

// Names that other programs change

/// False: there is no file with this base name any more.
Result<bool> MaildirMaildrop::found_again(MaildirMessage& message) {
  const std::string before = name_of(message);
  const MaildirPlace place_before = message.place();
  if (Result<void> seen = see_new_names(); !seen) return std::unexpected(seen.error());
  return name_of(message) != before || message.place() != place_before;
}

Result<void> MaildirMaildrop::see_new_names() {
  if (++name_searches_ > name_searches_at_most) {
    return fail(Errc::changed, "other programs rename messages all the time");
  }
  for (const MaildirPlace place : maildir_places) {
    if (!location_.places[place].is_open()) continue;
    Result<void> listed = context_.disk.list(
        location_.places[place].get(), [&](const ListedName& name) { see_name(place, name); });
    if (!listed) return listed;
  }
  return {};
}

void MaildirMaildrop::see_name(MaildirPlace place, const ListedName& listed) {
  if (listed.name.starts_with('.') || !listed.may_be_regular) return;
  MaildirListing& listing = index_.listing;
  const MaildirName name = parse_maildir_name(listed.name);
  const auto key = [&](const MaildirMessage& message) {
    return std::pair{message.delivered, listing.base_of(message)};
  };
  const auto same_base =
      std::ranges::equal_range(listing.messages, std::pair{name.delivered, name.base}, {}, key);
  for (MaildirMessage& message : same_base) {
    // Some file systems list other inode numbers than they tell; what is found is looked at again.
    if (message.inode != listed.inode && same_base.size() > 1) continue;
    if (message.place() == place && listing.name_of(message) == listed.name) continue;
    listing.rename(message, place, listed.name);
    index_is_new_ = true;
  }
}

// Changing

Result<void> MaildirMaildrop::commit(const SessionOutcome& outcome) {
  if (outcome.for_undo == ForUndo::deleted && outcome.deleted.count() > 0) {
    if (Result<void> kept = keep_for_undo(outcome.deleted); !kept) {
      return std::unexpected(not_kept_for_undo(std::move(kept).error()));
    }
  }
  if (Result<void> kept = keep_deleted(outcome.deleted); !kept) {
    return std::unexpected(std::move(kept).error().in("keep deleted messages"));
  }
  const Result<void> removed = remove_all(outcome.deleted);
  Result<void> marked = mark_all(outcome);
  Result<void> synced = sync_changed();
  forget(outcome.deleted);
  for (const Result<void>& done : {removed, synced, marked}) {
    if (done) continue;
    return std::unexpected(Error{done.error()}.in("update " + location_.root->path.native()));
  }
  return {};
}

/// Into the trash, durably, before any of them goes. Who deletes mail makes room, so a full disk
/// must not keep users from it.
Result<void> MaildirMaildrop::keep_deleted(const MessageSet& deleted) {
  if (context_.settings.trash_days <= 0 || deleted.count() == 0) return {};
  Result<void> kept = fill_trash(deleted);
  if (kept || kept.error().code != Errc::full) return kept;
  remark(no_room_for_trash);
  return {};
}

Result<void> MaildirMaildrop::keep_for_undo(const MessageSet& deleted) {
  return replace_trash(context_.disk, location_.undo, user_.uid, trashed(deleted),
                       [this](Trash& trash, const TrashedMessage& message) {
                         return add_to_trash(trash, message,
                                             {static_cast<std::uint32_t>(message.at.count)});
                       });
}

/// With the number of the message for its place.
std::vector<TrashedMessage> MaildirMaildrop::trashed(const MessageSet& deleted) const {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch());
  std::vector<TrashedMessage> all;
  for (std::size_t i = 0; i < listed_.size(); ++i) {
    const MessageNumber number{static_cast<std::uint32_t>(i + 1)};
    if (!deleted.contains(number)) continue;
    const MaildirMessage& message = index_.listing.messages[order_[i]];
    // A name may begin with more than any time.
    const bool is_time = std::in_range<std::int64_t>(message.delivered);
    all.push_back({.deleted = now.count(),
                   .delivered = is_time ? static_cast<std::int64_t>(message.delivered) : 0,
                   .form = TrashedForm::maildir,
                   .separator = {longest_place + index_.listing.name_of(message).size()},
                   .content = message.size,
                   .rest = {},
                   .unique_id = std::string{index_.listing.id_of(message)},
                   .at = {number.value}});
  }
  return all;
}

Result<void> MaildirMaildrop::fill_trash(const MessageSet& deleted) {
  const std::vector<TrashedMessage> all = trashed(deleted);
  std::vector<TrashedMessage> coming;
  FileBytes size;
  for (const std::size_t i : fitting_trash(all, context_.settings)) {
    coming.push_back(all[i]);
    size += all[i].size();
  }
  Disk& disk = context_.disk;
  Result<void> done =
      make_room_in_trash(disk, context_.clock, context_.settings, location_.trash, user_.uid, size);
  if (!done) return done;
  Result<Trash> trash = Trash::open_to_add(disk, location_.trash, user_.uid);
  if (!trash) return std::unexpected(std::move(trash).error());
  done = trash->reserve(coming);
  for (const TrashedMessage& message : coming) {
    if (done) done = add_to_trash(*trash, message, {static_cast<std::uint32_t>(message.at.count)});
  }
  if (done) done = trash->finish();
  if (!done) (void)trash->withdraw();
  return done;
}

/// What another program has changed stays, and needs no trash; what it has removed is gone. A first
/// refusal may be about a wrong size in the name only, and the right one is known from then on.
Result<void> MaildirMaildrop::add_to_trash(Trash& trash, TrashedMessage message,
                                           MessageNumber number) {
  Result<std::unique_ptr<MessageReader>> reader = open(number);
  if (!reader && reader.error().code == Errc::changed) reader = open(number);
  message.content = at(number).size;
  if (!reader && reader.error().code == Errc::changed) return {};
  if (!reader) return std::unexpected(reader.error());
  const MaildirMessage& listed = at(number);
  const std::string file =
      std::string{directory_name(listed.place())} + "/" + name_of(listed) + "\n";
  message.separator = {file.size()};
  Result<void> begun = trash.begin(message);
  if (begun) begun = trash.append(file);
  if (!begun) return begun;
  std::vector<char> piece(std::size_t{64} << 10);
  for (;;) {
    const Result<std::size_t> got = (*reader)->read(piece);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return trash.end();
    if (Result<void> put = trash.append({piece.data(), *got}); !put) return put;
  }
}

/// Goes on after a failure, since each message is for itself, and tells of the first one.
Result<void> MaildirMaildrop::remove_all(const MessageSet& deleted) {
  Result<void> first;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < listed_.size(); ++i) {
    const MessageNumber number{static_cast<std::uint32_t>(i + 1)};
    if (!deleted.contains(number)) continue;
    const Result<Removal> removal = remove(at(number));
    if (!removal && first) first = std::unexpected(removal.error());
    if (removal && *removal == Removal::changed) ++changed;
  }
  if (first && changed > 0) {
    return fail(Errc::changed, std::to_string(changed) +
                                   " messages were changed by another program during the session "
                                   "and stay");
  }
  return first;
}

Result<MaildirMaildrop::Removal> MaildirMaildrop::remove(MaildirMessage& message) {
  for (int tries = 0; tries < tries_at_most; ++tries) {
    const Result<FileStatus> status =
        context_.disk.status(directory_of(message).get(), name_of(message));
    if (status && !is_untouched(message, *status)) {
      Result<std::optional<CheckedFile>> opened = open_listed(message);
      if (!opened) return std::unexpected(std::move(opened).error());
      if (!*opened) return Removal::gone_already;
      const Result<bool> same = is_as_listed(message, **opened);
      if (!same) return std::unexpected(same.error());
      if (!*same) return Removal::changed;
    }
    const MaildirPlace place = message.place();
    Result<void> removed =
        status ? context_.disk.remove(location_.places[place].get(), name_of(message))
               : Result<void>{std::unexpected(status.error())};
    if (removed) changed_[place] = true;
    if (removed && (message.flags & two_names_flag) == 0) return Removal::done;
    if (!removed && removed.error().code != Errc::not_found)
      return std::unexpected(removed.error());
    const Result<bool> found = found_again(message);
    if (!found) return std::unexpected(found.error());
    if (!*found) return removed ? Removal::done : Removal::gone_already;
  }
  return fail(Errc::changed, "another program renames " + name_of(message) + " all the time");
}

bool MaildirMaildrop::is_to_be_marked(const SessionOutcome& outcome, MessageNumber number) const {
  return context_.settings.update_status_headers && outcome.retrieved.contains(number) &&
         !outcome.deleted.contains(number) && !listed_[number.index()].retrieved;
}

/// A missing mark costs nobody a message, so a full disk is no reason to complain.
Result<void> MaildirMaildrop::mark_all(const SessionOutcome& outcome) {
  Result<void> first;
  for (std::size_t i = 0; i < listed_.size(); ++i) {
    const MessageNumber number{static_cast<std::uint32_t>(i + 1)};
    if (!is_to_be_marked(outcome, number)) continue;
    Result<void> marked = mark_seen(at(number));
    if (!marked && first && marked.error().code != Errc::full) first = std::move(marked);
  }
  return first;
}

Result<void> MaildirMaildrop::mark_seen(MaildirMessage& message) {
  const Fd& seen_directory = location_.places.seen;
  if (!seen_directory.is_open()) return {};
  for (int tries = 0; tries < tries_at_most; ++tries) {
    const MaildirPlace place = message.place();
    const std::string name = name_of(message);
    const std::optional<std::string> seen = seen_maildir_name(name);
    if (!seen || (*seen == name && place == MaildirPlace::seen)) return {};
    Result<void> moved =
        context_.disk.move(directory_of(message).get(), name, seen_directory.get(), *seen);
    if (moved) {
      changed_[place] = changed_.seen = true;
      index_.listing.rename(message, MaildirPlace::seen, *seen);
      return {};
    }
    if (moved.error().code == Errc::busy) return drop_second_name(message, *seen);
    if (moved.error().code != Errc::not_found) return moved;
    const Result<bool> found = found_again(message);
    if (!found) return std::unexpected(found.error());
    if (!*found) return {};
  }
  return {};
}

/// The name that a message should get is taken: by itself, after a crash while it was moved; or by
/// another file, and then both stay as they are.
Result<void> MaildirMaildrop::drop_second_name(MaildirMessage& message, const std::string& seen) {
  const Result<FileStatus> there = context_.disk.status(location_.places.seen.get(), seen);
  if (!there || !is_untouched(message, *there)) return {};
  const MaildirPlace place = message.place();
  if (Result<void> removed = context_.disk.remove(directory_of(message).get(), name_of(message));
      !removed) {
    return removed.error().code == Errc::not_found ? Result<void>{} : removed;
  }
  changed_[place] = changed_.seen = true;
  index_.listing.rename(message, MaildirPlace::seen, seen);
  return {};
}

/// `cur` first: what was moved there must not lose its old name before the new one is durable.
Result<void> MaildirMaildrop::sync_changed() {
  Result<void> first;
  for (const MaildirPlace place : {MaildirPlace::seen, MaildirPlace::fresh}) {
    if (!changed_[place]) continue;
    Result<void> synced = context_.disk.sync_directory(location_.places[place].get());
    if (!synced && first) first = std::move(synced);
  }
  return first;
}

/// The index keeps what is left; the directories have changed, so that the next open lists them.
void MaildirMaildrop::forget(const MessageSet& deleted) {
  if (!changed_.fresh && !changed_.seen) return;
  index_is_new_ = true;
  std::vector<bool> erased(order_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) {
    erased[order_[i]] = deleted.contains({static_cast<std::uint32_t>(i + 1)});
  }
  std::size_t index = 0;
  std::erase_if(index_.listing.messages,
                [&](const MaildirMessage&) -> bool { return erased[index++]; });
  for (const MaildirPlace place : maildir_places) {
    if (changed_[place]) index_.proof[place].settled = false;
  }
  record_shared_ids(source(), index_);  // once more: the disk may have been full before
}

}  // namespace pop
