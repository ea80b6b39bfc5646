#include "store/spool_rewrite.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "mail/header_scanner.h"
#include "mail/wire_text.h"
#include "store/append_buffer.h"
#include "store/file_pieces.h"
#include "store/spool_file.h"
#include "store/spool_journal.h"

namespace pop {
namespace {

/// So many octets are put out between two looks at the age of the lock.
constexpr std::uint64_t look_every = 1024 * 1024;
/// A larger header is passed on unchanged: bookkeeping is not worth the memory.
constexpr std::uint64_t largest_updated_header = 4 * 1024 * 1024;

using Append = std::function<Result<void>(std::string_view)>;

WireOctets visible_octets(std::string_view header) {
  std::vector<char> out(WireText::room_for(header.size()) + 64);
  WireText text;
  const std::size_t used = text.convert(header, out);
  (void)text.finish(std::span{out}.subspan(used));
  return text.octets();
}

class Rewriter {
 public:
  Rewriter(const MaildropContext& context, const MaildropLocation& location, uid_t owner,
           SpoolLock& lock, const SpoolListing& listing, const SpoolChange& change)
      : disk_{context.disk},
        settings_{context.settings},
        location_{location},
        owner_{owner},
        lock_{lock},
        old_{listing},
        change_{change} {}

  Result<SpoolListing> run() {
    const std::size_t count = old_.messages.size();
    const std::size_t first_erased = first_of(change_.erase);
    std::size_t first = first_erased;
    for (std::size_t i = 0; i < first; ++i) {
      if (wants_retrieved(i)) first = i;
    }
    if (first == count) return old_;
    if (first_erased == count) {
      Result<std::optional<SpoolListing>> patched = patch_slots(first);
      if (!patched) return std::unexpected(std::move(patched).error());
      if (*patched) return std::move(**patched);
    }
    start_with_prefix(first);
    if (all_erased_from(first)) return truncate_at(old_.messages[first].separator);
    if (!settings_.fast_update) return rewrite_in_place(first);
    Result<Fd> file = make_new_file();
    if (!file) return std::unexpected(std::move(file).error());
    return file->is_open() ? rename_new_file(*std::move(file), first) : rewrite_in_place(first);
  }

 private:
  [[nodiscard]] std::size_t first_of(const std::vector<bool>& marks) const {
    return static_cast<std::size_t>(std::ranges::find(marks, true) - marks.begin());
  }

  [[nodiscard]] bool all_erased_from(std::size_t first) const {
    return std::all_of(change_.erase.begin() + static_cast<std::ptrdiff_t>(first),
                       change_.erase.end(), [](bool erased) { return erased; });
  }

  [[nodiscard]] bool keeps_status(std::size_t i) const {
    return settings_.update_status_headers && change_.listed[i] &&
           (old_.messages[i].flags & internal_flag) == 0;
  }

  [[nodiscard]] bool wants_retrieved(std::size_t i) const {
    return keeps_status(i) && !change_.erase[i] && change_.mark_retrieved[i] &&
           (old_.messages[i].flags & retrieved_flag) == 0;
  }

  [[nodiscard]] HeaderUpdate update_for(std::size_t i) const {
    const SpoolMessage& message = old_.messages[i];
    HeaderUpdate update;
    update.mark_retrieved = wants_retrieved(i);
    update.mark_seen = keeps_status(i) && (message.flags & has_status_flag) == 0;
    const bool must_store = (message.flags & (settled_id_flag | internal_flag)) == 0;
    const bool is_stored = (message.flags & stored_id_flag) != 0;
    if (!is_stored && (must_store || keeps_status(i))) update.unique_id = old_.id_of(message);
    return update;
  }

  void start_with_prefix(std::size_t first) {
    new_.format = old_.format;
    new_.messages.assign(old_.messages.begin(),
                         old_.messages.begin() + static_cast<std::ptrdiff_t>(first));
    if (first > 0) {
      const SpoolMessage& last = old_.messages[first - 1];
      new_.ids = old_.ids.substr(0, last.id_offset + last.id_length);
    }
    written_to_ = old_.messages[first].separator;
  }

  Result<std::string> read_header(const SpoolMessage& message) {
    std::string header;
    header.resize((message.body - message.header).count);
    const Result<std::size_t> got = disk_.read(lock_.file(), header, message.header);
    if (!got) return std::unexpected(got.error());
    if (*got != header.size()) return fail(Errc::changed, "the spool became shorter");
    return header;
  }

  /// nullopt: some message has no slot of the right length, so nothing was written.
  Result<std::optional<SpoolListing>> patch_slots(std::size_t first) {
    struct Slot {
      FileBytes at;
      std::string bytes;
    };
    std::vector<Slot> slots;
    SpoolListing patched = old_;
    for (std::size_t i = first; i < old_.messages.size(); ++i) {
      if (!wants_retrieved(i)) continue;
      const SpoolMessage& message = old_.messages[i];
      if ((message.body - message.header).count > largest_updated_header) continue;
      const Result<std::string> header = read_header(message);
      if (!header) return std::unexpected(header.error());
      const auto patches = header_patches(*header, {.mark_retrieved = true});
      if (!patches) return std::nullopt;
      if (Result<void> fresh = lock_.refresh(); !fresh) {
        return std::unexpected(std::move(fresh).error());
      }
      for (const HeaderPatch& patch : *patches) {
        slots.push_back({message.header + FileBytes{patch.offset}, patch.bytes});
      }
      patched.messages[i].flags |= retrieved_flag;
    }
    for (const Slot& slot : slots) {
      Result<void> put = disk_.write(lock_.file(), slot.bytes, slot.at);
      if (!put) return std::unexpected(std::move(put).error());
    }
    if (Result<void> synced = disk_.sync(lock_.file()); !synced) {
      return std::unexpected(std::move(synced).error());
    }
    return patched;
  }

  Result<void> check_still_as_listed() {
    const Result<FileStatus> now = disk_.status(lock_.file());
    if (!now) return std::unexpected(now.error());
    return check_nothing_arrived(*now, old_.size);
  }

  Result<SpoolListing> truncate_at(FileBytes base) {
    Result<void> done = check_still_as_listed();
    if (done) done = disk_.truncate(lock_.file(), base);
    if (done) done = disk_.sync(lock_.file());
    if (!done) return std::unexpected(std::move(done).error());
    return finished(base);
  }

  Result<SpoolListing> rewrite_in_place(std::size_t first) {
    Result<JournalWriter> writer =
        JournalWriter::create(disk_, location_.journal, expected_tail(first));
    if (!writer) return std::unexpected(std::move(writer).error());
    const FileBytes base = written_to_;
    Result<void> done =
        compose(first, [&](std::string_view bytes) { return writer->append(bytes); });
    if (done) done = lock_.refresh();
    if (done) done = writer->finish(lock_.file(), base, old_.size);
    if (done) done = apply_journal(disk_, location_.journal, lock_, owner_);
    if (!done) return std::unexpected(std::move(done).error());
    return finished(written_to_);
  }

  /// Empty, beside the spool, with the spool's owner and attributes. Not open: it cannot stand in
  /// for the spool, because somebody may write there whom only the kernel's locks keep away, or an
  /// attribute would be lost.
  Result<Fd> make_new_file() {
    const Result<FileStatus> spool = disk_.status(lock_.file());
    if (!spool) return std::unexpected(spool.error());
    const Result<FileStatus> directory = disk_.status(location_.spool.in->fd);
    if (!directory) return std::unexpected(directory.error());
    if (!writers_may_dotlock(*spool, *directory)) return Fd{};
    const FilePlace beside = build_place();
    Result<Fd> file =
        disk_.open(beside.directory(), beside.name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!file) return file;
    const Result<CopiedAttributes> taken_over = take_over_attributes(*file, *spool);
    if (taken_over && *taken_over == CopiedAttributes::all) return file;
    (void)disk_.remove(beside.directory(), beside.name);
    return taken_over ? Result<Fd>{Fd{}} : std::unexpected(taken_over.error());
  }

  /// All but the mode, which waits until the file is whole.
  Result<CopiedAttributes> take_over_attributes(const Fd& file, const FileStatus& spool) {
    const Result<FileStatus> made = disk_.status(file);
    if (!made) return std::unexpected(made.error());
    if (made->owner != spool.owner || made->group != spool.group) {
      const Result<void> owned = disk_.set_owner(file, spool.owner, spool.group);
      if (!owned && owned.error().code == Errc::denied) return CopiedAttributes::not_all;
      if (!owned) return std::unexpected(owned.error());
    }
    return disk_.copy_attributes(lock_.file(), file);
  }

  Result<SpoolListing> rename_new_file(Fd file, std::size_t first) {
    const FilePlace beside = build_place();
    Result<void> done = fill_new_file(file, first);
    if (done) done = disk_.rename(beside.directory(), beside.name, location_.spool.name);
    if (!done) {
      (void)disk_.remove(beside.directory(), beside.name);
      return std::unexpected(std::move(done).error());
    }
    done = disk_.sync_directory(beside.directory());
    if (!done) return std::unexpected(std::move(done).error());
    // A program that took a kernel lock without the dotlock may be first here; the mail is safe,
    // and the index, which then speaks of the old file, will be made anew.
    (void)lock_.move_to(std::move(file));
    return finished(written_to_);
  }

  [[nodiscard]] FilePlace build_place() const {
    return location_.journal.sibling(journal_build_name(location_.journal));
  }

  Result<void> fill_new_file(const Fd& file, std::size_t first) {
    const Result<FileStatus> old = disk_.status(lock_.file());
    if (!old) return std::unexpected(old.error());
    const FileBytes base = written_to_;
    AppendBuffer tail{disk_, file, base};
    Result<void> done = disk_.reserve(file, base + expected_tail(first));
    if (done) {
      done = copy_and_sync(disk_, lock_.file(), file, {.from = {0}, .to = {0}, .count = base},
                           [&] { return lock_.refresh(); });
    }
    if (done) {
      done = compose(first, [&](std::string_view bytes) { return tail.append(bytes); });
    }
    if (done) done = tail.flush();
    if (done) done = disk_.truncate(file, tail.end());  // gives back what was reserved beyond the end
    if (done) done = disk_.set_mode(file, old->mode & 07777);
    if (done) done = disk_.sync(file);
    if (done) done = lock_.refresh();
    if (done) done = check_still_as_listed();
    return done;
  }

  [[nodiscard]] FileBytes expected_tail(std::size_t first) const {
    std::uint64_t size = 0;
    for (std::size_t i = first; i < old_.messages.size(); ++i) {
      if (change_.erase[i]) continue;
      const SpoolMessage& message = old_.messages[i];
      size += (message.end - message.separator).count + message.id_length + 24;
    }
    return {size};
  }

  /// Puts out everything that is kept from message `first` on and notes where it comes to stand.
  Result<void> compose(std::size_t first, const Append& write) {
    const Append append = [&](std::string_view bytes) {
      Result<void> put = write(bytes);
      put_out_ += bytes.size();
      if (!put || put_out_ < look_every) return put;
      put_out_ = 0;
      return lock_.refresh();
    };
    const std::int64_t every = std::max<std::int64_t>(settings_.mail_lock_check, 1);
    for (std::size_t i = first; i < old_.messages.size(); ++i) {
      if (static_cast<std::int64_t>(i - first) % every == every - 1) {
        if (Result<void> fresh = lock_.refresh(); !fresh) return fresh;
      }
      if (change_.erase[i]) continue;
      if (Result<void> put = compose_message(i, append); !put) return put;
    }
    return copy_pending(append);
  }

  Result<void> compose_message(std::size_t i, const Append& append) {
    const SpoolMessage& message = old_.messages[i];
    const HeaderUpdate update = update_for(i);
    const bool changes =
        update.mark_retrieved || update.mark_seen || !update.unique_id.empty();
    if (!changes || (message.body - message.header).count > largest_updated_header) {
      note_moved(message);
      return copy_range(message.separator, message.end, append);
    }
    const Result<std::string> header = read_header(message);
    if (!header) return std::unexpected(header.error());
    const std::string updated = updated_header(*header, update);
    note_updated(message, update, *header, updated);
    Result<void> put = copy_range(message.separator, message.header, append);
    if (put) put = copy_pending(append);
    if (put) put = append(updated);
    if (put) put = copy_range(message.body, message.end, append);
    return put;
  }

  void note_moved(const SpoolMessage& message) {
    SpoolMessage moved = message;
    const auto shift = [&](FileBytes offset) {
      return written_to_ + (offset - message.separator);
    };
    moved.separator = shift(message.separator);
    moved.header = shift(message.header);
    moved.body = shift(message.body);
    moved.content_end = shift(message.content_end);
    moved.end = shift(message.end);
    new_.append(moved, old_.id_of(message));
    written_to_ = moved.end;
  }

  void note_updated(const SpoolMessage& message, const HeaderUpdate& update,
                    std::string_view header, std::string_view updated) {
    SpoolMessage moved = message;
    moved.separator = written_to_;
    moved.header = moved.separator + (message.header - message.separator);
    moved.body = moved.header + FileBytes{updated.size()};
    moved.content_end = moved.body + (message.content_end - message.body);
    moved.end = moved.body + (message.end - message.body);
    moved.wire.count += visible_octets(updated).count - visible_octets(header).count;
    if (update.mark_retrieved) moved.flags |= retrieved_flag | has_status_flag;
    if (update.mark_seen) moved.flags |= has_status_flag;
    if (!update.unique_id.empty()) moved.flags |= stored_id_flag | settled_id_flag;
    new_.append(moved, old_.id_of(message));
    written_to_ = moved.end;
  }

  /// Neighbouring ranges are gathered, so that kept mail is copied in large pieces.
  Result<void> copy_range(FileBytes from, FileBytes to, const Append& append) {
    if (from != pending_to_) {
      if (Result<void> copied = copy_pending(append); !copied) return copied;
      pending_from_ = from;
    }
    pending_to_ = to;
    return {};
  }

  Result<void> copy_pending(const Append& append) {
    const FileBytes from = std::exchange(pending_from_, pending_to_);
    return reader_.read(lock_.file(), from, pending_to_, append);
  }

  SpoolListing finished(FileBytes size) {
    new_.size = size;
    if (new_.messages.empty() && size.count == 0) new_.format = SpoolFormat::empty;
    return std::move(new_);
  }

  Disk& disk_;
  const Settings& settings_;
  const MaildropLocation& location_;
  uid_t owner_;
  SpoolLock& lock_;
  const SpoolListing& old_;
  const SpoolChange& change_;
  SpoolListing new_;
  FileBytes written_to_;                // end of what new_ describes
  FileBytes pending_from_, pending_to_;  // of the old spool, still to be copied
  std::uint64_t put_out_ = 0;            // since the last look at the lock
  PieceReader reader_{disk_};
};

}  // namespace

Result<SpoolListing> rewrite_spool(const MaildropContext& context,
                                   const MaildropLocation& location, uid_t owner, SpoolLock& lock,
                                   const SpoolListing& listing, const SpoolChange& change) {
  Rewriter rewriter{context, location, owner, lock, listing, change};
  Result<SpoolListing> done = rewriter.run();
  if (!done) return std::unexpected(std::move(done).error().in("rewrite " + lock.place().path()));
  return done;
}

}  // namespace pop
