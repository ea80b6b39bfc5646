#include "store/old_maildir.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/file_replacement.h"
#include "base/text.h"
#include "mail/incoming_text.h"
#include "store/backoff.h"
#include "store/checksum.h"
#include "store/delivery.h"
#include "store/file_pieces.h"
#include "store/maildir_name.h"
#include "store/message_watch.h"
#include "store/scan_options.h"
#include "store/spool_file.h"
#include "store/spool_journal.h"
#include "store/spool_listing.h"
#include "store/spool_lock.h"

namespace pop {
namespace {

constexpr std::string_view converted_name = ".popper.converted";
constexpr std::string_view note_name = ".popper.arrival";
constexpr std::uint64_t largest_list = std::uint64_t{256} * 1024 * 1024;
/// So much of what stands before a delivery tells whether a session has rewritten the spool since.
constexpr std::uint64_t checked_before = 4096;
constexpr std::size_t names_told = 3;

std::vector<std::string_view> split_at_nul(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\0'), text.size() - 1);
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return parts;
}

}  // namespace

Result<void> OldMaildir::note_converted(Disk& disk, const OpenDirectory& maildir,
                                        const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += name + '\0';
  const auto add_hidden = [&](const ListedName& listed) {
    if (!listed.name.starts_with('.')) return;
    list += std::string{parse_maildir_name(listed.name).base} + '\0';
  };
  for (const MaildirPlace place : maildir_places) {
    const Result<Fd> directory =
        disk.open(maildir.fd.get(), std::string{directory_name(place)}, O_RDONLY | O_DIRECTORY);
    if (!directory && directory.error().code == Errc::not_found) continue;
    if (!directory) return std::unexpected(directory.error());
    if (Result<void> listed = disk.list(directory->get(), add_hidden); !listed) return listed;
  }
  return replace_file(disk, {.directory = maildir.fd.get(), .name = std::string{converted_name}},
                      list);
}

/// Nobody can begin a delivery once `tmp` has gone, and nothing can come any more once `new` and
/// `cur` have.
Result<void> OldMaildir::take_in(Conversion& done) {
  const FilePlace& place = files_.mbox;
  if (Result<void> opened = open(); !opened) return opened;
  Backoff backoff{context_.clock, context_.settings.lock_wait};
  for (;;) {
    const Result<bool> closed = close_to_deliveries();
    if (!closed) return std::unexpected(closed.error());
    if (Result<void> swept = sweep(done); !swept) return swept;
    const Result<bool> gone = *closed ? remove_mail() : Result<bool>{false};
    if (!gone) return std::unexpected(gone.error());
    if (*gone) break;
    if (backoff.wait()) continue;
    return fail(Errc::busy,
                place.path() + ": a delivery is under way; another convert takes it in");
  }
  Result<void> removed = remove_rest();
  if (removed) removed = disk_.remove_directory(place.directory(), place.name);
  return removed ? disk_.sync_directory(place.directory()) : removed;
}

Result<void> OldMaildir::open() {
  const FilePlace& place = files_.mbox;
  Result<Fd> root = disk_.open(place.directory(), place.name, O_RDONLY | O_DIRECTORY);
  if (!root) return std::unexpected(std::move(root).error());
  old_ = std::make_shared<const OpenDirectory>(std::move(*root), place.path());
  Result<void> claimed = claim(old_->fd, place);
  return claimed ? load_known() : claimed;
}

/// The list goes last, when neither `new` nor `cur` is there.
Result<void> OldMaildir::load_known() {
  const Result<std::string> list = load(std::string{converted_name});
  if (!list && list.error().code == Errc::not_found) return check_no_mail();
  if (!list) return std::unexpected(list.error());
  for (const std::string_view name : split_at_nul(*list)) known_.emplace(name);
  return {};
}

Result<std::string> OldMaildir::load(const std::string& name) {
  const Result<Fd> file = disk_.open(old_->fd.get(), name, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = disk_.status(*file);
  if (!status) return std::unexpected(status.error());
  if (status->size.count > largest_list) return fail(Errc::limit, "too many messages");
  std::string text(status->size.count, '\0');
  const Result<std::size_t> got = disk_.read(*file, text, {0});
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  return text;
}

Result<void> OldMaildir::check_no_mail() {
  for (const MaildirPlace place : maildir_places) {
    const Result<Fd> there = directory(place);
    if (!there && there.error().code == Errc::not_found) continue;
    if (!there) return std::unexpected(there.error());
    return fail(Errc::changed, old_->path.native() + " has no list of what is in the spool (" +
                                   std::string{converted_name} + "); look what is in it");
  }
  return {};
}

Result<Fd> OldMaildir::directory(MaildirPlace place) {
  return disk_.open(old_->fd.get(), std::string{directory_name(place)}, O_RDONLY | O_DIRECTORY);
}

Result<std::vector<std::string>> OldMaildir::names_in(const Fd& directory) {
  std::vector<std::string> names;
  const Result<void> listed =
      disk_.list(directory.get(), [&](const ListedName& name) { names.emplace_back(name.name); });
  if (!listed) return std::unexpected(listed.error());
  std::ranges::sort(names);
  return names;
}

bool OldMaildir::is_known(std::string_view name) const {
  return known_.contains(std::string{parse_maildir_name(name).base});
}

/// False: one is under way. What has lain in `tmp` for so long belongs to one that was given up.
Result<bool> OldMaildir::close_to_deliveries() {
  using std::chrono::seconds;
  constexpr seconds given_up_after = std::chrono::hours{36};
  {
    const Result<Fd> tmp = disk_.open(old_->fd.get(), "tmp", O_RDONLY | O_DIRECTORY);
    if (!tmp && tmp.error().code == Errc::not_found) return true;
    if (!tmp) return std::unexpected(tmp.error());
    const Result<std::vector<std::string>> names = names_in(*tmp);
    if (!names) return std::unexpected(names.error());
    for (const std::string& name : *names) {
      const Result<FileStatus> status = disk_.status(tmp->get(), name);
      const seconds age = std::chrono::duration_cast<seconds>(
          context_.clock.wall().time_since_epoch() - seconds{status ? status->modified.tv_sec : 0});
      if (status && age > given_up_after) (void)disk_.remove(tmp->get(), name);
    }
  }
  const Result<void> removed = disk_.remove_directory(old_->fd.get(), "tmp");
  if (!removed && removed.error().code == Errc::busy) return false;
  if (!removed) return std::unexpected(removed.error());
  return true;
}

Result<void> OldMaildir::sweep(Conversion& done) {
  std::vector<std::string> not_ours;
  for (const MaildirPlace place : maildir_places) {
    const Result<Fd> there = directory(place);
    if (!there && there.error().code == Errc::not_found) continue;
    if (!there) return std::unexpected(there.error());
    const Result<std::vector<std::string>> names = names_in(*there);
    if (!names) return std::unexpected(names.error());
    for (const std::string& name : *names) {
      if (is_known(name)) continue;
      const Result<Kind> kind = kind_of(*there, name);
      if (!kind) return std::unexpected(kind.error());
      if (*kind == Kind::not_ours) {
        not_ours.push_back(std::string{directory_name(place)} + "/" + escaped(name));
      }
      if (*kind != Kind::mail) continue;
      if (Result<void> taken = take(*there, name, done); !taken) return taken;
    }
  }
  if (not_ours.empty()) return {};
  std::string told;
  for (std::size_t i = 0; i < std::min(not_ours.size(), names_told); ++i) {
    told += (i > 0 ? ", " : "") + not_ours[i];
  }
  if (not_ours.size() > names_told) told += " and others";
  return fail(Errc::changed,
              old_->path.native() + " has got what is no mail of this user: " + told +
                  "; give it to the user (chown) or move it away, and convert again");
}

Result<OldMaildir::Kind> OldMaildir::kind_of(const Fd& directory, const std::string& name) {
  const Result<FileStatus> status = disk_.status(directory.get(), name);
  if (!status && status.error().code == Errc::not_found) return Kind::nothing;
  if (!status) return std::unexpected(status.error());
  if (status->is_regular() && status->size.count == 0) return Kind::nothing;
  const bool is_mail = status->is_regular() && status->owner == user_.uid && !name.starts_with('.');
  return is_mail ? Kind::mail : Kind::not_ours;
}

Result<void> OldMaildir::take(const Fd& directory, const std::string& name, Conversion& done) {
  const Result<Fd> file = disk_.open(directory.get(), name, O_RDONLY);
  if (!file && file.error().code == Errc::not_found) return {};
  if (!file) return std::unexpected(file.error());
  const Result<Fingerprint> content = content_in_spool(*file);
  if (!content) return std::unexpected(content.error());
  const Result<Note> last = load_note();
  if (!last) return std::unexpected(last.error());
  Note note{.file = std::string{parse_maildir_name(name).base}, .content = *content};
  const Result<bool> delivered = is_delivered(*last, note);
  if (!delivered) return std::unexpected(delivered.error());
  if (!*delivered) {
    Result<void> put = look_at_spool(note);
    if (put) put = save(note);
    if (put) put = deliver_file(*file);
    if (!put) return put;
    ++done.arrivals;
  }
  Result<void> removed = disk_.remove(directory.get(), name);
  if (removed) return disk_.sync_directory(directory.get());
  note.is_delivered = true;
  (void)save(note);  // without it the spool is searched
  return removed;
}

Result<bool> OldMaildir::is_delivered(const Note& last, const Note& now) {
  if (last.file != now.file || last.content != now.content) return false;
  if (last.is_delivered) return true;
  return is_in_spool(last);
}

Result<void> OldMaildir::deliver_file(const Fd& file) {
  FileBytes at;
  const ReadOn read_on = [&](std::span<char> buffer) -> Result<std::size_t> {
    Result<std::size_t> got = disk_.read(file, buffer, at);
    if (got) at += {*got};
    return got;
  };
  const Result<DeliveredMail> delivered = deliver(context_, user_, {}, read_on);
  if (!delivered) return std::unexpected(delivered.error());
  return {};
}

/// As deliver() writes it.
Result<Fingerprint> OldMaildir::content_in_spool(const Fd& file) {
  const Result<FileStatus> status = disk_.status(file);
  if (!status) return std::unexpected(status.error());
  IncomingText text;
  SeparatorQuoting quoting{SpoolFormat::mbox};
  MessageWatch watch;
  const auto add = [&](std::string_view stored) {
    std::string quoted;
    quoting.feed(stored, quoted);
    watch.feed(quoted);
  };
  PieceReader reader{disk_};
  Result<void> read = reader.read(file, {0}, status->size, [&](std::string_view piece) {
    std::string stored;
    text.feed(piece, stored);
    add(stored);
    return Result<void>{};
  });
  if (!read) return std::unexpected(std::move(read).error());
  std::string end;
  text.finish(end);
  add(end);
  end.clear();
  quoting.finish(end);
  watch.feed(end + "\n");
  return watch.finish();
}

/// A crash may have left the delivery in the journal.
Result<bool> OldMaildir::is_in_spool(const Note& note) {
  Result<SpoolLock> lock = SpoolLock::acquire(context_, location_.spool, user_.uid);
  if (!lock) return std::unexpected(std::move(lock).error());
  if (!lock->has_file()) return false;
  const Result<Recovery> recovery = recover_journal(disk_, location_.journal, *lock, user_.uid);
  if (!recovery) return std::unexpected(recovery.error());
  if (*recovery == Recovery::foreign) {
    return fail(Errc::changed, location_.journal.path() +
                                   " belongs to another state of the spool; the next session, or "
                                   "popspool recover, merges its mail");
  }
  const Fd& spool = lock->file();
  const Result<FileStatus> status = disk_.status(spool);
  if (!status) return std::unexpected(status.error());
  if (status->size.count == 0) return false;
  const Result<bool> same = stands_behind(spool, status->size, note);
  if (!same) return same;
  SpoolListing listing;
  Result<void> done = scan_spool(disk_, spool, status->size, scan_options(context_.settings),
                                 listing, [&] { return lock->refresh(); });
  PieceReader reader{disk_};
  for (const SpoolMessage& message : listing.messages) {
    if (!done) break;
    if (*same && message.separator < note.spool) continue;
    MessageWatch watch;
    done = reader.read(spool, message.header, message.content_end, [&](std::string_view piece) {
      watch.feed(piece);
      return lock->refresh();
    });
    if (done && watch.finish() == note.content) return true;
  }
  if (!done) return std::unexpected(std::move(done).error());
  return false;
}

/// Whether a message that was delivered after the note can only stand behind note.spool. Where a
/// session has rewritten the spool, it may stand anywhere.
Result<bool> OldMaildir::stands_behind(const Fd& spool, FileBytes size, const Note& note) {
  if (size < note.spool) return false;
  const Result<std::uint64_t> now = checksum_before(spool, note.spool);
  if (!now) return std::unexpected(now.error());
  return *now == note.before;
}

Result<std::uint64_t> OldMaildir::checksum_before(const Fd& spool, FileBytes end) {
  std::string octets(std::min(end.count, checked_before), '\0');
  const Result<std::size_t> got = disk_.read(spool, octets, end - FileBytes{octets.size()});
  if (!got) return std::unexpected(got.error());
  return checksum_of({std::string_view{octets}.substr(0, *got)});
}

Result<void> OldMaildir::look_at_spool(Note& note) {
  const Result<Fd> spool = open_spool_file(disk_, location_.spool, user_.uid);
  note.before = checksum_of({});
  if (!spool && spool.error().code == Errc::not_found) return {};
  if (!spool) return std::unexpected(spool.error());
  const Result<FileStatus> status = disk_.status(*spool);
  if (!status) return std::unexpected(status.error());
  const Result<std::uint64_t> before = checksum_before(*spool, status->size);
  if (!before) return std::unexpected(before.error());
  note.spool = status->size;
  note.before = *before;
  return {};
}

Result<void> OldMaildir::save(const Note& note) {
  std::string text = note.file + '\0';
  for (const std::uint64_t number : {note.content.low, note.content.high, note.spool.count,
                                     note.before, std::uint64_t{note.is_delivered}}) {
    text += std::to_string(number) + '\0';
  }
  return replace_file(disk_, {.directory = old_->fd.get(), .name = std::string{note_name}}, text);
}

Result<OldMaildir::Note> OldMaildir::load_note() {
  const Result<std::string> text = load(std::string{note_name});
  if (!text && text.error().code == Errc::not_found) return Note{};
  if (!text) return std::unexpected(text.error());
  const std::vector<std::string_view> parts = split_at_nul(*text);
  std::array<std::uint64_t, 5> numbers{};
  bool is_sound = parts.size() == numbers.size() + 1;
  for (std::size_t i = 0; is_sound && i < numbers.size(); ++i) {
    const std::optional<std::uint64_t> number = decimal(parts[i + 1]);
    is_sound = number.has_value();
    numbers[i] = number.value_or(0);
  }
  if (!is_sound) {
    return fail(Errc::corrupt, old_->path.native() + "/" + std::string{note_name} + " is damaged");
  }
  return Note{.file = std::string{parts[0]},
              .content = {numbers[0], numbers[1]},
              .spool = {numbers[2]},
              .before = numbers[3],
              .is_delivered = numbers[4] != 0};
}

/// False: something came since the sweep.
Result<bool> OldMaildir::remove_mail() {
  bool gone = true;
  for (const MaildirPlace place : maildir_places) {
    const Result<bool> removed = remove_mail_in(place);
    if (!removed) return removed;
    gone = gone && *removed;
  }
  return gone;
}

Result<bool> OldMaildir::remove_mail_in(MaildirPlace place) {
  const Result<Fd> there = directory(place);
  if (!there && there.error().code == Errc::not_found) return true;
  if (!there) return std::unexpected(there.error());
  const Result<std::vector<std::string>> names = names_in(*there);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    if (!is_known(name)) {
      const Result<Kind> kind = kind_of(*there, name);
      if (!kind) return std::unexpected(kind.error());
      if (*kind != Kind::nothing) return false;
    }
    Result<void> removed = remove_all_of(disk_, there->get(), name);
    if (!removed) return std::unexpected(std::move(removed).error());
  }
  const Result<void> removed =
      disk_.remove_directory(old_->fd.get(), std::string{directory_name(place)});
  if (!removed && removed.error().code == Errc::busy) return false;
  if (!removed) return std::unexpected(removed.error());
  return true;
}

/// What lies beside mail; a mail directory that somebody has made again is removed only if it is
/// empty.
Result<void> OldMaildir::remove_rest() {
  const Result<std::vector<std::string>> names = names_in(old_->fd);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    if (name == converted_name) continue;
    const bool is_for_mail = name == "tmp" || name == "new" || name == "cur";
    Result<void> removed = is_for_mail ? disk_.remove_directory(old_->fd.get(), name)
                                       : remove_all_of(disk_, old_->fd.get(), name);
    if (!removed) return removed;
  }
  Result<void> done = disk_.sync_directory(old_->fd.get());
  if (done) done = disk_.remove(old_->fd.get(), std::string{converted_name});
  return !done && done.error().code == Errc::not_found ? Result<void>{} : done;
}

}  // namespace pop
