#include "support/simulated_disk.h"

#include <unistd.h>

#include <map>
#include <set>

#include "base/file_replacement.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;
using namespace pop::test;

namespace {

/// A simulated disk on a directory with one file "f".
struct Bed {
  explicit Bed(std::string_view content) {
    put_file(root / "f", content);
    disk.emplace(root.path());
    auto opened = open_directory(root.path().native());
    REQUIRE(opened);
    directory = std::move(*opened);
  }
  Fd open(const std::string& name, int flags = O_RDWR) {
    auto file = disk->open(directory.get(), name, flags, 0600);
    REQUIRE(file);
    return std::move(*file);
  }

  TemporaryDirectory root;
  std::optional<SimulatedDisk> disk;
  Fd directory;
};

/// What "f" may hold after a crash; "(none)" where there is no such file.
std::set<std::string> contents(const SimulatedDisk& disk, const std::string& name = "f") {
  std::set<std::string> seen;
  disk.for_each_crash_state({}, [&](const CrashState& state) {
    const auto path = state.root / name;
    seen.insert(std::filesystem::exists(path) ? get_file(path) : "(none)");
  });
  return seen;
}

/// The contents after the last mark only.
std::set<std::string> contents_after_marks(const SimulatedDisk& disk, std::size_t marks,
                                           const std::string& name = "f") {
  std::set<std::string> seen;
  disk.for_each_crash_state({}, [&](const CrashState& state) {
    if (state.marks.size() != marks) return;
    const auto path = state.root / name;
    seen.insert(std::filesystem::exists(path) ? get_file(path) : "(none)");
  });
  return seen;
}

}  // namespace

TEST_CASE("A write that was not synced may be there or not", "[disk]") {
  Bed bed{"old mail"};
  const Fd file = bed.open("f");
  REQUIRE(bed.disk->write(file, "new", {0}));
  CHECK(contents(*bed.disk) == std::set<std::string>{"old mail", "new mail"});
  REQUIRE(bed.disk->sync(file));
  bed.disk->mark("synced");
  CHECK(contents_after_marks(*bed.disk, 1) == std::set<std::string>{"new mail"});
}

TEST_CASE("A truncation may be durable before data that was written earlier", "[disk]") {
  Bed bed{"aaaabbbb"};
  const Fd file = bed.open("f");
  REQUIRE(bed.disk->write(file, "bbbb", {0}));
  REQUIRE(bed.disk->truncate(file, {4}));
  CHECK(contents(*bed.disk) == std::set<std::string>{"aaaabbbb", "bbbbbbbb", "aaaa", "bbbb"});
}

TEST_CASE("A sync between data and truncation takes the loss away", "[disk]") {
  Bed bed{"aaaabbbb"};
  const Fd file = bed.open("f");
  REQUIRE(bed.disk->write(file, "bbbb", {0}));
  REQUIRE(bed.disk->sync(file));
  REQUIRE(bed.disk->truncate(file, {4}));
  CHECK(contents(*bed.disk) == std::set<std::string>{"aaaabbbb", "bbbbbbbb", "bbbb"});
}

TEST_CASE("New length may show zeros where the data is missing", "[disk]") {
  Bed bed{"ab"};
  const Fd file = bed.open("f");
  REQUIRE(bed.disk->write(file, "cd", {2}));
  CHECK(contents(*bed.disk) ==
        std::set<std::string>{"ab", "abcd", std::string{"ab\0\0", 4}});
}

TEST_CASE("Sectors of one write are torn, and keep their order within themselves", "[disk]") {
  Bed bed{std::string(1024, 'o')};
  const Fd file = bed.open("f");
  REQUIRE(bed.disk->write(file, std::string(1024, 'n'), {0}));
  const std::string o(512, 'o');
  const std::string n(512, 'n');
  CHECK(contents(*bed.disk) == std::set<std::string>{o + o, n + n, n + o, o + n});

  REQUIRE(bed.disk->write(file, "X", {0}));  // never there without the write below it
  const std::set<std::string> later = contents(*bed.disk);
  const std::string x = "X" + std::string(511, 'n');
  CHECK(later == std::set<std::string>{o + o, n + n, n + o, o + n, x + o, x + n});
}

TEST_CASE("Names of a directory are durable in order up to some point", "[disk]") {
  Bed bed{"old"};
  (void)bed.open("a", O_RDWR | O_CREAT | O_EXCL);
  REQUIRE(bed.disk->rename(bed.directory.get(), "a", "b"));
  REQUIRE(bed.disk->remove(bed.directory.get(), "f"));
  std::set<std::set<std::string>> seen;
  bed.disk->for_each_crash_state({}, [&](const CrashState& state) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{state.root}) {
      names.insert(entry.path().filename().native());
    }
    seen.insert(names);
  });
  CHECK(seen == std::set<std::set<std::string>>{{"f"}, {"a", "f"}, {"b", "f"}, {"b"}});
}

TEST_CASE("Of two exchanged names both have changed or none", "[disk]") {
  Bed bed{"old"};
  REQUIRE(bed.disk->make_directory(bed.directory.get(), "sub", 0700));
  REQUIRE(bed.disk->sync_directory(bed.directory.get()));
  bed.disk->mark("begin");
  REQUIRE(bed.disk->exchange(bed.directory.get(), "f", "sub"));
  REQUIRE(bed.disk->remove_directory(bed.directory.get(), "f"));
  std::set<std::string> seen;
  bed.disk->for_each_crash_state({}, [&](const CrashState& state) {
    if (state.marks.empty()) return;
    std::string names;
    for (const char* name : {"f", "sub"}) {
      const std::filesystem::path path = state.root / name;
      if (!std::filesystem::exists(path)) continue;
      names += std::string{name} + (std::filesystem::is_directory(path) ? "/ " : " ");
    }
    seen.insert(names);
  });
  CHECK(seen == std::set<std::string>{"f sub/ ", "f/ sub ", "sub "});
}

TEST_CASE("A file that is moved to another directory never loses both names", "[disk]") {
  Bed bed{"old"};
  REQUIRE(bed.disk->make_directory(bed.directory.get(), "sub", 0700));
  REQUIRE(bed.disk->sync_directory(bed.directory.get()));
  const auto sub = open_directory(bed.directory.get(), "sub");
  REQUIRE(sub);
  bed.disk->mark("begin");
  REQUIRE(bed.disk->move(bed.directory.get(), "f", sub->get(), "g"));
  REQUIRE(bed.disk->sync_directory(sub->get()));
  bed.disk->mark("one synced");
  REQUIRE(bed.disk->sync_directory(bed.directory.get()));
  bed.disk->mark("both synced");
  std::set<std::pair<std::size_t, std::string>> seen;
  bed.disk->for_each_crash_state({}, [&](const CrashState& state) {
    if (state.marks.empty()) return;
    const std::string names = std::string{std::filesystem::exists(state.root / "f") ? "f" : ""} +
                              (std::filesystem::exists(state.root / "sub/g") ? "g" : "");
    seen.emplace(state.marks.size(), names);
  });
  CHECK(seen == std::set<std::pair<std::size_t, std::string>>{
                    {1, "f"}, {1, "fg"}, {1, "g"}, {2, "fg"}, {2, "g"}, {3, "g"}});
}

TEST_CASE("A name is not durable because its file was synced", "[disk]") {
  Bed bed{"old"};
  const Fd file = bed.open("new", O_RDWR | O_CREAT | O_EXCL);
  REQUIRE(bed.disk->write(file, "mail", {0}));
  REQUIRE(bed.disk->sync(file));
  bed.disk->mark("file");
  REQUIRE(bed.disk->sync_directory(bed.directory.get()));
  bed.disk->mark("directory");
  CHECK(contents_after_marks(*bed.disk, 1, "new") == std::set<std::string>{"(none)", "mail"});
  CHECK(contents_after_marks(*bed.disk, 2, "new") == std::set<std::string>{"mail"});
}

TEST_CASE("Renaming before the data is synced may leave an empty file and nothing else", "[disk]") {
  Bed bed{"old"};
  const Fd file = bed.open("new", O_RDWR | O_CREAT | O_EXCL);
  REQUIRE(bed.disk->write(file, "new mail", {0}));
  REQUIRE(bed.disk->rename(bed.directory.get(), "new", "f"));
  CHECK(contents(*bed.disk) ==
        std::set<std::string>{"old", "", std::string(8, '\0'), "new mail"});
}

TEST_CASE("Data of a failed sync may be lost although the next sync succeeds", "[disk]") {
  Bed bed{"old"};
  const Fd file = bed.open("f");
  bed.disk->fail_at({.call = 2, .error = EIO});
  REQUIRE(bed.disk->write(file, "new", {0}));
  REQUIRE(!bed.disk->sync(file));
  REQUIRE(bed.disk->sync(file));
  bed.disk->mark("believed");
  CHECK(contents_after_marks(*bed.disk, 1) == std::set<std::string>{"old", "new"});
  CHECK(bed.disk->faults_hit() == 1);
}

TEST_CASE("A fault hits the call it is set for, with its errno", "[disk]") {
  Bed bed{"12345678"};
  const Fd file = bed.open("f");
  SECTION("refused") {
    bed.disk->fail_at({.call = 1, .error = ENOSPC});
    const auto written = bed.disk->write(file, "abcd", {0});
    REQUIRE(!written);
    CHECK(written.error().code == Errc::full);
    CHECK(get_file(bed.root / "f") == "12345678");
    CHECK(bed.disk->write(file, "abcd", {0}));
  }
  SECTION("short") {
    bed.disk->fail_at({.call = 1, .error = EIO, .kind = FaultKind::short_write});
    REQUIRE(!bed.disk->write(file, "abcd", {0}));
    CHECK(get_file(bed.root / "f") == "ab345678");
  }
  SECTION("short, at the end of the file") {
    bed.disk->fail_at({.call = 1, .error = ENOSPC, .kind = FaultKind::short_write});
    REQUIRE(!bed.disk->write(file, "abcd", {8}));
    CHECK(get_file(bed.root / "f") == "12345678ab");
    CHECK(contents(*bed.disk).contains("12345678ab"));
  }
  SECTION("a full disk stays full, but lets go of things") {
    bed.disk->fail_at({.call = 1, .error = ENOSPC, .span = FaultSpan::lasting});
    CHECK(!bed.disk->write(file, "abcd", {0}));
    CHECK(!bed.disk->reserve(file, {4096}));
    CHECK(!bed.disk->open(bed.directory.get(), "g", O_RDWR | O_CREAT, 0600));
    CHECK(bed.disk->truncate(file, {2}));
    CHECK(bed.disk->remove(bed.directory.get(), "f"));
    CHECK(bed.disk->faults_hit() == 3);
  }
  CHECK(bed.disk->describe_call(1).starts_with("write f "));
}

TEST_CASE("A kill leaves everything up to some point, the last write perhaps in part", "[disk]") {
  Bed bed{"old"};
  const Fd file = bed.open("f");
  REQUIRE(bed.disk->write(file, "mail", {3}));
  REQUIRE(bed.disk->truncate(file, {0}));
  (void)bed.open("g", O_RDWR | O_CREAT);
  std::vector<std::string> seen;
  bed.disk->for_each_kill_state([&](const CrashState& state) {
    seen.push_back(get_file(state.root / "f") +
                   (std::filesystem::exists(state.root / "g") ? " and g" : ""));
  });
  CHECK(seen == std::vector<std::string>{"old", "oldma", "oldmail", "", " and g"});
}

TEST_CASE("States carry modes, owners, links, directories and marks", "[disk]") {
  TemporaryDirectory root;
  std::filesystem::create_directory(root / "sub");
  put_file(root / "sub/one", "1");
  std::filesystem::create_hard_link(root / "sub/one", root / "sub/two");
  std::filesystem::create_symlink("sub/one", root / "pointer");
  REQUIRE(::chmod((root / "sub/one").c_str(), 0640) == 0);
  SimulatedDisk disk{root.path()};
  const auto sub = open_directory((root / "sub").native());
  REQUIRE(sub);
  const auto file = disk.open(sub->get(), "one", O_RDWR, 0);
  REQUIRE(file);
  REQUIRE(disk.set_mode(*file, 0604));
  if (::geteuid() == 0) REQUIRE(disk.set_owner(*file, 4711, 4712));
  disk.mark("set");
  std::size_t looked = 0;
  disk.for_each_crash_state({}, [&](const CrashState& state) {
    struct stat one {};
    struct stat two {};
    REQUIRE(::stat((state.root / "sub/one").c_str(), &one) == 0);
    REQUIRE(::stat((state.root / "sub/two").c_str(), &two) == 0);
    CHECK(one.st_ino == two.st_ino);
    CHECK(std::filesystem::read_symlink(state.root / "pointer") == "sub/one");
    if (state.marks.empty()) return;
    CHECK(state.marks == std::vector<std::string>{"set"});
    CHECK((one.st_mode & 07777) == 0604);
    if (::geteuid() == 0) CHECK((one.st_uid == 4711 && one.st_gid == 4712));
    ++looked;
  });
  CHECK(looked == 1);
}

TEST_CASE("Beyond the cap the telling states and random ones are built", "[disk]") {
  Bed bed{std::string(512 * 12, '.')};
  const Fd file = bed.open("f");
  for (std::uint64_t i = 0; i < 12; ++i) REQUIRE(bed.disk->write(file, "x", {i * 512}));
  std::set<std::string> last;
  std::size_t at_end = 0;
  const std::size_t visited =
      bed.disk->for_each_crash_state({.states_per_point = 100}, [&](const CrashState& state) {
        if (state.changes == 12) ++at_end;
        std::string present;
        const std::string whole = get_file(state.root / "f");
        for (std::size_t i = 0; i < 12; ++i) present += whole[i * 512];
        last.insert(present);
      });
  CHECK(visited <= 13 * 100);
  CHECK(at_end > 20);
  CHECK(at_end <= 100);
  CHECK(last.contains("............"));
  CHECK(last.contains("xxxxxxxxxxxx"));
  CHECK(last.contains("xxxxx.xxxxxx"));
  CHECK(last.contains(".....x......"));
  CHECK(last.size() == visited);  // none twice
}

TEST_CASE("Copies and reserved space are logged like writes", "[disk]") {
  Bed bed{"source"};
  const Fd from = bed.open("f");
  const Fd to = bed.open("g", O_RDWR | O_CREAT);
  REQUIRE(bed.disk->sync_directory(bed.directory.get()));
  REQUIRE(bed.disk->reserve(to, {3}));
  REQUIRE(bed.disk->copy(from, {3}, to, {0}, {3}));
  REQUIRE(bed.disk->sync(to));
  bed.disk->mark("synced");
  CHECK(contents_after_marks(*bed.disk, 1, "g") == std::set<std::string>{"rce"});
  CHECK(contents(*bed.disk, "g") ==
        std::set<std::string>{"(none)", "", std::string(3, '\0'), "rce"});
}

TEST_CASE("replace_file leaves the old or the new file at every crash and fault", "[disk]") {
  const std::string before(700, 'o');
  const std::string after(1300, 'n');
  std::size_t states = 0;
  std::size_t calls = 1;
  for (std::size_t call = 0; call <= calls; ++call) {  // 0: no fault
    for (const int error : {ENOSPC, EIO, EDQUOT}) {
      for (const FaultKind kind : {FaultKind::refuse, FaultKind::short_write}) {
        Bed bed{before};
        if (call > 0) bed.disk->fail_at({.call = call, .error = error, .kind = kind});
        const Result<void> done =
            replace_file(*bed.disk, {.directory = bed.directory.get(), .name = "f"}, after);
        CAPTURE(call, error, static_cast<int>(kind));
        if (call == 0) calls = bed.disk->calls();
        if (done) bed.disk->mark("done");
        states += bed.disk->for_each_crash_state({}, [&](const CrashState& state) {
          CAPTURE(state.description);
          const std::string now = get_file(state.root / "f");
          if (state.marks.empty()) {
            CHECK((now == before || now == after));
          } else {
            CHECK(now == after);
          }
        });
        states += bed.disk->for_each_kill_state([&](const CrashState& state) {
          const std::string now = get_file(state.root / "f");
          CHECK((now == before || now == after));
        });
      }
    }
  }
  CHECK(calls >= 5);
  CHECK(states > 100);
}
