#include "auth/credential_db.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "failing_disk.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using Change = CredentialDbWriter::Change;
namespace fs = std::filesystem;

Credential with_hash(std::string hash) {
  Credential credential;
  credential.password_hash = std::move(hash);
  return credential;
}

std::vector<Change> one(std::string user, std::optional<Credential> credential) {
  std::vector<Change> changes;
  changes.push_back({std::move(user), std::move(credential)});
  return changes;
}

void set(const fs::path& file, const std::string& user, const std::string& hash) {
  REQUIRE(CredentialDbWriter::apply(system_disk(), file, one(user, with_hash(hash))));
}

fs::path new_file(const test::TemporaryDirectory& directory) {
  fs::path file = directory / "credentials.gdbm";
  REQUIRE(CredentialDbWriter::create(system_disk(), file));
  return file;
}

/// The hash stored for a user; "" for none. The file must be sound.
std::string hash_of(const fs::path& file, std::string_view user) {
  const Result<std::optional<Credential>> found = CredentialDb{file}.find(user);
  REQUIRE(found);
  return *found ? (*found)->password_hash : "";
}

Errc code_of_find(const fs::path& file) {
  const Result<std::optional<Credential>> found = CredentialDb{file}.find("jo");
  REQUIRE_FALSE(found);
  CHECK_FALSE(CredentialDb{file}.available());
  return found.error().code;
}

TEST_CASE("A new credential file is empty, private and made once", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const mode_t umask_before = ::umask(0);
  const fs::path file = new_file(directory);
  ::umask(umask_before);
  CHECK(CredentialDb{file}.users() == std::vector<std::string>{});
  CHECK(CredentialDb{file}.available());
  struct stat st {};
  REQUIRE(::stat(file.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0600);
  const Result<void> again = CredentialDbWriter::create(system_disk(), file);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Errc::busy);
}

TEST_CASE("Users are set, changed, listed and deleted", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  set(file, "jo", "$one");
  set(file, "al", "$two");
  set(file, "jo", "$three");
  CHECK(hash_of(file, "jo") == "$three");
  CHECK(hash_of(file, "al") == "$two");
  CHECK(hash_of(file, "nobody").empty());
  CHECK(CredentialDb{file}.users() == std::vector<std::string>{"al", "jo"});
  REQUIRE(CredentialDbWriter::apply(system_disk(), file, one("al", std::nullopt)));
  CHECK(CredentialDb{file}.users() == std::vector<std::string>{"jo"});
  CHECK_FALSE(fs::exists(directory / "credentials.gdbm.new"));
}

TEST_CASE("Several changes are made in one step or not at all", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  set(file, "jo", "$one");
  std::vector<Change> changes = one("jo", with_hash("$two"));
  changes.push_back({"nobody", std::nullopt});
  const Result<void> applied = CredentialDbWriter::apply(system_disk(), file, std::move(changes));
  REQUIRE_FALSE(applied);
  CHECK(applied.error().code == Errc::not_found);
  CHECK(hash_of(file, "jo") == "$one");
}

TEST_CASE("A name that no user can have is not stored", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  for (const char* name : {"", "../jo", "-n", ".jo", "a\nb"}) {
    CAPTURE(name);
    const Result<void> applied =
        CredentialDbWriter::apply(system_disk(), file, one(name, with_hash("$x")));
    REQUIRE_FALSE(applied);
    CHECK(applied.error().code == Errc::usage);
  }
  CHECK(CredentialDb{file}.users() == std::vector<std::string>{});
}

TEST_CASE("A missing file is told from a missing user", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = directory / "credentials.gdbm";
  CHECK(code_of_find(file) == Errc::not_found);
  CHECK(code_of_find(directory / "no" / "such") == Errc::not_found);
  const Result<void> applied =
      CredentialDbWriter::apply(system_disk(), file, one("jo", with_hash("$x")));
  REQUIRE_FALSE(applied);
  CHECK(applied.error().code == Errc::not_found);
  CHECK_FALSE(fs::exists(file));
}

TEST_CASE("A file that others could read or have made is refused", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  set(file, "jo", "$one");
  for (const mode_t mode : {0640U, 0604U, 0660U, 0400U, 0700U, 04600U}) {
    CAPTURE(mode);
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    CHECK(code_of_find(file) == Errc::denied);
    CHECK_FALSE(CredentialDbWriter::apply(system_disk(), file, one("jo", with_hash("$x"))));
  }
  REQUIRE(::chmod(file.c_str(), 0600) == 0);

  fs::create_hard_link(file, directory / "second");
  CHECK(code_of_find(file) == Errc::denied);
  fs::remove(directory / "second");

  fs::create_symlink(file, directory / "link");
  CHECK(code_of_find(directory / "link") == Errc::denied);
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  CHECK(code_of_find(directory / "fifo") == Errc::denied);
  CHECK(code_of_find(directory.path()) == Errc::denied);
  CHECK(hash_of(file, "jo") == "$one");
}

TEST_CASE("Owner and group are kept, and a stranger's file is refused", "[auth][db][root]") {
  if (::geteuid() != 0) {
    WARN("NOT TESTED: owners can only be changed by root");
    return;
  }
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  REQUIRE(::chown(file.c_str(), 4711, 4712) == 0);
  CHECK(code_of_find(file) == Errc::denied);
  REQUIRE(::chown(directory.path().c_str(), 4711, 4712) == 0);
  set(file, "jo", "$one");
  struct stat st {};
  REQUIRE(::stat(file.c_str(), &st) == 0);
  CHECK(st.st_uid == 4711);
  CHECK(st.st_gid == 4712);
  CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("An owner whose process has another group than the file can change it",
          "[auth][db][root]") {
  if (::geteuid() != 0) {
    WARN("NOT TESTED: only root can become another user");
    return;
  }
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  for (const fs::path& path : {directory.path(), file, fs::path{file.native() + ".lock"}}) {
    REQUIRE(::chown(path.c_str(), 4711, 4712) == 0);
  }
  test::ChildProcess owner{[&file] {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(4713, 4713, 4713) != 0 ||
        ::setresuid(4711, 4711, 4711) != 0) {
      return 2;
    }
    return CredentialDbWriter::apply(system_disk(), file, one("jo", with_hash("$one"))) ? 0 : 1;
  }};
  CHECK(owner.wait() == 0);
  CHECK(hash_of(file, "jo") == "$one");
  struct stat st {};
  REQUIRE(::stat(file.c_str(), &st) == 0);
  CHECK(st.st_uid == 4711);
  CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("What was deleted leaves no trace in the file", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  Credential credential;
  credential.apop_secret = Secret{"very-secret-octets"};
  REQUIRE(CredentialDbWriter::apply(system_disk(), file, one("jo", std::move(credential))));
  CHECK(test::get_file(file).find("very-secret-octets") != std::string::npos);
  REQUIRE(CredentialDbWriter::apply(system_disk(), file, one("jo", std::nullopt)));
  CHECK(test::get_file(file).find("very-secret-octets") == std::string::npos);
}

TEST_CASE("A damaged file never yields a wrong credential", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  set(file, "jo", "$the-hash-of-jo");
  set(file, "al", "$the-hash-of-al");
  const std::string content = test::get_file(file);
  const fs::path damaged = directory / "damaged";
  int refused = 0;
  for (std::size_t at = 0; at < content.size(); at += 7) {
    std::string bytes = content;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    test::put_file(damaged, bytes);
    REQUIRE(::chmod(damaged.c_str(), 0600) == 0);
    const Result<std::optional<Credential>> found = CredentialDb{damaged}.find("jo");
    if (!found) ++refused;
    if (!found || !*found) continue;
    CAPTURE(at);
    CHECK((*found)->password_hash == "$the-hash-of-jo");
  }
  CHECK(refused > 10);
}

TEST_CASE("One damaged record can be replaced without losing the others", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  set(file, "jo", "$the-hash-of-jo");
  set(file, "al", "$the-hash-of-al");
  std::string bytes = test::get_file(file);
  const std::size_t at = bytes.find("$the-hash-of-jo");
  REQUIRE(at != std::string::npos);
  bytes[at] = 'x';
  test::put_file(file, bytes);
  CHECK(CredentialDb{file}.find("jo").error().code == Errc::corrupt);
  set(file, "jo", "$new");
  CHECK(hash_of(file, "jo") == "$new");
  CHECK(hash_of(file, "al") == "$the-hash-of-al");
}

TEST_CASE("A second writer waits for the first and gives up in time", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  const Fd held{::open((directory / "credentials.gdbm.lock").c_str(), O_RDWR | O_CLOEXEC)};
  REQUIRE(held.is_open());
  REQUIRE(::flock(held.get(), LOCK_EX) == 0);
  const Result<void> done = CredentialDbWriter::create(
      system_disk(), directory / "credentials.gdbm", {std::chrono::milliseconds{50}});
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::busy);
  CHECK(done.error().text.ends_with(": another writer, process " + std::to_string(::getpid()) +
                                    ", holds the lock"));
  // Readers do not care.
  CHECK(CredentialDb{file}.available());
}

TEST_CASE("A plan sees what it changes, and its error changes nothing", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  set(file, "jo", "$one");
  const auto append = [](const CredentialDb& now) -> Result<std::vector<Change>> {
    Result<std::optional<Credential>> jo = now.find("jo");
    if (!jo) return std::unexpected(jo.error());
    (*jo)->password_hash += "+";
    return one("jo", std::move(*jo));
  };
  REQUIRE(CredentialDbWriter::update(system_disk(), file, append));
  CHECK(hash_of(file, "jo") == "$one+");
  const Result<void> refused = CredentialDbWriter::update(
      system_disk(), file,
      [](const CredentialDb&) -> Result<std::vector<Change>> { return fail(Errc::usage, "no"); });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "no");
  CHECK(hash_of(file, "jo") == "$one+");
}

// ------------------------------------------------------------------ writers beside each other

TEST_CASE("Writers at once lose no change, and readers always see a whole file", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  set(file, "count", "$");
  constexpr int rounds = 25;
  const auto write = [&file] {
    for (int i = 0; i < rounds; ++i) {
      const Result<void> done = CredentialDbWriter::update(
          system_disk(), file, [](const CredentialDb& now) -> Result<std::vector<Change>> {
            Result<std::optional<Credential>> count = now.find("count");
            if (!count || !*count) return fail(Errc::io, "lost");
            (*count)->password_hash += "x";
            return one("count", std::move(*count));
          });
      if (!done) return 1;
    }
    return 0;
  };
  test::ChildProcess first{write};
  test::ChildProcess second{write};
  std::size_t last = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  bool sound = true;
  while (last < 1 + 2 * rounds && sound && std::chrono::steady_clock::now() < deadline) {
    const Result<std::optional<Credential>> found = CredentialDb{file}.find("count");
    sound = found && *found && (*found)->password_hash.size() >= last;
    if (sound) last = (*found)->password_hash.size();
    std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
  CHECK(first.wait() == 0);
  CHECK(second.wait() == 0);
  CHECK(sound);
  CHECK(hash_of(file, "count").size() == 1 + 2 * rounds);
}

// ------------------------------------------------------------------ strikes

/// A file with a thousand users, so that a change writes several pieces.
fs::path large_file(const test::TemporaryDirectory& directory) {
  fs::path file = new_file(directory);
  std::vector<Change> changes;
  for (int i = 0; i < 1000; ++i) {
    changes.push_back({"user" + std::to_string(i), with_hash("$" + std::string(100, 'h'))});
  }
  changes.push_back({"jo", with_hash("$old")});
  REQUIRE(CredentialDbWriter::apply(system_disk(), file, std::move(changes)));
  return file;
}

bool change_jo(Disk& disk, const fs::path& file) {
  return CredentialDbWriter::apply(disk, file, one("jo", with_hash("$new"))).has_value();
}

/// Old or new, and everybody else is still there.
std::string state_of(const fs::path& file) {
  const Result<std::vector<std::string>> users = CredentialDb{file}.users();
  REQUIRE(users);
  CHECK(users->size() == 1001);
  std::string hash = hash_of(file, "jo");
  CHECK((hash == "$old" || hash == "$new"));
  return hash;
}

int calls_of_a_change() {
  const test::TemporaryDirectory directory;
  const fs::path file = large_file(directory);
  FailingDisk disk{FailingDisk::Strike::none, 0};
  REQUIRE(change_jo(disk, file));
  return disk.calls();
}

TEST_CASE("A writer killed before any call leaves the old file or the new one",
          "[auth][db][kill]") {
  const int calls = calls_of_a_change();
  REQUIRE(calls > 12);
  const test::TemporaryDirectory directory;
  const fs::path file = large_file(directory);
  int left_new = 0;
  for (int at = 1; at <= calls; ++at) {
    CAPTURE(at);
    test::ChildProcess child{[&] {
      FailingDisk disk{FailingDisk::Strike::kill, at};
      return change_jo(disk, file) ? 0 : 1;
    }};
    REQUIRE(child.wait() == 128 + SIGKILL);
    if (state_of(file) == "$new") ++left_new;
    // The next writer is not hindered by what was left.
    REQUIRE(CredentialDbWriter::apply(system_disk(), file, one("jo", with_hash("$old"))));
    CHECK(state_of(file) == "$old");
    CHECK_FALSE(fs::exists(directory / "credentials.gdbm.new"));
  }
  CHECK(left_new == 1);  // between the rename and the fsync of the directory
}

TEST_CASE("Any call that fails leaves the old file, says so and leaves nothing else",
          "[auth][db][fault]") {
  const int calls = calls_of_a_change();
  for (const auto strike : {FailingDisk::Strike::io_error, FailingDisk::Strike::disk_full}) {
    const test::TemporaryDirectory directory;
    const fs::path file = large_file(directory);
    for (int at = 1; at <= calls; ++at) {
      CAPTURE(at);
      FailingDisk disk{strike, at};
      const bool done = change_jo(disk, file);
      const std::string state = state_of(file);
      // Only clearing away what a killed writer left may fail without harm, and only the last
      // fsync can fail after the change was made.
      if (done) CHECK(state == "$new");
      if (!done && disk.renamed_at() == 0) CHECK(state == "$old");
      if (!done && disk.renamed_at() != 0) CHECK(at == calls);
      CHECK_FALSE(fs::exists(directory / "credentials.gdbm.new"));
      REQUIRE(CredentialDbWriter::apply(system_disk(), file, one("jo", with_hash("$old"))));
    }
  }
}

TEST_CASE("A writer killed at any time leaves the old file or the new one", "[auth][db][kill]") {
  const test::TemporaryDirectory directory;
  const fs::path file = large_file(directory);
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    test::ChildProcess child{[&] {
      while (change_jo(system_disk(), file)) {
        if (!CredentialDbWriter::apply(system_disk(), file, one("jo", with_hash("$old")))) break;
      }
      return 1;
    }};
    std::this_thread::sleep_for(std::chrono::microseconds{500 + 731 * round});
    REQUIRE(::kill(child.pid(), SIGKILL) == 0);
    REQUIRE(child.wait() == 128 + SIGKILL);
    (void)state_of(file);
  }
  set(file, "jo", "$old");
}

TEST_CASE("A file is never gone while it is emptied, even one that cannot be read",
          "[auth][db][kill]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  test::put_file(file, "damaged");
  int status = 1;
  for (int call = 1; status != 0 && call < 100; ++call) {
    CAPTURE(call);
    test::ChildProcess writer{[&file, call] {
      FailingDisk disk{FailingDisk::Strike::kill, call};
      return CredentialDbWriter::empty(disk, file) ? 0 : 1;
    }};
    status = writer.wait();
    CHECK((status == 0 || status == 128 + SIGKILL));
    CHECK((test::get_file(file) == "damaged" || CredentialDb{file}.users()));
  }
  CHECK(status == 0);
  CHECK(CredentialDb{file}.users() == std::vector<std::string>{});
  const Fd held{::open((file.native() + ".lock").c_str(), O_RDWR | O_CLOEXEC)};
  REQUIRE(::flock(held.get(), LOCK_EX) == 0);
  const Result<void> locked =
      CredentialDbWriter::empty(system_disk(), file, {std::chrono::milliseconds{50}});
  REQUIRE_FALSE(locked);
  CHECK(locked.error().code == Errc::busy);
}

TEST_CASE("A lock file that is a link to something else is refused", "[auth][db]") {
  const test::TemporaryDirectory directory;
  const fs::path file = directory / "credentials.gdbm";
  REQUIRE(CredentialDbWriter::create(system_disk(), file));
  fs::remove(directory / "credentials.gdbm.lock");
  test::put_file(directory / "victim", "x");
  fs::create_hard_link(directory / "victim", directory / "credentials.gdbm.lock");
  const Result<void> done = CredentialDbWriter::apply(system_disk(), file, {});
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::denied);
  fs::remove(directory / "credentials.gdbm.lock");
  fs::create_symlink(directory / "victim", directory / "credentials.gdbm.lock");
  CHECK_FALSE(CredentialDbWriter::apply(system_disk(), file, {}));
}

// ------------------------------------------------------------------ a crowd

/// POPPER_CROWD_SECONDS makes a long form of it.
std::chrono::seconds crowd_time() {
  const char* const seconds = std::getenv("POPPER_CROWD_SECONDS");
  return std::chrono::seconds{seconds == nullptr ? 1 : std::atoi(seconds)};
}

/// Adds one to what stands in a user's record, until the time is over; how often is the exit
/// status of the child, modulo 251. 255: something failed.
int count_up(const fs::path& file, const std::string& user,
             std::chrono::steady_clock::time_point end) {
  int steps = 0;
  for (; std::chrono::steady_clock::now() < end; ++steps) {
    const Result<void> done = CredentialDbWriter::update(
        system_disk(), file, [&](const CredentialDb& now) -> Result<std::vector<Change>> {
          Result<std::optional<Credential>> before = now.find(user);
          if (!before || !*before) return fail(Errc::corrupt, "the record is gone");
          const std::string next = std::to_string(std::stoi((*before)->password_hash) + 1);
          Credential credential = with_hash(next);
          credential.apop_secret = Secret{next};
          return one(user, std::move(credential));
        });
    if (!done) return 255;
  }
  return steps % 251;
}

/// 0: every look found a whole record, and counts never went back.
int look_on(const fs::path& file, const std::string& user,
            std::chrono::steady_clock::time_point end) {
  int last = 0;
  while (std::chrono::steady_clock::now() < end) {
    const Result<std::optional<Credential>> found = CredentialDb{file}.find(user);
    if (!found || !*found) return 1;
    const Credential& credential = **found;
    if (!credential.apop_secret || credential.apop_secret->octets() != credential.password_hash) {
      return 2;
    }
    const int count = std::stoi(credential.password_hash);
    if (count < last) return 3;
    last = count;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  return 0;
}

TEST_CASE("Two writers lose nothing, and fifty readers see whole records", "[auth][db][crowd]") {
  const test::TemporaryDirectory directory;
  const fs::path file = new_file(directory);
  for (const char* user : {"jo", "al"}) {
    Credential credential = with_hash("0");
    credential.apop_secret = Secret{"0"};
    REQUIRE(CredentialDbWriter::apply(system_disk(), file, one(user, std::move(credential))));
  }
  const auto end = std::chrono::steady_clock::now() + crowd_time();
  test::ChildProcess jo{[&] { return count_up(file, "jo", end); }};
  test::ChildProcess al{[&] { return count_up(file, "al", end); }};
  std::vector<std::unique_ptr<test::ChildProcess>> readers;
  for (int i = 0; i < 50; ++i) {
    readers.push_back(std::make_unique<test::ChildProcess>(
        [&, i] { return look_on(file, i % 2 == 0 ? "jo" : "al", end); }));
  }
  for (const auto& reader : readers) CHECK(reader->wait() == 0);
  const int steps_of_jo = jo.wait();
  const int steps_of_al = al.wait();
  CHECK(steps_of_jo == std::stoi(hash_of(file, "jo")) % 251);
  CHECK(steps_of_al == std::stoi(hash_of(file, "al")) % 251);
  CHECK(std::stoi(hash_of(file, "jo")) > 0);
  CHECK(std::stoi(hash_of(file, "al")) > 0);
}

}  // namespace
}  // namespace pop
