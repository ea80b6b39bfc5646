#include "bull/seen_database.h"

#include <fcntl.h>
#include <gdbm.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>

#include "support/catch.h"
#include "support/child_process.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using test::ChildProcess;
using test::CrashLimits;
using test::CrashState;
using test::get_file;
using test::put_file;
using test::SimulatedDisk;
using test::TemporaryDirectory;

constexpr std::int64_t most_tries = 1000;

SeenDatabase database(const std::filesystem::path& directory, Disk& disk = system_disk()) {
  return {disk, system_clock(), directory / "bulldb", most_tries};
}

void succeed(const Result<void>& done) {
  INFO((done ? std::string{} : done.error().text));
  REQUIRE(done);
}

std::optional<SeenRecord> fetched(const SeenDatabase& base, std::string_view user) {
  Result<std::optional<SeenRecord>> record = base.fetch(user);
  INFO((record ? std::string{} : record.error().text));
  REQUIRE(record);
  return *record;
}

// As Qpopper made it.
void make_old_database(const std::filesystem::path& file,
                       const std::map<std::string, long>& users) {
  GDBM_FILE old = gdbm_open(file.c_str(), 512, GDBM_NEWDB, 0600, nullptr);
  REQUIRE(old != nullptr);
  for (const auto& [user, number] : users) {
    std::string key = user + '\0';
    long value = number;
    REQUIRE(gdbm_store(old, {key.data(), static_cast<int>(key.size())},
                       {reinterpret_cast<char*>(&value), sizeof value}, GDBM_INSERT) == 0);
  }
  REQUIRE(gdbm_close(old) == 0);
}

TEST_CASE("A database of Qpopper's is read, and carried on", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  make_old_database(directory / "bulldb", {{"jo", 7}, {"ann", 9}});
  const SeenDatabase base = database(directory.path());
  CHECK(fetched(base, "jo") == SeenRecord{7, {}});
  CHECK(fetched(base, "j") == std::nullopt);
  succeed(base.store("jo", {8, {3}}));
  CHECK(fetched(base, "jo") == SeenRecord{8, {3}});
  CHECK(fetched(base, "ann") == SeenRecord{9, {}});
  CHECK(base.all().value().records ==
        SeenDatabase::Records{{"ann", SeenRecord{9, {}}}, {"jo", SeenRecord{8, {3}}}});
}

TEST_CASE("A database that is missing or empty begins", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  if (GENERATE(true, false)) put_file(directory / "bulldb", "");
  const SeenDatabase base = database(directory.path());
  CHECK(fetched(base, "jo") == std::nullopt);
  succeed(base.store("jo", {8, {}}));
  CHECK(fetched(base, "jo") == SeenRecord{8, {}});
  succeed(base.apply({{"ann", SeenRecord{1, {}}}}));
  CHECK(fetched(base, "jo") == SeenRecord{8, {}});
  CHECK(fetched(base, "ann") == SeenRecord{1, {}});
  CHECK_FALSE(std::filesystem::exists(directory / "bulldb.changes"));
  succeed(base.apply({{"jo", std::nullopt}, {"nobody", std::nullopt}}));
  CHECK(fetched(base, "jo") == std::nullopt);
}

TEST_CASE("What the database becomes is a GDBM file that others can read", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const SeenDatabase base = database(directory.path());
  succeed(base.store("jo", {8, {}}));
  succeed(base.apply({}));
  GDBM_FILE read = gdbm_open((directory / "bulldb").c_str(), 0, GDBM_READER, 0, nullptr);
  REQUIRE(read != nullptr);
  std::string key{"jo\0", 3};
  datum value = gdbm_fetch(read, {key.data(), 3});
  REQUIRE(value.dsize == sizeof(long));
  CHECK(*reinterpret_cast<const long*>(value.dptr) == 8);
  free(value.dptr);
  gdbm_close(read);
  struct stat st {};
  REQUIRE(::stat((directory / "bulldb").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("Many changes move into the database itself", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const SeenDatabase base = database(directory.path());
  const std::string longish(200, 'u');
  for (int i = 0; i < 600; ++i) succeed(base.store(longish + std::to_string(i), {8, {}}));
  CHECK(std::filesystem::file_size(directory / "bulldb.changes") < 80'000);
  CHECK(std::filesystem::file_size(directory / "bulldb") > 30'000);
  CHECK(base.all()->records.size() == 600);
  CHECK(fetched(base, longish + "0") == SeenRecord{8, {}});
  CHECK(fetched(base, longish + "599") == SeenRecord{8, {}});
}

TEST_CASE("Raising lowers nobody's number", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const SeenDatabase base = database(directory.path());
  succeed(base.store("jo", {8, {3}}));
  succeed(base.store("ann", {5, {}}));
  succeed(base.raise({{"jo", {7, {}}}, {"ann", {6, {2}}}, {"new", {1, {}}}}));
  CHECK(base.all().value().records == SeenDatabase::Records{{"ann", SeenRecord{6, {2}}},
                                                    {"jo", SeenRecord{8, {3}}},
                                                    {"new", SeenRecord{1, {}}}});
  CHECK_FALSE(base.raise({{"a\nb", {1, {}}}}));
}

TEST_CASE("A torn last line is nothing, and the next writer cuts it off", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const SeenDatabase base = database(directory.path());
  succeed(base.store("jo", {8, {}}));
  const std::string one = get_file(directory / "bulldb.changes");
  succeed(base.store("jo", {9, {}}));
  const std::string two = get_file(directory / "bulldb.changes");
  for (std::size_t cut = one.size(); cut < two.size(); ++cut) {
    CAPTURE(cut);
    put_file(directory / "bulldb.changes", two.substr(0, cut));
    CHECK(fetched(base, "jo") == SeenRecord{8, {}});
    succeed(base.store("ann", {1, {}}));
    CHECK(fetched(base, "jo") == SeenRecord{8, {}});
    CHECK(fetched(base, "ann") == SeenRecord{1, {}});
  }
  std::string flipped = two;
  flipped[one.size() + 20] ^= 1;
  put_file(directory / "bulldb.changes", flipped);
  CHECK(fetched(base, "jo") == SeenRecord{8, {}});
}

TEST_CASE("A damaged database is told and left alone", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const std::string garbage(5000, 'x');
  put_file(directory / "bulldb", garbage);
  const SeenDatabase base = database(directory.path());
  CHECK(base.fetch("jo").error().code == Errc::corrupt);
  CHECK(base.apply({{"jo", SeenRecord{8, {}}}}).error().code == Errc::corrupt);
  CHECK(get_file(directory / "bulldb") == garbage);
  CHECK_FALSE(std::filesystem::exists(directory / "bulldb.new"));
}

TEST_CASE("One damaged record is that user's alone, and told", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const std::filesystem::path file = directory / "bulldb";
  make_old_database(file, {{"jo", 7}, {"ann", 9}});
  GDBM_FILE old = gdbm_open(file.c_str(), 512, GDBM_WRITER, 0600, nullptr);
  REQUIRE(old != nullptr);
  std::string key{"jo\0", 3}, value = "x";
  REQUIRE(gdbm_store(old, {key.data(), 3}, {value.data(), 1}, GDBM_REPLACE) == 0);
  REQUIRE(gdbm_close(old) == 0);
  const SeenDatabase base = database(directory.path());
  CHECK(base.fetch("jo").error().code == Errc::usage);
  CHECK(fetched(base, "ann") == SeenRecord{9, {}});
  const Result<SeenDatabase::Everybody> everybody = base.all();
  REQUIRE(everybody);
  CHECK(everybody->damaged == std::vector<std::string>{"jo"});
  CHECK(everybody->records == SeenDatabase::Records{{"ann", {9, {}}}});
  succeed(base.store("jo", {8, {}}));
  CHECK(fetched(base, "jo") == SeenRecord{8, {}});
  CHECK(base.all().value().damaged.empty());
}

TEST_CASE("A database that everybody may write is not believed", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const SeenDatabase base = database(directory.path());
  succeed(base.apply({{"jo", SeenRecord{8, {}}}}));
  REQUIRE(::chmod((directory / "bulldb").c_str(), 0666) == 0);
  CHECK(base.fetch("jo").error().code == Errc::denied);
}

TEST_CASE("A lock that stays taken is given up after so many tries", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const SeenDatabase base{system_disk(), system_clock(), directory / "bulldb", 3};
  succeed(base.store("jo", {8, {}}));
  const Fd held{::open((directory / "bulldb.lock").c_str(), O_RDWR | O_CLOEXEC)};
  REQUIRE(held.is_open());
  REQUIRE(::flock(held.get(), LOCK_EX) == 0);
  CHECK(base.store("jo", {9, {}}).error().code == Errc::busy);
  CHECK(fetched(base, "jo") == SeenRecord{8, {}});
}

TEST_CASE("Names that a line cannot hold are refused", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  const SeenDatabase base = database(directory.path());
  for (const std::string& user :
       {std::string{}, std::string{"a\nb"}, std::string{"a\0b", 3}, std::string(300, 'a')}) {
    CHECK(base.store(user, {8, {}}).error().code == Errc::usage);
    CHECK(base.apply({{user, SeenRecord{8, {}}}}).error().code == Errc::usage);
  }
  succeed(base.store("a b c", {8, {}}));
  CHECK(fetched(base, "a b c") == SeenRecord{8, {}});
}

TEST_CASE("Many writers at once lose nothing", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  make_old_database(directory / "bulldb", {{"jo", 7}});
  constexpr int writers = 40, rounds = 30;
  std::vector<ChildProcess> children;
  for (int i = 0; i < writers; ++i) {
    children.emplace_back([&directory, i] {
      const SeenDatabase base = database(directory.path());
      const std::string user = "user" + std::to_string(i) + std::string(60, 'x');
      for (std::uint64_t number = 1; number <= rounds; ++number) {
        if (!base.store(user, {number, {}})) return 1;
        const auto now = base.fetch(user);
        if (!now || *now != SeenRecord{number, {}}) return 2;
      }
      return 0;
    });
  }
  for (ChildProcess& child : children) CHECK(child.wait() == 0);
  const SeenDatabase::Records all = database(directory.path()).all().value().records;
  CHECK(all.size() == writers + 1);
  CHECK(std::ranges::count_if(all, [](const auto& entry) {
          return entry.second == SeenRecord{rounds, {}};
        }) == writers);
  CHECK(all.at("jo") == SeenRecord{7, {}});
}

TEST_CASE("A power cut at any point leaves the old number or the new one", "[bull][database]") {
  const TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  make_old_database(directory / "bulldb", {{"jo", 7}, {"ann", 9}});
  SimulatedDisk disk{directory.path()};
  {
    const SeenDatabase base = database(directory.path(), disk);
    succeed(base.store("jo", {8, {}}));
    disk.mark("8");
    succeed(base.store("jo", {9, {}}));
    disk.mark("9");
    succeed(base.apply({{"jo", SeenRecord{10, {}}}}));
    disk.mark("10");
    succeed(base.store("jo", {11, {}}));
    disk.mark("11");
  }
  const auto check = [&](const CrashState& state) {
    CAPTURE(state.description, state.changes, state.marks.size());
    const SeenDatabase base = database(state.root);
    const std::optional<SeenRecord> jo = fetched(base, "jo");
    REQUIRE(jo);
    const std::uint64_t promised = 7 + state.marks.size();
    CHECK(jo->highest >= promised);
    CHECK(jo->highest <= promised + 1);
    CHECK(fetched(base, "ann") == SeenRecord{9, {}});
    succeed(base.store("jo", {20, {}}));
    CHECK(fetched(base, "jo") == SeenRecord{20, {}});
  };
  CHECK(disk.for_each_crash_state(CrashLimits{.states_per_point = 40}, check) > 15);
  CHECK(disk.for_each_kill_state(check) > 10);
}

}  // namespace
}  // namespace pop
