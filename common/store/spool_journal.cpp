#include "store/spool_journal.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include "store/append_buffer.h"
#include "store/checksum.h"
#include "store/file_pieces.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popper-journal\n";
constexpr std::uint32_t version = 1;
constexpr std::uint32_t byte_order = 0x01020304;
constexpr FileBytes phase_offset{2048};  // in a sector of its own
constexpr FileBytes tail_offset{4096};
constexpr std::string_view phase_one = "phase 1\n";
constexpr std::string_view phase_two = "phase 2\n";
constexpr std::size_t mark_size = 32;
constexpr std::size_t window = 4096;
constexpr std::size_t old_end_size = 512;

/// Beginning of the file, in the machine's byte order, without padding.
struct JournalHeader {
  char magic[16];
  std::uint32_t version, byte_order;
  std::uint64_t header_checksum;  // XXH3-64 of the header with this field zero
  std::uint64_t tail_checksum;    // XXH3-64 of the tail
  std::uint64_t inode;            // the device may have another number after a restart
  std::uint64_t base, old_size, new_size;
  std::uint64_t before_base;  // XXH3-64 of up to `window` bytes before base
  char mark[mark_size];
  char old_end[old_end_size];  // last bytes before old_size, not below base; then NULs
};
static_assert(std::is_trivially_copyable_v<JournalHeader>);
static_assert(sizeof(JournalHeader) == 624);
static_assert(sizeof(JournalHeader) <= phase_offset.count);

struct Journal {
  Fd file;
  JournalHeader header{};
  bool in_phase_two = false;
  bool tail_is_whole = false;

  [[nodiscard]] FileBytes base() const { return {header.base}; }
  [[nodiscard]] FileBytes old_size() const { return {header.old_size}; }
  [[nodiscard]] FileBytes new_size() const { return {header.new_size}; }
  [[nodiscard]] FileBytes tail_size() const { return new_size() - base(); }
  /// What of the mark fits into the dead part of the spool; its first byte begins no message.
  [[nodiscard]] std::string_view mark() const {
    const std::uint64_t dead = header.old_size - std::min(header.old_size, header.new_size);
    return {header.mark, std::min<std::uint64_t>(mark_size, dead)};
  }
  [[nodiscard]] std::string_view old_end() const {
    return {header.old_end, old_end_length(header)};
  }
  static std::size_t old_end_length(const JournalHeader& header) {
    return std::min<std::uint64_t>(old_end_size, header.old_size - header.base);
  }
};

std::uint64_t header_checksum(JournalHeader header) {
  header.header_checksum = 0;
  return checksum_of({octets_of(header)});
}

/// Tells whether the spool before the tail is still the one that the journal describes.
Result<std::uint64_t> hash_before(Disk& disk, const Fd& spool, FileBytes base) {
  char bytes[window];
  const std::size_t count = std::min<std::uint64_t>(window, base.count);
  const Result<std::size_t> got = disk.read(spool, {bytes, count}, base - FileBytes{count});
  if (!got) return std::unexpected(got.error());
  return checksum_of({{bytes, *got}});
}

Result<void> fill_mark(JournalHeader& header) {
  if (::getrandom(header.mark, mark_size, 0) != static_cast<ssize_t>(mark_size)) {
    const int saved = errno;
    return fail_errno(saved, "get random bytes for the journal's mark");
  }
  // A deliverer that looks how the spool ends must not take the mark for the end of a line: then it
  // puts an empty line before its mail, whatever the new tail ends with.
  std::ranges::replace(header.mark, '\n', '\xff');
  // No delivery begins with 0xFF: not with a From_ line, an empty line or ^A.
  header.mark[0] = '\xff';
  return {};
}

Result<void> set_phase(Disk& disk, const Fd& journal, std::string_view phase) {
  if (Result<void> put = disk.write(journal, phase, phase_offset); !put) return put;
  return disk.sync(journal);
}

Result<bool> tail_is_whole(Disk& disk, const Journal& journal, const BetweenPieces& between) {
  Checksum checksum;
  const Result<FileStatus> status = disk.status(journal.file);
  if (!status) return std::unexpected(status.error());
  if (status->size < tail_offset + journal.tail_size()) return false;
  PieceReader reader{disk};
  const Result<void> read =
      reader.read(journal.file, tail_offset, tail_offset + journal.tail_size(),
                  [&](std::string_view piece) -> Result<void> {
                    checksum.update(piece);
                    return between ? between() : Result<void>{};
                  });
  if (!read) return std::unexpected(read.error());
  return checksum.value() == journal.header.tail_checksum;
}

/// nullopt: no journal of ours, though it bears the name.
Result<std::optional<Journal>> read_journal(Disk& disk, const FilePlace& place, uid_t owner,
                                            const BetweenPieces& between = {}, int flags = O_RDWR) {
  Result<Fd> file = open_mail_file(disk, place, flags, owner, Exposure::not_accessible_by_others);
  if (!file) return std::unexpected(file.error());
  Journal journal{.file = std::move(*file)};
  char first[tail_offset.count];
  const Result<std::size_t> got = disk.read(journal.file, first, {0});
  if (!got) return std::unexpected(got.error());
  if (*got < sizeof first) return std::nullopt;
  std::memcpy(&journal.header, first, sizeof journal.header);
  const JournalHeader& header = journal.header;
  const bool finished = std::string_view{header.magic, magic.size()} == magic &&
                        header.version == version && header.byte_order == byte_order &&
                        header.header_checksum == header_checksum(header) &&
                        header.base <= header.old_size && header.base <= header.new_size;
  if (!finished) return std::nullopt;
  journal.in_phase_two =
      std::string_view{first + phase_offset.count, phase_two.size()} == phase_two;
  const Result<bool> whole = tail_is_whole(disk, journal, between);
  if (!whole) return std::unexpected(whole.error());
  journal.tail_is_whole = *whole;
  return journal;
}

Result<bool> holds_mark(Disk& disk, const Fd& spool, const Journal& journal) {
  const std::string_view mark = journal.mark();
  char bytes[mark_size];
  const Result<std::size_t> got = disk.read(spool, {bytes, mark.size()}, journal.new_size());
  if (!got) return std::unexpected(got.error());
  return std::string_view{bytes, *got} == mark;
}

Result<bool> holds_only_nuls(Disk& disk, const Fd& spool, FileBytes from, FileBytes to,
                             const BetweenPieces& between) {
  bool only_nuls = true;
  PieceReader reader{disk};
  Result<void> read = reader.read(spool, from, to, [&](std::string_view piece) -> Result<void> {
    only_nuls = only_nuls && piece.find_first_not_of('\0') == piece.npos;
    return between();
  });
  if (!read) return std::unexpected(std::move(read).error());
  return only_nuls;
}

/// Whether the last bytes before the old end are still those that the journal knows, overwritten or
/// not: else another program has rewritten the spool, even if inode and size would fit.
Result<bool> keeps_old_end(Disk& disk, const Fd& spool, const Journal& journal) {
  const std::string_view old = journal.old_end();
  const FileBytes from = journal.old_size() - FileBytes{old.size()};
  std::string now(old.size(), '\0'), renewed{old};
  const Result<std::size_t> got = disk.read(spool, now, from);
  if (!got) return std::unexpected(got.error());
  if (*got < now.size()) return false;
  if (from < journal.new_size()) {
    const std::size_t count =
        std::min<std::uint64_t>(old.size(), (journal.new_size() - from).count);
    const FileBytes at = tail_offset + (from - journal.base());
    const Result<std::size_t> tail = disk.read(journal.file, std::span{renewed}.first(count), at);
    if (!tail) return std::unexpected(tail.error());
  }
  const std::string_view mark = journal.mark();
  for (std::size_t i = 0; i < now.size(); ++i) {
    const FileBytes at = from + FileBytes{i};
    const bool in_mark =
        journal.new_size() <= at && at < journal.new_size() + FileBytes{mark.size()};
    const char fresh = in_mark ? mark[(at - journal.new_size()).count] : renewed[i];
    if (now[i] != old[i] && now[i] != fresh) return false;
  }
  return true;
}

Result<void> drop(Disk& disk, const FilePlace& place) {
  Result<void> removed = disk.remove(place.directory(), place.name);
  if (!removed) return removed;
  return disk.sync_directory(place.directory());
}

Result<void> overwrite(Disk& disk, SpoolLock& lock, const Journal& journal) {
  return copy_and_sync(disk, journal.file, lock.file(),
                       {.from = tail_offset, .to = journal.base(), .count = journal.tail_size()},
                       [&] { return lock.refresh(); });
}

Result<void> shrink(Disk& disk, SpoolLock& lock, const Journal& journal, FileBytes spool_size) {
  const Fd& spool = lock.file();
  if (!journal.in_phase_two) {
    if (Result<void> put = overwrite(disk, lock, journal); !put) return put;
    Result<void> marked = disk.write(spool, journal.mark(), journal.new_size());
    if (!marked) return marked;
    if (Result<void> synced = disk.sync(spool); !synced) return synced;
    if (Result<void> noted = set_phase(disk, journal.file, phase_two); !noted) return noted;
  }
  const Result<FileStatus> status = disk.status(spool);
  if (!status) return std::unexpected(status.error());
  Result<void> done = check_nothing_arrived(*status, spool_size);
  if (done) done = disk.truncate(spool, journal.new_size());
  if (done) done = disk.sync(spool);
  return done;
}

Result<void> grow(Disk& disk, SpoolLock& lock, const Journal& journal, FileBytes spool_size) {
  const Fd& spool = lock.file();
  if (!journal.in_phase_two) {
    if (spool_size < journal.new_size()) {
      if (Result<void> longer = disk.truncate(spool, journal.new_size()); !longer) return longer;
    }
    if (Result<void> synced = disk.sync(spool); !synced) return synced;
    if (Result<void> noted = set_phase(disk, journal.file, phase_two); !noted) return noted;
  }
  if (Result<void> put = overwrite(disk, lock, journal); !put) return put;
  return disk.sync(spool);
}

Result<void> carry_out(Disk& disk, const FilePlace& place, SpoolLock& lock, const Journal& journal,
                       FileBytes spool_size) {
  Result<void> done;
  if (journal.new_size() < journal.old_size()) {
    done = shrink(disk, lock, journal, spool_size);
  } else if (journal.new_size() > journal.old_size()) {
    done = grow(disk, lock, journal, spool_size);
  } else {
    done = overwrite(disk, lock, journal);
    if (done) done = disk.sync(lock.file());
  }
  if (!done) return done;
  return drop(disk, place);
}

/// Where mail that was delivered after the crash stands.
enum class Arrivals : std::uint8_t {
  behind_old_end,
  behind_new_end,
  truncated_already,
  impossible
};

Result<Arrivals> find_arrivals(Disk& disk, SpoolLock& lock, const Journal& journal,
                               FileBytes size) {
  const Fd& spool = lock.file();
  const FileBytes old_size = journal.old_size(), new_size = journal.new_size();
  if (new_size == old_size) {
    return size < old_size ? Arrivals::impossible : Arrivals::behind_new_end;
  }
  if (new_size < old_size) {
    if (journal.in_phase_two) {
      const Result<bool> marked = holds_mark(disk, spool, journal);
      if (!marked) return std::unexpected(marked.error());
      if (!*marked) return size < new_size ? Arrivals::impossible : Arrivals::truncated_already;
    }
    return size < old_size ? Arrivals::impossible : Arrivals::behind_old_end;
  }
  if (journal.in_phase_two) {
    return size < new_size ? Arrivals::impossible : Arrivals::behind_new_end;
  }
  if (size < old_size) return Arrivals::impossible;
  if (size < new_size) return Arrivals::behind_old_end;
  const Result<bool> extended =
      holds_only_nuls(disk, spool, old_size, new_size, [&] { return lock.refresh(); });
  if (!extended) return std::unexpected(extended.error());
  return *extended ? Arrivals::behind_new_end : Arrivals::behind_old_end;
}

FilePlace beside(const FilePlace& journal) {
  return journal.sibling(journal.name + ".new");
}

/// Replaces the journal by one whose tail also holds the mail behind the old end.
Result<void> take_in_arrivals(Disk& disk, const FilePlace& place, SpoolLock& lock,
                              const Journal& journal, FileBytes size) {
  const FileBytes arrivals = size - journal.old_size();
  Result<JournalWriter> writer = JournalWriter::create(disk, place, journal.tail_size() + arrivals);
  if (!writer) return std::unexpected(std::move(writer).error());
  PieceReader reader{disk};
  const auto append = [&](std::string_view piece) {
    Result<void> put = writer->append(piece);
    return put ? lock.refresh() : put;
  };
  Result<void> done =
      reader.read(journal.file, tail_offset, tail_offset + journal.tail_size(), append);
  if (done) done = reader.read(lock.file(), journal.old_size(), size, append);
  if (!done) return done;
  return writer->finish(lock.file(), journal.base(), size);
}

Result<bool> same_prefix(Disk& disk, const Fd& spool, const Journal& journal) {
  const Result<std::uint64_t> before = hash_before(disk, spool, journal.base());
  if (!before) return std::unexpected(before.error());
  return *before == journal.header.before_base;
}

Result<void> remove_if_there(Disk& disk, const FilePlace& place) {
  Result<void> removed = disk.remove(place.directory(), place.name);
  if (!removed && removed.error().code != Errc::not_found) return removed;
  return {};
}

}  // namespace

struct JournalWriter::State {
  Disk& disk;
  FilePlace place;
  Fd file;
  AppendBuffer tail{disk, file, tail_offset};
  Checksum checksum{};
  bool finished = false;
  std::string consumed;  // empty: none

  State(Disk& to, FilePlace at, Fd open) : disk{to}, place{std::move(at)}, file{std::move(open)} {}
};

JournalWriter::JournalWriter(std::unique_ptr<State> state) : state_{std::move(state)} {}
JournalWriter::JournalWriter(JournalWriter&&) noexcept = default;

JournalWriter::~JournalWriter() {
  if (state_ && !state_->finished) {
    (void)state_->disk.remove(state_->place.directory(), beside(state_->place).name);
  }
}

Result<JournalWriter> JournalWriter::create(Disk& disk, FilePlace journal, FileBytes expected) {
  const std::string doing = "write journal " + journal.path();
  if (Result<void> cleared = remove_if_there(disk, beside(journal)); !cleared) {
    return std::unexpected(std::move(cleared).error().in(doing));
  }
  Result<Fd> file =
      disk.open(journal.directory(), beside(journal).name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return std::unexpected(std::move(file).error().in(doing));
  JournalWriter writer{std::make_unique<State>(disk, std::move(journal), std::move(*file))};
  Result<void> ready = disk.set_mode(writer.state_->file, 0600);
  if (ready) ready = disk.reserve(writer.state_->file, tail_offset + expected);
  if (!ready) return std::unexpected(std::move(ready).error().in(doing));
  return writer;
}

Result<void> JournalWriter::append(std::string_view bytes) {
  state_->checksum.update(bytes);
  return state_->tail.append(bytes);
}

FileBytes JournalWriter::tail_size() const {
  return state_->tail.end() - tail_offset;
}

void JournalWriter::consume(std::string name) {
  state_->consumed = std::move(name);
}

Result<bool> holds_journal(Disk& disk, const Fd& file) {
  std::string text(magic.size(), '\0');
  const Result<std::size_t> got = disk.read(file, text, {0});
  if (!got) return std::unexpected(got.error());
  return *got == text.size() && text == magic;
}

Result<void> JournalWriter::finish(const Fd& spool, FileBytes base, FileBytes old_size) {
  Disk& disk = state_->disk;
  const std::string doing = "write journal " + state_->place.path();
  const Result<FileStatus> status = disk.status(spool);
  if (!status) return std::unexpected(status.error());
  if (Result<void> same = check_nothing_arrived(*status, old_size); !same) return same;
  const Result<std::uint64_t> before = hash_before(disk, spool, base);
  if (!before) return std::unexpected(before.error());

  JournalHeader header{};
  std::ranges::copy(magic, header.magic);
  header.version = version;
  header.byte_order = byte_order;
  header.tail_checksum = state_->checksum.value();
  header.inode = status->inode;
  header.base = base.count;
  header.old_size = old_size.count;
  header.new_size = (base + tail_size()).count;
  header.before_base = *before;
  const std::size_t end_length = Journal::old_end_length(header);
  const Result<std::size_t> end =
      disk.read(spool, {header.old_end, end_length}, old_size - FileBytes{end_length});
  if (!end) return std::unexpected(end.error());
  Result<void> done = fill_mark(header);
  header.header_checksum = header_checksum(header);

  std::string first(tail_offset.count, '\0');
  first.replace(0, sizeof header, octets_of(header));
  first.replace(phase_offset.count, phase_one.size(), phase_one);
  if (done && header.new_size > header.old_size) {
    done = disk.reserve(spool, {header.new_size});
  }
  // Deliverers need not fsync. Of what the journal describes a power cut must take nothing back.
  if (done) done = disk.sync(spool);
  if (done) done = state_->tail.flush();
  if (done) done = disk.write(state_->file, first, {0});
  if (done) done = disk.sync(state_->file);
  const FilePlace& place = state_->place;
  std::string now = beside(place).name;
  if (done && !state_->consumed.empty()) {
    done = disk.rename(place.directory(), now, state_->consumed);
    now = state_->consumed;
  }
  if (done) done = disk.rename(place.directory(), now, place.name);
  if (!done) return std::unexpected(std::move(done).error().in(doing));
  // From here on the journal may be durable, so removing it could be undone by a power cut when the
  // spool has moved on: it stays, even if its directory cannot be fsync'ed, and is finished later.
  state_->finished = true;
  done = disk.sync_directory(state_->place.directory());
  if (!done) return std::unexpected(std::move(done).error().in(doing));
  return {};
}

Result<void> apply_journal(Disk& disk, const FilePlace& place, SpoolLock& lock, uid_t owner) {
  Result<Recovery> recovery = recover_journal(disk, place, lock, owner);
  if (!recovery) return std::unexpected(std::move(recovery).error());
  if (*recovery == Recovery::finished) return {};
  return fail(Errc::changed, place.path() +
                                 ": the journal or its spool was changed by another "
                                 "program while it was carried out");
}

Result<Recovery> recover_journal(Disk& disk, const FilePlace& place, SpoolLock& lock, uid_t owner) {
  Result<void> cleared = remove_if_there(disk, beside(place));
  if (!cleared) return std::unexpected(std::move(cleared).error());
  Result<std::optional<Journal>> read =
      read_journal(disk, place, owner, [&] { return lock.refresh(); });
  if (!read && read.error().code == Errc::not_found) return Recovery::nothing;
  if (!read) return std::unexpected(std::move(read).error().in("recover the journal"));
  // It got its name only after its fsync, so a damaged one is no trace of a crash.
  if (!*read || !(*read)->tail_is_whole) {
    return fail(Errc::corrupt, place.path() +
                                   ": the journal of an unfinished update is damaged; "
                                   "keep it, and compare the spool with a backup");
  }
  const Journal& journal = **read;
  const Fd& spool = lock.file();
  const Result<FileStatus> status = lock.has_file() ? disk.status(spool) : FileStatus{};
  if (!status) return std::unexpected(status.error());
  const bool same_spool = lock.has_file() && status->inode == journal.header.inode;
  if (!same_spool) return Recovery::foreign;
  const Result<bool> known = same_prefix(disk, spool, journal);
  if (!known) return std::unexpected(known.error());
  const Result<Arrivals> arrivals = find_arrivals(disk, lock, journal, status->size);
  if (!arrivals) return std::unexpected(arrivals.error());
  if (!*known || *arrivals == Arrivals::impossible) return Recovery::foreign;

  if (*arrivals == Arrivals::truncated_already) {
    Result<void> done = disk.sync(spool);
    if (done) done = drop(disk, place);
    if (!done) return std::unexpected(std::move(done).error().in("finish " + place.path()));
    return Recovery::finished;
  }
  const Result<bool> ours = keeps_old_end(disk, spool, journal);
  if (!ours) return std::unexpected(ours.error());
  if (!*ours) return Recovery::foreign;
  Result<void> done;
  if (*arrivals == Arrivals::behind_old_end && status->size > journal.old_size()) {
    done = take_in_arrivals(disk, place, lock, journal, status->size);
    if (done) return recover_journal(disk, place, lock, owner);
  } else {
    done = carry_out(disk, place, lock, journal, status->size);
  }
  if (!done) return std::unexpected(std::move(done).error().in("finish " + place.path()));
  return Recovery::finished;
}

Result<JournalState> journal_state(Disk& disk, const FilePlace& place, uid_t owner) {
  const Result<std::optional<Journal>> journal = read_journal(disk, place, owner, {}, O_RDONLY);
  if (!journal && journal.error().code == Errc::not_found) return JournalState::none;
  if (!journal) return std::unexpected(journal.error());
  return *journal && (*journal)->tail_is_whole ? JournalState::finished : JournalState::damaged;
}

Result<bool> journal_exists(Disk& disk, const FilePlace& journal) {
  for (const std::string& name : {journal.name, beside(journal).name}) {
    const Result<FileStatus> status = disk.status(journal.directory(), name);
    if (status) return true;
    if (status.error().code != Errc::not_found) return std::unexpected(status.error());
  }
  return false;
}

std::string journal_build_name(const FilePlace& journal) {
  return beside(journal).name;
}

Result<Fd> journal_tail(Disk& disk, const FilePlace& place, uid_t owner) {
  Result<std::optional<Journal>> journal = read_journal(disk, place, owner);
  if (!journal) return std::unexpected(std::move(journal).error());
  if (!*journal || !(*journal)->tail_is_whole) {
    return fail(Errc::corrupt, place.path() + ": the journal is damaged");
  }
  Result<Fd> tail = disk.open_unnamed(place.directory(), 0600);
  if (!tail) return tail;
  Result<void> copied =
      disk.copy((*journal)->file, tail_offset, *tail, {0}, (*journal)->tail_size());
  if (!copied) return std::unexpected(std::move(copied).error());
  return tail;
}

Result<void> remove_journal(Disk& disk, const FilePlace& journal) {
  return drop(disk, journal);
}

}  // namespace pop
