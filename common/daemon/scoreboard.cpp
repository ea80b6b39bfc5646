#include "daemon/scoreboard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/disk.h"
#include "daemon/process_identity.h"

namespace pop {

struct Scoreboard::Table {
  ScoreboardHeader header;
  std::array<ScoreboardRow, scoreboard_places> rows;
};

namespace {

constexpr mode_t only_ours = 0600, others_write = S_IWGRP | S_IWOTH;

std::unexpected<Error> file_error(int saved_errno, std::string_view doing,
                                  const std::filesystem::path& path) {
  return fail_errno(saved_errno, std::string{doing} + " " + path.native());
}

// --- The file

bool is_ours(const struct stat& st) {
  return st.st_uid == 0 || st.st_uid == ::geteuid();
}

// Nobody else can put anything there: else a name could lead root's hand elsewhere.
Result<Fd> open_own_directory(const std::filesystem::path& path) {
  const bool is_new = ::mkdir(path.c_str(), 0700) == 0;
  if ((!is_new && errno != EEXIST) || (is_new && ::chmod(path.c_str(), 0755) != 0)) {
    const int saved = errno;
    return file_error(saved, "make", path);
  }
  Fd directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  struct stat st {};
  if (!directory.is_open() || ::fstat(directory.get(), &st) != 0) {
    const int saved = errno;
    return file_error(saved, "open", path);
  }
  if (!is_ours(st) || (st.st_mode & others_write) != 0) {
    return fail(Errc::denied, path.native() + ": others than its owner, root, may write there");
  }
  return directory;
}

// Not open: there is none that can be used. Errc::denied: what is there must not be touched.
Result<Fd> open_existing(const Fd& directory, const std::filesystem::path& path) {
  Fd file{::openat(directory.get(), path.filename().c_str(),
                   O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
  if (!file.is_open() && errno == ENOENT) return Fd{};
  struct stat st {};
  if (!file.is_open() || ::fstat(file.get(), &st) != 0) {
    const int saved = errno;
    return file_error(saved, "open", path);
  }
  std::array<char, 8> magic{};
  const bool has_magic =
      ::pread(file.get(), magic.data(), magic.size(), 0) == static_cast<ssize_t>(magic.size()) &&
      magic == scoreboard_magic;
  if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != ::geteuid() || !has_magic) {
    return fail(Errc::denied,
                path.native() + ": not a scoreboard of this user: remove it or set another file");
  }
  return file;
}

// A header is written before the file has its name, so it is whole.
bool is_current(const Fd& file) {
  struct {
    std::array<char, 8> magic;
    std::uint32_t version, places;
    std::array<char, 40> boot;
  } head{};
  struct stat st {};
  if (::pread(file.get(), &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head)) return false;
  std::array<char, 40> boot{};
  put_text(boot, kernel_boot_id());
  return ::fstat(file.get(), &st) == 0 && st.st_size == static_cast<off_t>(scoreboard_octets) &&
         (st.st_mode & 07777) == only_ours && head.version == scoreboard_version &&
         head.places == scoreboard_places && head.boot == boot;
}

Result<void> write_empty(const Fd& file, const std::filesystem::path& path) {
  std::string header(sizeof(ScoreboardHeader), '\0');
  const auto put = [&header](std::size_t offset, const auto& value) {
    std::memcpy(header.data() + offset, &value, sizeof value);
  };
  std::array<char, 40> boot{};
  put_text(boot, kernel_boot_id());
  put(offsetof(ScoreboardHeader, magic), scoreboard_magic);
  put(offsetof(ScoreboardHeader, version), scoreboard_version);
  put(offsetof(ScoreboardHeader, places), scoreboard_places);
  put(offsetof(ScoreboardHeader, boot), boot);
  put(offsetof(ScoreboardHeader, made), std::int64_t{::time(nullptr)});
  if (::fchmod(file.get(), only_ours) != 0 ||
      ::ftruncate(file.get(), static_cast<off_t>(scoreboard_octets)) != 0) {
    const int saved = errno;
    return file_error(saved, "make", path);
  }
  return system_disk().write(file, header, {0});
}

// Under its directory's lock.
Result<Fd> make_file(const Fd& directory, const std::filesystem::path& path) {
  const std::string name = path.filename().native();
  const std::string fresh = name + ".new";
  if (::unlinkat(directory.get(), fresh.c_str(), 0) != 0 && errno != ENOENT) {
    const int saved = errno;
    return file_error(saved, "remove what a crash left beside", path);
  }
  Fd file{
      ::openat(directory.get(), fresh.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, only_ours)};
  if (!file.is_open()) {
    const int saved = errno;
    return file_error(saved, "make", path);
  }
  Result<void> done = write_empty(file, path);
  if (done) done = system_disk().rename(directory.get(), fresh, name);
  if (done) return file;
  ::unlinkat(directory.get(), fresh.c_str(), 0);
  return std::unexpected(done.error());
}

Result<Fd> open_usable(const Fd& directory, const std::filesystem::path& path) {
  Result<Fd> file = open_existing(directory, path);
  if (file && file->is_open() && !is_current(*file)) return Fd{};
  return file;
}

// --- Who has a place

std::uint64_t owner_word(pid_t process, std::uint64_t start_ticks) {
  return start_ticks << 32 | static_cast<std::uint32_t>(process);
}

bool is_alive(std::uint64_t owner) {
  const auto process = static_cast<pid_t>(owner & 0xffffffff);
  if (process <= 0) return false;
  if (::kill(process, 0) != 0 && errno == ESRCH) return false;
  const Result<std::uint64_t> ticks = start_ticks_of(process);
  return ticks && owner_word(process, *ticks) == owner;
}

ScoreboardFacts facts_in(const ScoreboardRow& row) {
  std::array<std::uint64_t, sizeof(ScoreboardFacts) / 8> words{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = row.facts[i].load(std::memory_order_relaxed);
  }
  return std::bit_cast<ScoreboardFacts>(words);
}

// A keeper that was killed leaves sessions behind.
bool has_somebody(const ScoreboardRow& row) {
  const ScoreboardFacts facts = facts_in(row);
  return facts.kind != PlaceKind::none &&
         is_running(facts.process, {std::chrono::nanoseconds{facts.born_after},
                                    std::chrono::nanoseconds{facts.born_before}});
}

void write_facts(ScoreboardRow& row, const ScoreboardFacts& facts) {
  const auto words = std::bit_cast<std::array<std::uint64_t, sizeof(ScoreboardFacts) / 8>>(facts);
  const std::uint64_t odd = row.sequence.load(std::memory_order_relaxed) | 1;
  row.sequence.store(odd, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (std::size_t i = 0; i < words.size(); ++i) {
    row.facts[i].store(words[i], std::memory_order_relaxed);
  }
  row.sequence.store(odd + 1, std::memory_order_release);
}

}  // namespace

std::string kernel_boot_id() {
  std::ifstream stream{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(stream, id);
  return id;
}

std::int64_t scoreboard_time() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Result<ScoreboardFacts> facts_of_this_process(PlaceKind kind) {
  const Result<std::uint64_t> ticks = start_ticks_of(::getpid());
  if (!ticks) return std::unexpected(ticks.error());
  const Birth birth = birth_at(*ticks);
  ScoreboardFacts facts;
  facts.kind = kind;
  facts.process = ::getpid();
  facts.born_after = birth.after.count();
  facts.born_before = birth.before.count();
  facts.since = scoreboard_time();
  return facts;
}

// --- Activity

Activity::Activity() : page_{std::make_shared<ScoreboardPage>()} {}

void Activity::begin_session(std::uint64_t serial) {
  ScoreboardPage& page = *page_;
  for (std::atomic<std::uint64_t>* const count :
       {&page.serial, &page.end_wanted, &page.messages, &page.octets_sent, &page.octets_received,
        &page.retrieved, &page.deleted}) {
    count->store(0, std::memory_order_relaxed);
  }
  set_state(SessionState::opening);
  note_life();
  page.serial.store(serial, std::memory_order_release);
}

void Activity::set_state(SessionState state) {
  page_->state.store(static_cast<std::uint64_t>(state), std::memory_order_relaxed);
}

void Activity::note_life() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  page_->active.store(now.tv_sec, std::memory_order_relaxed);
}

bool Activity::end_is_wanted() const {
  const std::uint64_t wanted = page_->end_wanted.load(std::memory_order_relaxed);
  return wanted != 0 && wanted == page_->serial.load(std::memory_order_relaxed);
}

// --- Scoreboard

void Scoreboard::Unmap::operator()(Table* table) const noexcept {
  ::munmap(table, sizeof(Table));
}

Result<Fd> Scoreboard::open_file(const std::filesystem::path& path) {
  const Result<Fd> directory = open_own_directory(path.parent_path());
  if (!directory) return std::unexpected(directory.error());
  Result<Fd> file = open_usable(*directory, path);
  if (!file || file->is_open()) return file;
  if (::flock(directory->get(), LOCK_EX) != 0) {
    const int saved = errno;
    return file_error(saved, "lock the directory of", path);
  }
  file = open_usable(*directory, path);  // others may have come first
  if (!file || file->is_open()) return file;
  return make_file(*directory, path);
}

Result<Scoreboard> Scoreboard::map(Fd file) {
  if (!is_current(file)) return fail(Errc::corrupt, "no scoreboard of this version");
  const Result<std::uint64_t> ticks = start_ticks_of(::getpid());
  if (!ticks) return std::unexpected(ticks.error());
  void* const at =
      ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map the scoreboard");
  }
  Mapping table{static_cast<Table*>(at)};
  if (::madvise(at, sizeof(Table), MADV_DONTFORK) != 0) {
    const int saved = errno;
    return fail_errno(saved, "keep the scoreboard from children");
  }
  Scoreboard board{std::move(file), std::move(table)};
  board.self_ = owner_word(::getpid(), *ticks);
  return board;
}

Scoreboard::Scoreboard(Fd file, Mapping table)
    : file_{std::move(file)}, table_{std::move(table)}, self_{0} {}

bool Scoreboard::take_if_free(Place place) const {
  ScoreboardRow& row = table_->rows[place];
  std::uint64_t owner = row.owner.load(std::memory_order_acquire);
  if (owner != 0 && (is_alive(owner) || has_somebody(row))) return false;
  return row.owner.compare_exchange_strong(owner, self_, std::memory_order_acq_rel);
}

// So that no write to the memory can meet a full file system: that would be a signal.
bool Scoreboard::reserve(Place place) const {
  const auto holds = [this](std::size_t offset, std::size_t size) {
    return ::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(size)) == 0 ||
           errno == EOPNOTSUPP;
  };
  return holds(scoreboard_rows_at + place * sizeof(ScoreboardRow), sizeof(ScoreboardRow)) &&
         holds(scoreboard_pages_at + place * scoreboard_page_octets, scoreboard_page_octets);
}

// The lowest first, so that the file stays small.
std::optional<Scoreboard::Place> Scoreboard::claim() {
  std::atomic<std::uint32_t>& used = table_->header.used;
  while (next_ < scoreboard_places) {
    std::uint32_t known = used.load(std::memory_order_acquire);
    for (; next_ < known; ++next_) {
      if (take_if_free(next_)) return next_++;
    }
    if (known >= scoreboard_places || !reserve(known)) break;
    used.compare_exchange_strong(known, known + 1, std::memory_order_acq_rel);
  }
  next_ = 0;  // the next time those are found that have become free
  return std::nullopt;
}

void Scoreboard::tell(Place place, const ScoreboardFacts& facts) {
  write_facts(table_->rows[place], facts);
}

void Scoreboard::give_back(Place place) {
  tell(place, {});
  table_->rows[place].owner.store(0, std::memory_order_release);
  next_ = std::min(next_, place);
}

Result<Activity> Scoreboard::activity(Place place) const {
  void* const at =
      ::mmap(nullptr, scoreboard_page_octets, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(),
             static_cast<off_t>(scoreboard_pages_at + place * scoreboard_page_octets));
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map a page of the scoreboard");
  }
  return Activity{{static_cast<ScoreboardPage*>(at),
                   [](ScoreboardPage* page) { ::munmap(page, scoreboard_page_octets); }}};
}

std::uint64_t Scoreboard::next_serial() {
  return table_->header.serials.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace pop
