#include "store/spool_to_maildir.h"

#include <algorithm>
#include <chrono>

#include "mail/from_line.h"
#include "mail/message_scanner.h"
#include "store/backoff.h"
#include "store/checksum.h"
#include "store/file_pieces.h"
#include "store/imported_ids_file.h"
#include "store/maildir_delivery.h"
#include "store/maildir_name.h"
#include "store/maildir_scan.h"
#include "store/open_elsewhere.h"
#include "store/recorded_ids.h"
#include "store/scan_options.h"
#include "store/spool_file.h"

namespace pop {
namespace {

/// Deliveries that follow must come behind, so no name may tell a time to come.
std::int64_t seconds_now(const MaildropContext& context) {
  return std::chrono::duration_cast<std::chrono::seconds>(context.clock.wall().time_since_epoch())
      .count();
}

Result<std::string> first_line(Disk& disk, const Fd& file, FileBytes from, FileBytes to) {
  std::string text(std::min<std::uint64_t>((to - from).count, longest_from_line + 1), '\0');
  const Result<std::size_t> got = disk.read(file, text, from);
  if (!got) return std::unexpected(got.error());
  return text.substr(0, std::min(text.find_first_of("\r\n"), *got));
}

}  // namespace

Result<Conversion> SpoolToMaildir::run() {
  Result<LockedSpool> spool = LockedSpool::open(context_, user_, location_);
  if (!spool) return std::unexpected(std::move(spool).error());
  Result<void> done = check_no_leftovers(*spool);
  if (done) done = list(*spool);
  if (done) done = build(*spool);
  if (done) done = exchange(*spool);
  if (!done) return std::unexpected(std::move(done).error());
  Conversion result{.was_needed = true, .messages = shown_.size()};
  if (shown_.size() < listing_.messages.size()) {
    result.remarks.emplace_back("the folder-internal message stays out of the Maildir");
  }
  const FileBytes size = spool->size();
  spool = std::unexpected(Error{Errc::busy, {}});  // lets go of the locks: deliverers wait for them
  done = take_in(files_.maildir(size), size, result);
  if (!done) return std::unexpected(std::move(done).error());
  return result;
}

Result<Conversion> SpoolToMaildir::finish() {
  Conversion result;
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(disk_, context_.settings, user_, location_);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return result;
  Result<void> removed = remove_build(context_, files_, (*maildir)->drop, user_);
  if (!removed) return std::unexpected(std::move(removed).error());
  const Result<std::optional<ConversionFiles::Sized>> left = files_.find_sized(disk_);
  if (!left) return std::unexpected(left.error());
  if (!*left || (*left)->is_directory) return result;
  if (Result<void> durable = disk_.sync_directory(location_.spool.directory()); !durable) {
    return std::unexpected(std::move(durable).error());
  }
  result.was_needed = true;
  Result<void> done = take_in((*left)->place, (*left)->size, result);
  if (!done) return std::unexpected(std::move(done).error());
  return result;
}

Result<void> SpoolToMaildir::check_no_leftovers(LockedSpool& spool) {
  const Result<FileBytes> in_drop = spool.session().leftover_size();
  if (!in_drop) return std::unexpected(in_drop.error());
  bool has_old_drop = false;
  if (location_.old_drop) {
    const Result<FileStatus> old =
        disk_.status(location_.old_drop->directory(), location_.old_drop->name);
    has_old_drop = old && old->size.count > 0;
  }
  if (in_drop->count > 0 || has_old_drop) {
    return fail(Errc::changed, "there is mail in a temporary drop; popspool recover merges it");
  }
  const Result<FileStatus> old_maildir = disk_.status(files_.mbox.directory(), files_.mbox.name);
  const Result<std::optional<ConversionFiles::Sized>> sized = files_.find_sized(disk_);
  if (!sized) return std::unexpected(sized.error());
  if ((old_maildir && old_maildir->is_directory()) || (*sized && !(*sized)->is_directory)) {
    return fail(Errc::changed, "an earlier conversion has left " +
                                   (*sized ? (*sized)->place.path() : files_.mbox.path()) +
                                   "; convert to mbox finishes it, or look what is in it");
  }
  Result<void> done = remove_all_of(disk_, files_.build);
  if (done && *sized) done = remove_all_of(disk_, (*sized)->place);
  return done;
}

Result<void> SpoolToMaildir::list(LockedSpool& spool) {
  options_ = scan_options(context_.settings);
  Result<std::shared_ptr<const ImportedIds>> imported =
      load_imported_ids(disk_, location_.uidl, user_.uid);
  if (!imported) return std::unexpected(std::move(imported).error());
  options_.imported = std::move(*imported);
  Result<void> scanned =
      scan_spool(disk_, spool.file(), spool.size(), options_, listing_, spool.refreshing());
  for (std::size_t i = 0; i < listing_.messages.size(); ++i) {
    if ((listing_.messages[i].flags & internal_flag) == 0) shown_.push_back(i);
  }
  return scanned;
}

Result<Fd> SpoolToMaildir::open_in_build(const OpenDirectory& root, const std::string& name) {
  Result<void> made = disk_.make_directory(root.fd.get(), name, 0700);
  if (!made) return std::unexpected(std::move(made).error());
  return disk_.open(root.fd.get(), name, O_RDONLY | O_DIRECTORY);
}

Result<void> SpoolToMaildir::build(LockedSpool& spool) {
  const FilePlace& place = files_.build;
  if (Result<void> made = disk_.make_directory(place.directory(), place.name, 0700); !made) {
    return made;
  }
  Result<Fd> directory = disk_.open(place.directory(), place.name, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(std::move(directory).error());
  const Result<FileStatus> built = disk_.status(*directory);
  if (!built) return std::unexpected(built.error());
  built_ = *built;
  const auto root =
      std::make_shared<const OpenDirectory>(OpenDirectory{std::move(*directory), place.path()});
  Result<Fd> tmp = open_in_build(*root, "tmp");
  if (!tmp) return std::unexpected(std::move(tmp).error());
  MaildirLocation maildir{.root = root,
                          .whole = root,
                          .places = {},
                          .drop = {root, ".popper.pop"},
                          .index = {root, ".popper.cache"},
                          .ids = {root, ".popper.uidl"},
                          .trash = {root, ".popper.trash"},
                          .undo = {root, ".popper.undo"},
                          .retrievals = {root, ".popper.retrieved"},
                          .warnings = {root, ".popper.warned"}};
  for (const MaildirPlace each : maildir_places) {
    Result<Fd> opened = open_in_build(*root, std::string{directory_name(each)});
    if (!opened) return std::unexpected(std::move(opened).error());
    maildir.places[each] = std::move(*opened);
  }
  Result<void> done = fill(spool, maildir, *tmp);
  if (done) done = prove(spool, maildir);
  if (done) return done;
  (void)remove_all_of(disk_, place);
  return std::unexpected(std::move(done).error().in("build " + place.path()));
}

Result<void> SpoolToMaildir::fill(LockedSpool& spool, const MaildirLocation& maildir,
                                  const Fd& tmp) {
  const std::int64_t now = seconds_now(context_);
  std::int64_t before = 0;
  RecordedIds ids;
  for (std::size_t number = 0; number < shown_.size(); ++number) {
    const SpoolMessage& message = listing_.messages[shown_[number]];
    const Result<std::string> line =
        first_line(disk_, spool.file(), message.separator, message.header);
    if (!line) return std::unexpected(line.error());
    const std::int64_t delivered = from_line_time(*line).value_or(before);
    before = std::clamp<std::int64_t>(delivered, before, std::max(now, before));
    const std::string base = new_maildir_base(before, number);
    const bool is_seen = (message.flags & retrieved_flag) != 0;
    Result<MaildirDelivery> file = MaildirDelivery::begin(disk_, tmp, base);
    if (!file) return std::unexpected(std::move(file).error());
    PieceReader reader{disk_};
    Result<void> done =
        reader.read(spool.file(), message.header, message.content_end, [&](std::string_view piece) {
          Result<void> put = file->append(piece);
          return put ? spool.lock().refresh() : put;
        });
    if (!done) return done;
    const MaildirPlace place = is_seen ? MaildirPlace::seen : MaildirPlace::fresh;
    const Result<std::string> name =
        file->finish(maildir.places[place].get(), is_seen ? ":2,S" : "");
    if (!name) return std::unexpected(name.error());
    ids.record(std::string_view{*name}.substr(0, name->find(':')),
               {std::string{listing_.id_of(message)}});
  }
  Result<void> done;
  if (!ids.is_empty()) done = ids.save(disk_, maildir.ids, options_.recipe);
  const FileCopies copies{disk_, user_.uid};
  if (done) done = copies.trash(location_.trash, maildir.trash);
  if (done) done = copies.trash(location_.undo, maildir.undo);
  if (done) done = copies.retrievals(location_.retrievals, maildir.retrievals);
  if (done) done = copies.retrievals(location_.warnings, maildir.warnings);
  for (const MaildirPlace each : maildir_places) {
    if (done) done = disk_.sync_directory(maildir.places[each].get());
  }
  return done ? disk_.sync_directory(maildir.root->fd.get()) : done;
}

/// As the next session will list it.
Result<void> SpoolToMaildir::prove(LockedSpool& spool, const MaildirLocation& maildir) {
  MaildirIndex index;
  index.recipe = options_.recipe;
  const Result<MaildirChange> read = refresh({disk_, context_.clock, maildir, user_.uid}, index);
  if (!read) return std::unexpected(read.error());
  const std::vector<MaildirMessage>& made = index.listing.messages;
  bool same = made.size() == shown_.size();
  for (std::size_t i = 0; same && i < made.size(); ++i) {
    const SpoolMessage& message = listing_.messages[shown_[i]];
    same = index.listing.id_of(made[i]) == listing_.id_of(message) &&
           made[i].wire == message.wire && made[i].size == message.content_end - message.header;
  }
  if (!same) return fail(Errc::corrupt, "the Maildir would not show the same mail");
  return spool.lock().refresh();
}

Result<void> SpoolToMaildir::exchange(LockedSpool& spool) {
  const FilePlace ready = files_.maildir(spool.size());
  const int directory = ready.directory();
  Result<void> done = disk_.rename(directory, files_.build.name, ready.name);
  if (done) done = disk_.sync_directory(directory);
  if (done) done = spool.lock().refresh();
  const Result<FileStatus> now = disk_.status(spool.file());
  if (done && !now) done = std::unexpected(now.error());
  if (done) done = check_nothing_arrived(*now, spool.size());
  if (done) done = disk_.exchange(directory, location_.spool.name, ready.name);
  if (!done) {
    // A failure may be reported of what has happened: then all mail is under this name.
    const Result<FileStatus> there = disk_.status(directory, ready.name);
    if (there && there->same_file(built_)) (void)remove_all_of(disk_, ready);
    return done;
  }
  return disk_.sync_directory(directory);
}

/// What was written to the old spool by programs that had it open, and then the old spool's end.
Result<void> SpoolToMaildir::take_in(FilePlace old, FileBytes size, Conversion& done) {
  const Result<Fd> maildir = open_directory(location_.spool.directory(), location_.spool.name);
  if (!maildir) return std::unexpected(maildir.error());
  if (Result<void> claimed = claim(*maildir, location_.spool); !claimed) return claimed;
  {
    Result<Fd> file = open_spool_file(disk_, old, user_.uid);
    if (!file && file.error().code == Errc::not_found) {
      return fail(Errc::busy, old.path() + ": another conversion is at work");
    }
    if (!file) return std::unexpected(std::move(file).error());
    if (Result<void> closed = wait_until_closed(*file); !closed) {
      return std::unexpected(std::move(closed).error().in(old.path()));
    }
    const Result<FileStatus> now = disk_.status(*file);
    if (!now) return std::unexpected(now.error());
    if (now->size > size) {
      Result<void> delivered = deliver_rest(old, *file, {size, now->size}, done);
      if (!delivered) return std::unexpected(std::move(delivered).error().in(old.path()));
    }
  }
  Result<void> removed = disk_.remove(old.directory(), old.name);
  for (const FilePlace* place : {&location_.index, &location_.uidl, &location_.trash,
                                 &location_.undo, &location_.retrievals, &location_.warnings}) {
    (void)disk_.remove(place->directory(), place->name);
  }
  return removed ? disk_.sync_directory(old.directory()) : removed;
}

Result<void> SpoolToMaildir::wait_until_closed(const Fd& old) {
  Backoff backoff{context_.clock, context_.settings.lock_wait};
  while (is_open_elsewhere(old) == OpenElsewhere::yes) {
    if (backoff.wait()) continue;
    return fail(Errc::busy,
                "the old spool is still open in another program; what it writes is taken in by "
                "another convert");
  }
  return {};
}

/// What the base name of a late message has behind its time: the same whenever it is asked, so that
/// what was taken in is not taken in again; behind messages of the same second in order.
Result<std::string> SpoolToMaildir::arrival_name(const Fd& old, const SpoolMessage& message) {
  Checksum checksum;
  PieceReader reader{disk_};
  const auto add = [&](std::string_view piece) {
    checksum.update(piece);
    return Result<void>{};
  };
  Result<void> read = reader.read(old, message.separator, message.content_end, add);
  if (!read) return std::unexpected(std::move(read).error());
  const std::string offset = std::to_string(message.separator.count);
  return "N" + std::string(20 - std::min<std::size_t>(offset.size(), 20), '0') + offset + "H" +
         std::to_string(checksum.value()) + ".convert";
}

/// arrival_name() of what is in the Maildir already.
Result<std::set<std::string>> SpoolToMaildir::arrived(const MaildirLocation& maildir) {
  std::set<std::string> names;
  for (const MaildirPlace place : maildir_places) {
    if (!maildir.places[place].is_open()) continue;
    const Result<void> listed =
        disk_.list(maildir.places[place].get(), [&](const ListedName& listed_name) {
          const std::string_view base = parse_maildir_name(listed_name.name).base;
          const std::string_view name = base.substr(0, base.find(','));
          if (name.ends_with(".convert")) names.emplace(name.substr(name.find('.') + 1));
        });
    if (!listed) return std::unexpected(listed.error());
  }
  return names;
}

/// No message goes before one that stands before it in the spool.
Result<std::int64_t> SpoolToMaildir::time_of(const Fd& old, const SpoolMessage& message,
                                             std::int64_t before) {
  const Result<std::string> line = first_line(disk_, old, message.separator, message.header);
  if (!line) return std::unexpected(line.error());
  const std::int64_t delivered = from_line_time(*line).value_or(before);
  return std::clamp<std::int64_t>(delivered, before, std::max(seconds_now(context_), before));
}

Result<void> SpoolToMaildir::deliver_rest(FilePlace& place, const Fd& old, Range late,
                                          Conversion& done) {
  SpoolListing all;
  Result<void> scanned = scan_spool(disk_, old, late.to, scan_options(context_.settings), all);
  if (!scanned) return scanned;
  const auto is_before = [&](const SpoolMessage& message) { return message.separator < late.from; };
  const auto first = std::ranges::find_if_not(all.messages, is_before);
  if (first == all.messages.end() || (first->separator > late.from && late.from.count > 0)) {
    return fail(Errc::changed, "what was written to the old spool at its end begins no message");
  }
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(disk_, context_.settings, user_, location_);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return fail(Errc::changed, location_.spool.path() + " is gone");
  const Result<std::set<std::string>> there = arrived(**maildir);
  if (!there) return std::unexpected(there.error());
  std::int64_t time = 0;
  for (auto message = all.messages.begin(); message != all.messages.end(); ++message) {
    if ((message->flags & internal_flag) != 0 && message < first) continue;
    const Result<std::int64_t> delivered = time_of(old, *message, time);
    if (!delivered) return std::unexpected(delivered.error());
    time = *delivered;
    if (message < first) continue;
    const Result<std::string> name = arrival_name(old, *message);
    if (!name) return std::unexpected(name.error());
    if (!there->contains(*name)) {
      Result<void> put = deliver_late(**maildir, std::to_string(time) + "." + *name, old, *message);
      if (!put) return put;
      ++done.arrivals;
    }
    const auto next = std::next(message);
    Result<void> noted = note_taken(place, next == all.messages.end() ? late.to : next->separator);
    if (!noted) return noted;
  }
  return {};
}

Result<void> SpoolToMaildir::deliver_late(const MaildirLocation& maildir, const std::string& base,
                                          const Fd& old, const SpoolMessage& message) {
  const Result<Fd> tmp = disk_.open(maildir.root->fd.get(), "tmp", O_RDONLY | O_DIRECTORY);
  if (!tmp) return std::unexpected(tmp.error());
  (void)disk_.remove(tmp->get(), base);  // of an attempt that was killed
  Result<MaildirDelivery> file = MaildirDelivery::begin(disk_, *tmp, base);
  if (!file) return std::unexpected(std::move(file).error());
  PieceReader reader{disk_};
  Result<void> put = reader.read(old, message.header, message.content_end,
                                 [&](std::string_view piece) { return file->append(piece); });
  if (!put) return put;
  const Fd& fresh = maildir.places.fresh;
  const Result<std::string> name = file->finish(fresh.get(), "");
  if (!name && name.error().code != Errc::busy) return std::unexpected(name.error());
  return disk_.sync_directory(fresh.get());
}

/// In the name of the old spool, so that what the user has removed since does not come back.
Result<void> SpoolToMaildir::note_taken(FilePlace& place, FileBytes up_to) {
  const FilePlace next = files_.maildir(up_to);
  Result<void> done = disk_.rename(place.directory(), place.name, next.name);
  if (!done) return done;
  place = next;
  return disk_.sync_directory(place.directory());
}

}  // namespace pop
