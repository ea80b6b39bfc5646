#include "daemon/scoreboard_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fstream>
#include <memory>
#include <utility>

#include "base/fd.h"
#include "daemon/scoreboard.h"

namespace pop {
namespace {

constexpr int most_tries = 100;  // for a row that is being written
// Many thousands of these still make a sum of 63 bits.
constexpr std::uint64_t most_believed = std::uint64_t{1} << 48;

enum class Rights : std::uint8_t { read, write };

/// A scoreboard file as a reader maps it: the header and all below `used`, which is reserved.
class View {
 public:
  static Result<View> open(const std::filesystem::path& path, Rights rights);

  [[nodiscard]] const ScoreboardHeader& header() const {
    return *reinterpret_cast<const ScoreboardHeader*>(octets_.get());
  }
  [[nodiscard]] std::size_t used() const {
    return std::min(header().used.load(std::memory_order_acquire), scoreboard_places);
  }
  [[nodiscard]] const ScoreboardRow& row(std::size_t place) const {
    return reinterpret_cast<const ScoreboardRow*>(octets_.get() + scoreboard_rows_at)[place];
  }
  [[nodiscard]] ScoreboardPage& page(std::size_t place) const {
    return reinterpret_cast<ScoreboardPage*>(octets_.get() + scoreboard_pages_at)[place];
  }

 private:
  struct Unmap {
    void operator()(char* octets) const noexcept { ::munmap(octets, scoreboard_octets); }
  };
  explicit View(char* octets) : octets_{octets} {}
  std::unique_ptr<char, Unmap> octets_;
};

Result<void> check_file(const Fd& file, const std::filesystem::path& path) {
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "look at " + path.native());
  }
  if (!S_ISREG(st.st_mode)) return fail(Errc::denied, path.native() + ": not a regular file");
  if ((st.st_uid != 0 && st.st_uid != ::geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Errc::denied, path.native() + ": others than root, or you, could have written it");
  }
  if (st.st_size == static_cast<off_t>(scoreboard_octets)) return {};
  return fail(Errc::corrupt, path.native() + ": not a scoreboard of this version");
}

Result<View> View::open(const std::filesystem::path& path, Rights rights) {
  const bool writes = rights == Rights::write;
  const Fd file{::open(
      path.c_str(), (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)};
  if (!file.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "open " + path.native());
  }
  if (Result<void> good = check_file(file, path); !good) return std::unexpected(good.error());
  void* const at = ::mmap(nullptr, scoreboard_octets, writes ? PROT_READ | PROT_WRITE : PROT_READ,
                          MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map " + path.native());
  }
  View view{static_cast<char*>(at)};
  const ScoreboardHeader& header = view.header();
  std::array<char, 40> boot{};
  put_text(boot, kernel_boot_id());
  if (header.magic != scoreboard_magic || header.version != scoreboard_version ||
      header.places != scoreboard_places) {
    return fail(Errc::corrupt, path.native() + ": not a scoreboard of this version");
  }
  if (header.boot != boot) {
    return fail(Errc::corrupt, path.native() +
                                   ": from before this machine was started; popper "
                                   "makes it anew when it starts");
  }
  return view;
}

template <std::size_t size>
std::string text_of(const std::array<char, size>& field) {
  const auto end = std::ranges::find(field, '\0');
  return {field.begin(), end};
}

std::optional<ScoreboardFacts> facts_in(const ScoreboardRow& row) {
  std::array<std::uint64_t, sizeof(ScoreboardFacts) / 8> words{};
  for (int tries = 0; tries < most_tries; ++tries) {
    const std::uint64_t before = row.sequence.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = row.facts[i].load(std::memory_order_relaxed);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    const bool is_whole =
        (before & 1) == 0 && row.sequence.load(std::memory_order_relaxed) == before;
    if (is_whole) return std::bit_cast<ScoreboardFacts>(words);
  }
  return std::nullopt;
}

Birth birth_of(const ScoreboardFacts& facts) {
  return {std::chrono::nanoseconds{facts.born_after}, std::chrono::nanoseconds{facts.born_before}};
}

std::uint64_t believed(const std::atomic<std::uint64_t>& number) {
  return std::min(number.load(std::memory_order_relaxed), most_believed);
}

std::optional<SessionProgress> progress_in(const ScoreboardPage& page, std::uint64_t serial) {
  if (page.serial.load(std::memory_order_acquire) != serial) return std::nullopt;
  SessionProgress progress;
  const std::uint64_t state = page.state.load(std::memory_order_relaxed);
  if (state <= static_cast<std::uint64_t>(SessionState::updating)) {
    progress.state = static_cast<SessionState>(state);
  }
  progress.active = std::clamp<std::int64_t>(page.active.load(std::memory_order_relaxed), 0,
                                             static_cast<std::int64_t>(most_believed));
  progress.messages = believed(page.messages);
  progress.retrieved = believed(page.retrieved);
  progress.deleted = believed(page.deleted);
  progress.octets_sent = believed(page.octets_sent);
  progress.octets_received = believed(page.octets_received);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (page.serial.load(std::memory_order_relaxed) != serial) return std::nullopt;
  return progress;
}

SeenSession session_of(const ScoreboardFacts& facts, std::size_t place,
                       const ScoreboardPage& page) {
  SeenSession session;
  session.place = place;
  session.serial = facts.serial;
  session.process = facts.process;
  session.birth = birth_of(facts);
  session.uid = facts.uid;
  session.flags = facts.flags;
  session.since = facts.since;
  session.user = text_of(facts.user);
  session.address = text_of(facts.address);
  session.connection = text_of(facts.connection);
  session.mechanism =
      login_mechanisms[std::min<std::size_t>(facts.mechanism, login_mechanisms.size() - 1)];
  session.progress = progress_in(page, facts.serial);
  return session;
}

using CounterWords = std::array<std::uint64_t, sizeof(CounterTotals) / 8>;

void add_counters(CounterWords& sums, const ScoreboardPage& page) {
  const auto* const counts = reinterpret_cast<const std::atomic<std::uint64_t>*>(&page.counters);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += believed(counts[i]);
}

void add(SeenScoreboard& seen, const ScoreboardFacts& facts, std::size_t place,
         const ScoreboardPage& page) {
  if (facts.kind == PlaceKind::none || !is_running(facts.process, birth_of(facts))) return;
  switch (facts.kind) {
    case PlaceKind::gate:
      ++seen.gates;
      seen.strangers += believed(page.strangers);
      seen.queued += believed(page.queued);
      break;
    case PlaceKind::keeper:
      ++seen.keepers;
      break;
    case PlaceKind::session:
      seen.sessions.push_back(session_of(facts, place, page));
      break;
    case PlaceKind::none:
      break;
  }
}

// --- Ends

bool is_same(const std::optional<ScoreboardFacts>& facts, const SeenSession& session) {
  return facts && facts->kind == PlaceKind::session && facts->serial == session.serial &&
         facts->process == session.process;
}

std::vector<pid_t> children_of(pid_t process) {
  const std::string number = std::to_string(process);
  std::ifstream stream{"/proc/" + number + "/task/" + number + "/children"};
  std::vector<pid_t> children;
  for (pid_t child = 0; stream >> child;) children.push_back(child);
  return children;
}

bool holds_pam_session(pid_t process) {
  std::ifstream stream{"/proc/" + std::to_string(process) + "/comm"};
  std::string name;
  return std::getline(stream, name) && name == "pop-pam";
}

// Not one that has got the number of a child that has ended: its birth is read before it is opened,
// and its parent, which alone can take it, afterwards.
Result<Fd> open_child(pid_t parent, pid_t child) {
  const Result<std::uint64_t> ticks = start_ticks_of(child);
  if (!ticks) return std::unexpected(ticks.error());
  Result<Fd> opened = open_process(child, birth_at(*ticks));
  if (!opened) return opened;
  const std::vector<pid_t> children = children_of(parent);
  if (std::ranges::find(children, child) != children.end()) return opened;
  return fail(Errc::not_found, "the session has ended");
}

// With a PAM session to hold, the session's own process is the child of the one that does.
Result<Fd> open_session_process(const SeenSession& session) {
  Result<Fd> process = open_process(session.process, session.birth);
  if (!process || !holds_pam_session(session.process)) return process;
  const std::vector<pid_t> children = children_of(session.process);
  if (children.empty()) return fail(Errc::busy, "the session is beginning or ending");
  Result<Fd> child = open_child(session.process, children.front());
  if (child && has_ended(*process)) return fail(Errc::not_found, "the session has ended");
  return child;
}

}  // namespace

Result<SeenScoreboard> read_scoreboard(const std::filesystem::path& path) {
  const Result<View> view = View::open(path, Rights::read);
  if (!view) return std::unexpected(view.error());
  SeenScoreboard seen;
  seen.made = view->header().made;
  CounterWords sums{};
  const std::size_t used = view->used();
  for (std::size_t place = 0; place < used; ++place) {
    const ScoreboardPage& page = view->page(place);
    add_counters(sums, page);
    if (const auto facts = facts_in(view->row(place))) add(seen, *facts, place, page);
  }
  seen.totals = std::bit_cast<CounterTotals>(sums);
  std::ranges::sort(seen.sessions, {}, &SeenSession::serial);
  return seen;
}

Result<void> ask_to_end(const std::filesystem::path& path, const SeenSession& session) {
  const Result<View> view = View::open(path, Rights::write);
  if (!view) return std::unexpected(view.error());
  if (session.place >= view->used()) return fail(Errc::not_found, "the session has ended");
  const Result<Fd> process = open_session_process(session);
  if (!process) return std::unexpected(process.error());
  if (!is_same(facts_in(view->row(session.place)), session)) {
    return fail(Errc::not_found, "the session has ended");
  }
  if ((session.flags & ScoreboardFacts::by_program) != 0) return signal_process(*process, SIGTERM);
  view->page(session.place).end_wanted.store(session.serial, std::memory_order_relaxed);
  return signal_process(*process, wake_signal);
}

Result<bool> is_on(const std::filesystem::path& path, const SeenSession& session) {
  const Result<View> view = View::open(path, Rights::read);
  if (!view) return std::unexpected(view.error());
  return session.place < view->used() && is_same(facts_in(view->row(session.place)), session) &&
         is_running(session.process, session.birth);
}

}  // namespace pop
