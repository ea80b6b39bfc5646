#include "daemon/scoreboard.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "daemon/scoreboard_reader.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

class BoardBed {
 public:
  [[nodiscard]] std::filesystem::path path() const { return directory_.path() / "run" / "board"; }
  [[nodiscard]] Scoreboard board() const {
    Result<Fd> file = Scoreboard::open_file(path());
    REQUIRE(file);
    Result<Scoreboard> board = Scoreboard::map(std::move(*file));
    REQUIRE(board);
    return std::move(*board);
  }
  [[nodiscard]] SeenScoreboard seen() const {
    Result<SeenScoreboard> seen = read_scoreboard(path());
    REQUIRE(seen);
    return std::move(*seen);
  }

 private:
  TemporaryDirectory directory_;
};

// This process stands for the session's.
ScoreboardFacts session_here(std::string_view user, std::uint64_t serial) {
  ScoreboardFacts facts = *facts_of_this_process(PlaceKind::session);
  facts.serial = serial;
  put_text(facts.user, user);
  return facts;
}

ino_t inode_of(const std::filesystem::path& path) {
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  return st.st_ino;
}

template <class Run>
int status_of_child(Run run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("A scoreboard is made once, for its owner alone", "[daemon][scoreboard]") {
  const BoardBed bed;
  REQUIRE(Scoreboard::open_file(bed.path()));
  struct stat st {};
  REQUIRE(::stat(bed.path().c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0600);
  CHECK(st.st_size == static_cast<off_t>(scoreboard_octets));
  CHECK(st.st_blocks * 512 < 65536);
  REQUIRE(Scoreboard::open_file(bed.path()));
  CHECK(inode_of(bed.path()) == st.st_ino);
}

TEST_CASE("A scoreboard of another version or boot is made anew", "[daemon][scoreboard]") {
  const BoardBed bed;
  const auto offset =
      GENERATE(offsetof(ScoreboardHeader, version), offsetof(ScoreboardHeader, places),
               offsetof(ScoreboardHeader, boot));
  { const Scoreboard board = bed.board(); }
  const ino_t first = inode_of(bed.path());
  {
    std::fstream stream{bed.path(), std::ios::in | std::ios::out | std::ios::binary};
    stream.seekp(static_cast<std::streamoff>(offset));
    stream.put('\x7f');
  }
  const Result<SeenScoreboard> seen = read_scoreboard(bed.path());
  REQUIRE_FALSE(seen);
  CHECK(seen.error().code == Errc::corrupt);
  { const Scoreboard board = bed.board(); }
  CHECK(inode_of(bed.path()) != first);
  CHECK(bed.seen().sessions.empty());
}

TEST_CASE("What is no scoreboard is left as it is", "[daemon][scoreboard]") {
  const BoardBed bed;
  std::filesystem::create_directory(bed.path().parent_path());
  std::ofstream{bed.path()} << "a letter that somebody wants to keep";
  const Result<Fd> opened = Scoreboard::open_file(bed.path());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Errc::denied);
  CHECK(std::filesystem::file_size(bed.path()) == 36);

  std::filesystem::remove(bed.path());
  std::filesystem::create_symlink("/dev/null", bed.path());
  CHECK_FALSE(Scoreboard::open_file(bed.path()));
  std::filesystem::remove(bed.path());
  REQUIRE(::chmod(bed.path().parent_path().c_str(), 0777) == 0);
  CHECK_FALSE(Scoreboard::open_file(bed.path()));
}

TEST_CASE("A place has one owner, and is used again", "[daemon][scoreboard]") {
  const BoardBed bed;
  Scoreboard one = bed.board(), two = bed.board();
  const auto first = one.claim(), second = two.claim(), third = one.claim();
  REQUIRE(first);
  REQUIRE(second);
  REQUIRE(third);
  CHECK(*first != *second);
  CHECK(*second != *third);
  one.give_back(*first);
  CHECK(one.claim() == first);
}

TEST_CASE("A place is free when its owner has died, and not before its session has",
          "[daemon][scoreboard]") {
  const BoardBed bed;
  { const Scoreboard board = bed.board(); }
  // The child claims the first place for a session, which this process stands for.
  const ScoreboardFacts here = session_here("jo", 1);
  const int status = status_of_child([&] {
    Result<Fd> file = Scoreboard::open_file(bed.path());
    Result<Scoreboard> board = Scoreboard::map(std::move(*file));
    const auto place = board->claim();
    if (place != Scoreboard::Place{0}) return 1;
    board->tell(*place, here);
    return 0;
  });
  REQUIRE(status == 0);
  CHECK(bed.seen().sessions.size() == 1);
  CHECK(bed.board().claim() == Scoreboard::Place{1});

  ScoreboardFacts gone = here;
  gone.born_after = gone.born_before = 1;  // its number is somebody else's now
  bed.board().tell(0, gone);
  CHECK(bed.seen().sessions.empty());
  CHECK(bed.board().claim() == Scoreboard::Place{0});
}

TEST_CASE("When all places are taken nobody gets one", "[daemon][scoreboard]") {
  const BoardBed bed;
  Scoreboard board = bed.board();
  {
    std::fstream stream{bed.path(), std::ios::in | std::ios::out | std::ios::binary};
    stream.seekp(offsetof(ScoreboardHeader, used));
    const std::uint32_t all_but_one = scoreboard_places - 1;
    stream.write(reinterpret_cast<const char*>(&all_but_one), sizeof all_but_one);
  }
  std::size_t count = 0;
  while (board.claim()) ++count;
  CHECK(count == scoreboard_places);
  CHECK_FALSE(bed.board().claim());
  board.give_back(77);
  CHECK(board.claim() == Scoreboard::Place{77});
}

TEST_CASE("A child inherits no row", "[daemon][scoreboard]") {
  const BoardBed bed;
  const Scoreboard board = bed.board();
  const int status = status_of_child([] {
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);) {
      if (line.find("/run/board") != line.npos) return 1;
    }
    return 0;
  });
  CHECK(status == 0);
}

TEST_CASE("What a session tells is shown with its own row only", "[daemon][scoreboard]") {
  const BoardBed bed;
  Scoreboard board = bed.board();
  const auto place = board.claim();
  REQUIRE(place);
  board.tell(*place, session_here("jo@example.org", 7));
  Result<Activity> activity = board.activity(*place);
  REQUIRE(activity);
  REQUIRE(bed.seen().sessions.size() == 1);
  CHECK_FALSE(bed.seen().sessions.front().progress);

  activity->begin_session(7);
  activity->set_state(SessionState::waiting);
  count_up(activity->page().octets_sent, 100);
  const SeenSession jo = bed.seen().sessions.front();
  CHECK(jo.user == "jo@example.org");
  REQUIRE(jo.progress);
  CHECK(jo.progress->state == SessionState::waiting);
  CHECK(jo.progress->octets_sent == 100);

  board.tell(*place, session_here("al", 8));
  CHECK(bed.seen().sessions.front().user == "al");
  CHECK_FALSE(bed.seen().sessions.front().progress);
  activity->begin_session(8);
  CHECK(bed.seen().sessions.front().progress->octets_sent == 0);
}

TEST_CASE("Counts of all who have had a place add up, and lies do not run over",
          "[daemon][scoreboard]") {
  const BoardBed bed;
  Scoreboard board = bed.board();
  for (int i = 0; i < 3; ++i) {
    const auto place = board.claim();
    Result<Activity> activity = board.activity(*place);
    REQUIRE(activity);
    count_up(activity->counters().ends[session_end("quit")], 2);
    observe(activity->counters().opening_time, std::chrono::milliseconds{3});
    if (i == 0) board.give_back(*place);  // what was counted there stays
  }
  const CounterTotals totals = bed.seen().totals;
  CHECK(totals.ends[session_end("quit")] == 6);
  CHECK(totals.opening_time.buckets[3] == 3);

  for (int i = 0; i < 200; ++i) {
    const auto place = board.claim();
    REQUIRE(place);
    board.tell(*place, session_here("mallory", 9));
    Result<Activity> activity = board.activity(*place);
    REQUIRE(activity);
    std::memset(static_cast<void*>(&activity->page()), 0xff, scoreboard_page_octets);
    activity->page().serial.store(9);
  }
  const SeenScoreboard seen = bed.seen();
  CHECK(seen.totals.connections < std::uint64_t{1} << 62);
  CHECK(seen.totals.connections > 0);
  REQUIRE(seen.sessions.size() == 200);
  CHECK(seen.sessions.front().progress->state == SessionState::starting);
}

TEST_CASE("A row that is being written is never read half", "[daemon][scoreboard]") {
  const BoardBed bed;
  Scoreboard board = bed.board();
  const auto place = board.claim();
  const std::array<std::string, 2> names{std::string(128, 'a'), std::string(128, 'b')};
  std::atomic<bool> is_over = false;
  board.tell(*place, session_here(names[0], 1));
  const std::array<ScoreboardFacts, 2> facts{session_here(names[0], 1), session_here(names[1], 2)};
  std::thread writer{[&] {
    for (std::size_t i = 0; !is_over.load(); ++i) board.tell(*place, facts[i % 2]);
  }};
  std::size_t torn = 0;
  for (int i = 0; i < 300; ++i) {
    for (const SeenSession& session : bed.seen().sessions) {
      if (session.user != names[session.serial - 1]) ++torn;
    }
  }
  is_over.store(true);
  writer.join();
  CHECK(torn == 0);
}

TEST_CASE("A session is asked to end, and nobody who has its number or place",
          "[daemon][scoreboard]") {
  const BoardBed bed;
  Scoreboard board = bed.board();
  const auto place = board.claim();
  Result<Activity> activity = board.activity(*place);
  REQUIRE(activity);
  board.tell(*place, session_here("jo", 5));
  activity->begin_session(5);
  const SeenSession jo = bed.seen().sessions.front();
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  REQUIRE(::sigaction(wake_signal, &ignore, &before) == 0);
  CHECK_FALSE(activity->end_is_wanted());
  CHECK(*is_on(bed.path(), jo));
  REQUIRE(ask_to_end(bed.path(), jo));
  CHECK(activity->end_is_wanted());

  activity->begin_session(6);  // serves somebody else
  board.tell(*place, session_here("al", 6));
  CHECK_FALSE(activity->end_is_wanted());
  CHECK_FALSE(*is_on(bed.path(), jo));
  CHECK(ask_to_end(bed.path(), jo).error().code == Errc::not_found);
  CHECK_FALSE(activity->end_is_wanted());

  SeenSession stale = bed.seen().sessions.front();
  stale.birth = {std::chrono::nanoseconds{1}, std::chrono::nanoseconds{2}};
  CHECK(ask_to_end(bed.path(), stale).error().code == Errc::not_found);
  CHECK_FALSE(activity->end_is_wanted());
  ::sigaction(wake_signal, &before, nullptr);
}

TEST_CASE("Readers take nothing that others could have written", "[daemon][scoreboard]") {
  const BoardBed bed;
  { const Scoreboard board = bed.board(); }
  REQUIRE(::chmod(bed.path().c_str(), 0666) == 0);
  CHECK(read_scoreboard(bed.path()).error().code == Errc::denied);
  REQUIRE(::chmod(bed.path().c_str(), 0600) == 0);
  std::filesystem::resize_file(bed.path(), 4096);
  CHECK(read_scoreboard(bed.path()).error().code == Errc::corrupt);
  std::filesystem::remove(bed.path());
  CHECK(read_scoreboard(bed.path()).error().code == Errc::not_found);
}

TEST_CASE("Times lie in the bucket with the next bound", "[daemon][scoreboard]") {
  Activity activity;
  auto& histogram = activity.counters().update_time;
  for (const auto time : {std::chrono::microseconds{0}, std::chrono::microseconds{500},
                          std::chrono::microseconds{501}, std::chrono::microseconds{60'000'001}}) {
    observe(histogram, time);
  }
  CHECK(histogram.buckets.front() == 2);
  CHECK(histogram.buckets[1] == 1);
  CHECK(histogram.buckets.back() == 1);
  CHECK(histogram.microseconds == 60'001'002);
}

TEST_CASE("Names that are not known are counted as the last", "[daemon][scoreboard]") {
  CHECK(login_mechanisms[login_mechanism("SCRAM-SHA-256")] == "SCRAM-SHA-256");
  CHECK(login_mechanisms[login_mechanism("")] == "other");
  CHECK(session_ends[session_end("timeout")] == "timeout");
  CHECK(counted_commands[counted_command("RETR 1")] == "retr");
  CHECK(counted_commands[counted_command("uidl")] == "uidl");
  CHECK(counted_commands[counted_command("my password")] == "other");
}

}  // namespace pop::test
