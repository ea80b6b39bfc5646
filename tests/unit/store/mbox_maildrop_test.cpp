#include "store/mbox_maildrop.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include "store/maildrop.h"
#include "support/catch.h"
#include "support/forwarding_disk.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using pop::test::get_file;
using pop::test::outcome;
using pop::test::put_file;
using pop::test::TemporaryDirectory;
using pop::test::wire_of;

namespace {

std::string mail(std::string_view name, std::string_view extra_header = "",
                 std::string_view body = "hello\n") {
  return "From " + std::string{name} + "@example.org Thu Jan  1 00:00:00 1970\nMessage-Id: <" +
         std::string{name} + "@example.org>\nSubject: " + std::string{name} + "\n" +
         std::string{extra_header} + "\n" + std::string{body} + "\n";
}

/// A spool directory with one user, whose maildrop is opened again and again.
class Host {
 public:
  Host() {
    settings.spool_dir = directory.path();
    settings.server_mode = true;
    settings.update_status_headers = false;
    user.name = "jo";
    user.uid = ::geteuid();
    user.gid = ::getegid();
    user.home = directory.path();
  }

  [[nodiscard]] std::filesystem::path spool() const { return directory / "jo"; }
  [[nodiscard]] std::unique_ptr<Maildrop> open() {
    Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, *disk, system_clock()}, user);
    INFO((maildrop ? std::string{} : maildrop.error().text));
    REQUIRE(maildrop);
    return std::move(*maildrop);
  }
  [[nodiscard]] Error open_error() {
    Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, *disk, system_clock()}, user);
    REQUIRE(!maildrop);
    return maildrop.error();
  }
  [[nodiscard]] std::vector<std::string> ids() {
    const auto maildrop = open();
    std::vector<std::string> found;
    for (const MessageInfo& m : maildrop->messages()) found.emplace_back(m.unique_id);
    return found;
  }
  [[nodiscard]] std::vector<std::string> names_left() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{directory.path()}) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }

  TemporaryDirectory directory;
  Settings settings;
  MailUser user;
  Disk* disk = &system_disk();
};

void erase(Host& host, std::initializer_list<std::uint32_t> numbers) {
  const auto maildrop = host.open();
  const Result<void> done = maildrop->commit(outcome(*maildrop, numbers));
  INFO((done ? std::string{} : done.error().text));
  REQUIRE(done);
}

void append(const std::filesystem::path& file, std::string_view bytes) {
  put_file(file, get_file(file) + std::string{bytes});
}

using pop::test::ForwardingDisk;

/// Dies while it overwrites the spool: half of the new tail is written.
class HalfwayDisk final : public ForwardingDisk {
 public:
  HalfwayDisk() : ForwardingDisk{system_disk()} {}
  Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to, FileBytes to_offset,
                    FileBytes count) override {
    const Result<void> half =
        system_disk().copy(from, from_offset, to, to_offset, {count.count / 2});
    return half ? fail(Errc::io, "the power failed") : half;
  }
};

/// Leaves the journal of a commit that was killed while it overwrote the spool.
void die_while_erasing(Host& host, std::initializer_list<std::uint32_t> numbers) {
  HalfwayDisk halfway;
  host.disk = &halfway;
  {
    const auto maildrop = host.open();
    REQUIRE(!maildrop->commit(outcome(*maildrop, numbers)));
  }
  host.disk = &system_disk();
  REQUIRE(std::filesystem::exists(host.directory / ".jo.journal"));
}

/// The file systems have got other numbers.
class RenumberedDisk final : public ForwardingDisk {
 public:
  RenumberedDisk() : ForwardingDisk{system_disk()} {}
  Result<FileStatus> status(const Fd& file) override {
    return renumbered(system_disk().status(file));
  }
  Result<FileStatus> status(int directory, const std::string& name) override {
    return renumbered(system_disk().status(directory, name));
  }

 private:
  static Result<FileStatus> renumbered(Result<FileStatus> status) {
    if (status) status->device += 7;
    return status;
  }
};

/// Does something when a file of this name is made.
class InterferingDisk final : public ForwardingDisk {
 public:
  InterferingDisk(std::string name, std::function<void()> act)
      : ForwardingDisk{system_disk()}, name_{std::move(name)}, act_{std::move(act)} {}
  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    if (name == name_ && (flags & O_CREAT) != 0) act_();
    return system_disk().open(directory, name, flags, mode);
  }

 private:
  std::string name_;
  std::function<void()> act_;
};

/// Remembers which files were fsync'ed and which truncated, in order.
class LoggingDisk final : public ForwardingDisk {
 public:
  enum class Did { sync, truncate };
  LoggingDisk() : ForwardingDisk{system_disk()} {}
  Result<void> sync(const Fd& file) override {
    log.emplace_back(Did::sync, inode_of(file));
    return system_disk().sync(file);
  }
  Result<void> truncate(const Fd& file, FileBytes size) override {
    log.emplace_back(Did::truncate, inode_of(file));
    return system_disk().truncate(file, size);
  }
  std::vector<std::pair<Did, ino_t>> log;

 private:
  static ino_t inode_of(const Fd& file) { return system_disk().status(file)->inode; }
};

ino_t inode_of(const std::filesystem::path& file) {
  return system_disk().status(AT_FDCWD, file)->inode;
}

/// Moves only when somebody works.
class WorkClock final : public Clock {
 public:
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point{now};
  }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point{now};
  }
  void sleep(std::chrono::milliseconds duration) override { now += duration; }
  std::chrono::nanoseconds now = std::chrono::hours{1};
};

/// Needs `per_octet` for what it reads, and for what is written when that is fsync'ed. Remembers
/// the longest time without a touch.
class SlowDisk final : public ForwardingDisk {
 public:
  explicit SlowDisk(WorkClock& clock) : ForwardingDisk{system_disk()}, clock_{clock} {}
  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override {
    const Result<std::size_t> got = system_disk().read(file, buffer, offset);
    if (got) work(*got);
    return got;
  }
  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
    unsynced_[inode_of(file)] += bytes.size();
    return system_disk().write(file, bytes, offset);
  }
  Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to, FileBytes to_offset,
                    FileBytes count) override {
    work(count.count);
    unsynced_[inode_of(to)] += count.count;
    return system_disk().copy(from, from_offset, to, to_offset, count);
  }
  Result<void> sync(const Fd& file) override {
    work(std::exchange(unsynced_[inode_of(file)], 0));
    return system_disk().sync(file);
  }
  Result<void> touch(const Fd& file) override {
    touched_ = clock_.now;
    return system_disk().touch(file);
  }
  void start() {
    touched_ = clock_.now;
    longest = {};
  }

  std::chrono::nanoseconds per_octet{};
  std::chrono::nanoseconds longest{};

 private:
  static ino_t inode_of(const Fd& file) { return system_disk().status(file)->inode; }
  void work(std::uint64_t octets) {
    clock_.now += per_octet * octets;
    longest = std::max(longest, clock_.now - touched_);
  }
  WorkClock& clock_;
  std::chrono::nanoseconds touched_{};
  std::map<ino_t, std::uint64_t> unsynced_;
};

/// One entry of an access list as the kernel stores it, see acl(5).
struct AclEntry {
  std::uint16_t tag, permissions;
  std::uint32_t id;
};

std::string acl(std::initializer_list<AclEntry> entries) {
  std::string bytes{"\2\0\0\0", 4};
  for (const AclEntry& entry : entries) {
    bytes.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  return bytes;
}

/// False: the file system has none of this kind.
bool set_attribute(const std::filesystem::path& file, const char* name, std::string_view value) {
  return ::setxattr(file.c_str(), name, value.data(), value.size(), 0) == 0;
}

std::string attribute(const std::filesystem::path& file, const char* name) {
  std::string value(1024, '\0');
  const ssize_t got = ::getxattr(file.c_str(), name, value.data(), value.size());
  value.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return value;
}

enum class Mode { server, normal, fast_update };

void set_mode(Host& host, Mode mode) {
  host.settings.server_mode = mode != Mode::normal;
  host.settings.fast_update = mode == Mode::fast_update;
}

}  // namespace

TEST_CASE("a missing spool is an empty maildrop and leaves nothing behind", "[store]") {
  Host host;
  {
    const auto maildrop = host.open();
    CHECK(maildrop->messages().empty());
    CHECK(maildrop->commit(outcome(*maildrop, {})));
  }
  CHECK(host.names_left().empty());
}

TEST_CASE("deleting any subset leaves exactly the others", "[store]") {
  const Mode mode = GENERATE(Mode::server, Mode::normal, Mode::fast_update);
  const std::vector<std::string> mails{mail("a"), mail("b", "", ".dot\n"), mail("c", "", ""),
                                       mail("d", "X-UIDL: stored\n"), mail("e")};
  for (unsigned subset = 0; subset < 32; ++subset) {
    CAPTURE(static_cast<int>(mode), subset);
    Host host;
    set_mode(host, mode);
    std::string whole, expected;
    for (std::size_t i = 0; i < mails.size(); ++i) {
      whole += mails[i];
      if ((subset >> i & 1) == 0) expected += mails[i];
    }
    put_file(host.spool(), whole);
    const std::vector<std::string> before = host.ids();
    REQUIRE(before.size() == 5);
    CHECK(before[3] == "stored");
    {
      const auto maildrop = host.open();
      SessionOutcome wish = outcome(*maildrop, {});
      for (std::uint32_t i = 0; i < 5; ++i) {
        if ((subset >> i & 1) != 0) wish.deleted.insert({i + 1});
      }
      REQUIRE(maildrop->commit(wish));
    }
    CHECK(get_file(host.spool()) == expected);
    std::vector<std::string> left;
    for (std::size_t i = 0; i < 5; ++i) {
      if ((subset >> i & 1) == 0) left.push_back(before[i]);
    }
    CHECK(host.ids() == left);
    std::filesystem::remove(host.directory / ".jo.cache");
    CHECK(host.ids() == left);
    const std::vector<std::string> names = host.names_left();
    CHECK(names == std::vector<std::string>{".jo.cache", "jo"});
  }
}

TEST_CASE("mail that arrives during a session is kept and listed next time", "[store]") {
  const Mode mode = GENERATE(Mode::server, Mode::normal, Mode::fast_update);
  CAPTURE(static_cast<int>(mode));
  Host host;
  set_mode(host, mode);
  put_file(host.spool(), mail("a") + mail("b") + mail("c"));
  {
    const auto maildrop = host.open();
    append(host.spool(), mail("d"));
    CHECK(maildrop->messages().size() == 3);
    CHECK(wire_of(*maildrop, 3).starts_with("Message-Id: <c@"));
    REQUIRE(maildrop->commit(outcome(*maildrop, {2, 3})));
  }
  CHECK(get_file(host.spool()) == mail("a") + mail("d"));
  CHECK(host.ids().size() == 2);
}

/// Reports that a program sends every day: alike to the last octet but for their names.
std::string daily_reports(std::initializer_list<std::string_view> days) {
  const std::string body = std::string(5000, '=') + "\n";
  std::string spool = mail("first", "", body);
  for (const std::string_view day : days) spool += mail(day, "", body);
  return spool;
}

TEST_CASE("an index of a spool whose middle was removed gave messages their neighbours' ids",
          "[store]") {
  const bool server_mode = GENERATE(true, false);
  Host host;
  host.settings.server_mode = server_mode;
  put_file(host.spool(), daily_reports({"day1", "day2", "day3", "day4"}));
  const std::vector<std::string> before = host.ids();
  put_file(host.spool(), daily_reports({"day1", "day3", "day4", "day5", "day6"}));
  const std::vector<std::string> after = host.ids();
  REQUIRE(after.size() == 6);
  CHECK(after[1] == before[1]);
  CHECK(after[2] == before[3]);
  CHECK(after[3] == before[4]);
  erase(host, {3});
  CHECK(get_file(host.spool()) == daily_reports({"day1", "day4", "day5", "day6"}));
}

TEST_CASE("a middle that was removed during a session let ids be stored in other messages",
          "[store]") {
  const Mode mode = GENERATE(Mode::server, Mode::normal, Mode::fast_update);
  CAPTURE(static_cast<int>(mode));
  Host host;
  set_mode(host, mode);
  host.settings.update_status_headers = true;
  put_file(host.spool(), daily_reports({"day1", "day2", "day3", "day4"}));
  std::vector<std::string> before;
  {
    const auto maildrop = host.open();
    for (const MessageInfo& m : maildrop->messages()) before.emplace_back(m.unique_id);
    put_file(host.spool(), daily_reports({"day1", "day3", "day4", "day5", "day6"}));
    REQUIRE(maildrop->commit(outcome(*maildrop, {2})));
  }
  std::filesystem::remove(host.directory / ".jo.cache");
  const std::vector<std::string> after = host.ids();
  REQUIRE(after.size() == 5);
  CHECK(after[0] == before[0]);
  CHECK(after[1] == before[3]);
  CHECK(after[2] == before[4]);
}

TEST_CASE("an index that had grown out of step kept its user out of a sound spool", "[store]") {
  Host host;
  const std::string head = mail("first", "", std::string(5000, '=') + "\n");
  const std::string last = mail("last", "", "bye\n" + std::string(5000, '\n'));
  put_file(host.spool(), head + mail("b", "Status: O\n") + last);
  CHECK(host.ids().size() == 3);
  put_file(host.spool(), head + mail("b", "Status: RO\n") + last);
  CHECK(host.ids().size() == 3);
}

TEST_CASE("deletion is by identity when another program rewrote the spool", "[store]") {
  const Mode mode = GENERATE(Mode::server, Mode::normal, Mode::fast_update);
  CAPTURE(static_cast<int>(mode));
  Host host;
  set_mode(host, mode);
  put_file(host.spool(), mail("a") + mail("b") + mail("c"));
  const auto maildrop = host.open();
  put_file(host.spool(), mail("c", "Status: RO\n") + mail("x") + mail("b"));
  REQUIRE(maildrop->commit(outcome(*maildrop, {1, 3})));  // a is gone already
  CHECK(get_file(host.spool()) == mail("x") + mail("b"));
}

TEST_CASE("a message that another program changed stays and QUIT says so", "[store]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b"));
  const auto maildrop = host.open();
  put_file(host.spool(), mail("a", "", "edited\n") + mail("b"));
  const Result<void> done = maildrop->commit(outcome(*maildrop, {1, 2}));
  REQUIRE(!done);
  CHECK(done.error().code == Errc::changed);
  CHECK(get_file(host.spool()) == mail("a", "", "edited\n"));
}

TEST_CASE("server mode refuses to serve what is no longer there", "[store]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b"));
  const auto maildrop = host.open();
  put_file(host.spool(), mail("longer-than-before") + mail("b"));
  const auto reader = maildrop->open({1});
  REQUIRE(!reader);
  CHECK(reader.error().code == Errc::changed);
}

TEST_CASE("server mode gives up a message that is rewritten while it is read", "[store]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b"));
  const auto maildrop = host.open();
  const auto reader = maildrop->open({2});
  REQUIRE(reader);
  char piece[16];
  REQUIRE((*reader)->read(piece));
  append(host.spool(), mail("n"));
  REQUIRE((*reader)->read(piece));  // a delivery does no harm
  put_file(host.spool(), mail("b") + mail("n") + mail("a") + mail("m"));
  const Result<std::size_t> got = (*reader)->read(piece);
  REQUIRE(!got);
  CHECK(got.error().code == Errc::changed);
}

TEST_CASE("normal mode serves its copy whatever happens to the spool", "[store]") {
  Host host;
  host.settings.server_mode = false;
  put_file(host.spool(), mail("a") + mail("b"));
  const auto maildrop = host.open();
  put_file(host.spool(), "");
  CHECK(wire_of(*maildrop, 2).starts_with("Message-Id: <b@"));
}

TEST_CASE("a second session is refused and told since when", "[store]") {
  Host host;
  put_file(host.spool(), mail("a"));
  const auto first = host.open();
  const Error error = host.open_error();
  CHECK(error.code == Errc::busy);
  CHECK(error.text.find("since") != std::string::npos);
}

TEST_CASE("update-status-headers records Status and X-UIDL and keeps the ids", "[store]") {
  const Mode mode = GENERATE(Mode::server, Mode::normal, Mode::fast_update);
  CAPTURE(static_cast<int>(mode));
  Host host;
  set_mode(host, mode);
  host.settings.update_status_headers = true;
  put_file(host.spool(), mail("a") + mail("b") + mail("c", "Status: O \n"));
  const std::vector<std::string> before = host.ids();
  {
    const auto maildrop = host.open();
    REQUIRE(maildrop->commit(outcome(*maildrop, {}, {2})));
  }
  const std::string spool = get_file(host.spool());
  CHECK(spool.starts_with(mail("a")));
  CHECK(spool.find("X-UIDL: " + before[1] + "\n") != std::string::npos);
  CHECK(spool.find("Status: RO\n") != std::string::npos);
  CHECK(host.ids() == before);
  {
    const auto maildrop = host.open();
    CHECK(!maildrop->messages()[0].retrieved);
    CHECK(maildrop->messages()[1].retrieved);
    for (std::uint32_t number = 1; number <= 3; ++number) (void)wire_of(*maildrop, number);
  }
  std::filesystem::remove(host.directory / ".jo.cache");
  CHECK(host.ids() == before);
  const auto maildrop = host.open();
  for (std::uint32_t number = 1; number <= 3; ++number) (void)wire_of(*maildrop, number);
}

TEST_CASE("the index after a commit is what a fresh scan finds", "[store]") {
  const bool status = GENERATE(false, true);
  const Mode mode = GENERATE(Mode::server, Mode::fast_update);
  CAPTURE(status, static_cast<int>(mode));
  Host host;
  set_mode(host, mode);
  host.settings.update_status_headers = status;
  put_file(host.spool(), mail("a") + mail("b", "Status: U\n") + mail("b", "Status: U\n") +
                             mail("d", "X-IMAP: 1\n") + mail("e", "", "..\n.\n\n"));
  {
    const auto maildrop = host.open();
    append(host.spool(), mail("f") + mail("a"));
    REQUIRE(maildrop->commit(outcome(*maildrop, {1}, {2, 4})));
  }
  const std::string kept = get_file(host.directory / ".jo.cache");
  const auto index = SpoolIndex::parse(kept);
  REQUIRE(index);
  std::filesystem::remove(host.directory / ".jo.cache");
  (void)host.ids();
  const auto fresh = SpoolIndex::parse(get_file(host.directory / ".jo.cache"));
  REQUIRE(fresh);
  CHECK(index->listing.size == fresh->listing.size);
  CHECK(index->listing.ids == fresh->listing.ids);
  REQUIRE(index->listing.messages.size() == fresh->listing.messages.size());
  for (std::size_t i = 0; i < fresh->listing.messages.size(); ++i) {
    CAPTURE(i);
    CHECK(index->listing.messages[i] == fresh->listing.messages[i]);
  }
}

TEST_CASE("equal messages have different ids that survive the first one's deletion", "[store]") {
  const Mode mode = GENERATE(Mode::server, Mode::normal, Mode::fast_update);
  CAPTURE(static_cast<int>(mode));
  Host host;
  set_mode(host, mode);
  put_file(host.spool(), mail("a") + mail("a") + mail("b") + mail("a"));
  const std::vector<std::string> before = host.ids();
  REQUIRE(before.size() == 4);
  CHECK(before[0] != before[1]);
  CHECK(before[1] != before[3]);
  erase(host, {1});
  const std::vector<std::string> expected{before[1], before[2], before[3]};
  CHECK(host.ids() == expected);
  std::filesystem::remove(host.directory / ".jo.cache");
  CHECK(host.ids() == expected);
}

TEST_CASE("a forged X-UIDL cannot take another message's id", "[store]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b", "X-UIDL: same\n") + mail("c", "X-UIDL: same\n"));
  const std::vector<std::string> before = host.ids();
  CHECK(before[1] == "same");
  CHECK(before[2] != "same");
  erase(host, {2});
  CHECK(host.ids() == std::vector<std::string>{before[0], before[2]});
  std::filesystem::remove(host.directory / ".jo.cache");
  CHECK(host.ids() == std::vector<std::string>{before[0], before[2]});
}

TEST_CASE("mail left in the old program's temporary drop is merged back once", "[store]") {
  struct Row {
    const char* what;
    std::string drop, spool, expected;
  };
  const std::string torn = mail("c").substr(0, mail("c").size() - 9);
  const std::vector<Row> rows{
      {"all of it only in the drop", mail("a") + mail("b"), "", mail("a") + mail("b")},
      {"spool got new mail", mail("a"), mail("n"), mail("a") + mail("n")},
      {"crash after the drop was written", mail("a") + mail("b"), mail("a") + mail("b"),
       mail("a") + mail("b")},
      {"bookkeeping differs", mail("a", "Status: RO\nX-UIDL: 1\n"), mail("a"), mail("a")},
      {"copy to the drop was cut off", mail("a") + torn, mail("a") + mail("c"),
       mail("a") + mail("c")},
      {"copy back was cut off", mail("a") + mail("b") + mail("c"),
       mail("a", "X-UIDL: 1\n") + mail("b").substr(0, 70),
       mail("b") + mail("c") + mail("a", "X-UIDL: 1\n")},
      {"a message that another goes on from stands before the drop's end",
       mail("a", "", "one\n") + mail("b"), mail("a", "", "one\n\ntwo\n"),
       mail("a", "", "one\n") + mail("b") + mail("a", "", "one\n\ntwo\n")},
      {"a message that another goes on from was delivered last",
       mail("t") + mail("a", "", "one\n\ntwo\n"), mail("t") + mail("n") + mail("a", "", "one\n"),
       mail("a", "", "one\n\ntwo\n") + mail("t") + mail("n") + mail("a", "", "one\n")},
      {"equal messages are two", mail("a") + mail("a"), mail("a"), mail("a") + mail("a")},
      {"no empty line at the end", mail("a").substr(0, mail("a").size() - 1), mail("b"),
       mail("a") + mail("b")},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Host host;
    host.settings.keep_temp_drop = false;
    put_file(host.directory / ".jo.pop", row.drop);
    std::filesystem::permissions(host.directory / ".jo.pop", std::filesystem::perms{0600});
    put_file(host.spool(), row.spool);
    const std::size_t listed = host.ids().size();
    CHECK(get_file(host.spool()) == row.expected);
    CHECK(host.ids().size() == listed);
    CHECK(!std::filesystem::exists(host.directory / ".jo.pop"));
  }
}

TEST_CASE("the spool is made durable before the drop that it repeats is emptied", "[store]") {
  Host host;
  put_file(host.spool(), mail("a"));
  put_file(host.directory / ".jo.pop", mail("a"));
  std::filesystem::permissions(host.directory / ".jo.pop", std::filesystem::perms{0600});
  const ino_t spool = inode_of(host.spool()), drop = inode_of(host.directory / ".jo.pop");
  LoggingDisk disk;
  host.disk = &disk;
  CHECK(host.ids().size() == 1);
  const auto synced = std::ranges::find(disk.log, std::pair{LoggingDisk::Did::sync, spool});
  const auto emptied = std::ranges::find(disk.log, std::pair{LoggingDisk::Did::truncate, drop});
  REQUIRE(emptied != disk.log.end());
  CHECK(synced < emptied);
}

TEST_CASE("a mark that found no room after its journal was decided is no success", "[store]") {
  /// Has room for the journal and none for the spool.
  class FullSpoolDisk final : public ForwardingDisk {
   public:
    FullSpoolDisk() : ForwardingDisk{system_disk()} {}
    Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to, FileBytes to_offset,
                      FileBytes count) override {
      if (full) return fail(Errc::full, "no space left");
      return ForwardingDisk::copy(from, from_offset, to, to_offset, count);
    }
    bool full = false;
  };
  Host host;
  host.settings.update_status_headers = true;
  put_file(host.spool(), mail("a") + mail("b"));
  FullSpoolDisk disk;
  host.disk = &disk;
  {
    const auto maildrop = host.open();
    disk.full = true;
    CHECK(!maildrop->commit(outcome(*maildrop, {}, {1})));
  }
  disk.full = false;
  const auto maildrop = host.open();
  REQUIRE(maildrop->messages().size() == 2);
  CHECK(maildrop->messages()[0].retrieved);
}

TEST_CASE("mail that its deliverer did not fsync is durable before a journal speaks of it",
          "[store]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b"));
  LoggingDisk disk;
  host.disk = &disk;
  const auto maildrop = host.open();
  disk.log.clear();
  REQUIRE(maildrop->commit(outcome(*maildrop, {1})));
  REQUIRE(!disk.log.empty());
  CHECK(disk.log.front() == std::pair{LoggingDisk::Did::sync, inode_of(host.spool())});
}

TEST_CASE("an old drop that the old program serves from is not merged", "[store]") {
  Host host;
  host.settings.spool_dir = host.directory / "var";
  host.settings.home_dir_mail = "mbox";
  host.settings.check_old_spool_loc = true;
  std::filesystem::create_directory(host.settings.spool_dir);
  const std::filesystem::path drop = host.settings.spool_dir / ".jo.pop";
  put_file(drop, mail("a"));
  std::filesystem::permissions(drop, std::filesystem::perms{0600});
  {
    const Fd served{::open(drop.c_str(), O_RDWR | O_CLOEXEC)};
    REQUIRE(::flock(served.get(), LOCK_EX | LOCK_NB) == 0);
    CHECK(host.open_error().code == Errc::busy);
    CHECK(get_file(drop) == mail("a"));
  }
  CHECK(host.ids().size() == 1);
  CHECK(get_file(host.directory / "mbox") == mail("a"));
  CHECK(!std::filesystem::exists(drop));
}

TEST_CASE("a commit that was cut off is finished after the device got another number", "[store]") {
  Host host;
  const std::string kept = mail("b", "", std::string(9000, 'b') + "\n") + mail("c");
  put_file(host.spool(), mail("a") + kept);
  die_while_erasing(host, {1});
  RenumberedDisk disk;
  host.disk = &disk;
  CHECK(host.ids().size() == 2);
  CHECK(get_file(host.spool()) == kept);
}

TEST_CASE("the mark over the dead tail never looks like the end of a line", "[store]") {
  /// Dies where the spool is about to be truncated: the mark stands at its end.
  class NeverShorterDisk final : public ForwardingDisk {
   public:
    NeverShorterDisk() : ForwardingDisk{system_disk()} {}
    Result<void> truncate(const Fd&, FileBytes) override {
      return fail(Errc::io, "the power failed");
    }
  };
  const std::string kept = mail("b") + mail("c");
  for (int i = 0; i < 60; ++i) {  // the marks are random: one in nine would hold a line feed
    Host host;
    put_file(host.spool(), mail("a") + kept);
    NeverShorterDisk disk;
    host.disk = &disk;
    const auto maildrop = host.open();
    REQUIRE(!maildrop->commit(outcome(*maildrop, {1})));
    const std::string spool = get_file(host.spool());
    REQUIRE(spool.starts_with(kept));
    REQUIRE(spool.substr(kept.size(), 32).find('\n') == std::string::npos);
  }
}

TEST_CASE("a journal is not carried out over mail that replaced the spool's", "[store]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b") + mail("c"));
  die_while_erasing(host, {1});
  // Emptied by a mail reader and filled anew by deliveries, under the same inode.
  const std::string fresh = mail("new1") + mail("new2") + mail("new3") + mail("new4");
  put_file(host.spool(), fresh);
  CHECK(host.ids().size() == 6);
  CHECK(get_file(host.spool()) == mail("b") + mail("c") + fresh);
}

TEST_CASE("on a slow disk the dotlock grew stale during a large commit", "[store]") {
  const Mode mode = GENERATE(Mode::server, Mode::fast_update);
  CAPTURE(static_cast<int>(mode));
  Host host;
  set_mode(host, mode);
  const std::string large(std::size_t{40} * 1024 * 1024, 'x');
  put_file(host.spool(), mail("a") + mail("b", "", large + "\n") + mail("c"));
  WorkClock clock;
  SlowDisk disk{clock};
  auto maildrop = open_maildrop({host.settings, disk, clock}, host.user);
  REQUIRE(maildrop);
  disk.per_octet = std::chrono::nanoseconds{7600};  // 8 s a MiB
  disk.start();
  REQUIRE((*maildrop)->commit(outcome(**maildrop, {1})));
  CHECK(disk.longest > std::chrono::seconds{20});
  CHECK(disk.longest < std::chrono::seconds{300});
  CHECK(get_file(host.spool()).size() == mail("b", "", large + "\n").size() + mail("c").size());
}

TEST_CASE("fast-update lost the extended attributes of the spool", "[store]") {
  Host host;
  set_mode(host, Mode::fast_update);
  put_file(host.spool(), mail("a") + mail("b"));
  // rw for the owner, uid 4711 and the mask
  const std::string access = acl({{1, 6, -1u}, {2, 6, 4711}, {4, 0, -1u}, {16, 6, -1u}, {32, 0, -1u}});
  const std::string other = acl({{1, 6, -1u}, {2, 6, 4712}, {4, 0, -1u}, {16, 6, -1u}, {32, 0, -1u}});
  const bool with_list = set_attribute(host.spool(), "system.posix_acl_access", access) &&
                         set_attribute(host.directory.path(), "system.posix_acl_default", other);
  const bool with_note = set_attribute(host.spool(), "user.note", "of the owner");
  if (!with_list && !with_note) {
    WARN("the file system has no extended attributes: not run");
    return;
  }
  if (with_list) REQUIRE(::chmod(host.directory.path().c_str(), 0770) == 0);
  const ino_t before = inode_of(host.spool());
  const auto mode = system_disk().status(AT_FDCWD, host.spool())->mode;
  erase(host, {1});
  CHECK(get_file(host.spool()) == mail("b"));
  CHECK(inode_of(host.spool()) != before);
  CHECK(system_disk().status(AT_FDCWD, host.spool())->mode == mode);
  if (with_list) CHECK(attribute(host.spool(), "system.posix_acl_access") == access);
  if (with_note) CHECK(attribute(host.spool(), "user.note") == "of the owner");

  // What the directory hands down to new files is not for one that stands in for another.
  if (with_list) REQUIRE(::removexattr(host.spool().c_str(), "system.posix_acl_access") == 0);
  append(host.spool(), mail("c"));
  erase(host, {1});
  CHECK(attribute(host.spool(), "system.posix_acl_access").empty());
}

TEST_CASE("a spool whose owner or attributes a new file cannot have is updated in place", "[store]") {
  class RefusingDisk final : public ForwardingDisk {
   public:
    RefusingDisk() : ForwardingDisk{system_disk()} {}
    Result<CopiedAttributes> copy_attributes(const Fd&, const Fd&) override {
      return CopiedAttributes::not_all;
    }
  } disk;
  Host host;
  host.disk = &disk;
  set_mode(host, Mode::fast_update);
  put_file(host.spool(), mail("a") + mail("b"));
  const ino_t before = inode_of(host.spool());
  erase(host, {1});
  CHECK(get_file(host.spool()) == mail("b"));
  CHECK(inode_of(host.spool()) == before);
  CHECK(host.names_left() == std::vector<std::string>{".jo.cache", "jo"});
}

TEST_CASE("fast-update replaced a spool whose writers cannot make a dotlock", "[store]") {
  struct Row {
    mode_t file, directory;
    bool renamed;
  };
  for (const Row& row : {Row{0660, 0700, false}, Row{0660, 0750, false}, Row{0660, 0770, true},
                         Row{0600, 0700, true}, Row{0660, 01777, true}}) {
    CAPTURE(row.file, row.directory);
    Host host;
    set_mode(host, Mode::fast_update);
    put_file(host.spool(), mail("a") + mail("b"));
    REQUIRE(::chmod(host.spool().c_str(), row.file) == 0);
    REQUIRE(::chmod(host.directory.path().c_str(), row.directory) == 0);
    const ino_t before = inode_of(host.spool());
    CHECK(host.open()->remarks().empty() == row.renamed);
    erase(host, {1});
    CHECK(get_file(host.spool()) == mail("b"));
    CHECK((inode_of(host.spool()) != before) == row.renamed);
  }
}

TEST_CASE("mail delivered in spite of the locks was cut off with the dead tail", "[store]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b") + mail("c"));
  class DeliveringDisk final : public ForwardingDisk {
   public:
    explicit DeliveringDisk(std::filesystem::path spool)
        : ForwardingDisk{system_disk()}, spool_{std::move(spool)} {}
    Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
      if (bytes == "phase 2\n") append(spool_, mail("late"));
      return system_disk().write(file, bytes, offset);
    }

   private:
    std::filesystem::path spool_;
  } disk{host.spool()};
  host.disk = &disk;
  {
    const auto maildrop = host.open();
    const Result<void> done = maildrop->commit(outcome(*maildrop, {1}));
    REQUIRE(!done);
    CHECK(done.error().code == Errc::changed);
  }
  host.disk = &system_disk();
  CHECK(host.open()->messages().size() == 3);
  CHECK(get_file(host.spool()) == mail("b") + mail("c") + mail("late"));
}

TEST_CASE("mail that was delivered in spite of the locks survives a commit", "[store]") {
  Host host;
  set_mode(host, GENERATE(Mode::server, Mode::normal, Mode::fast_update));
  const std::string before = mail("a") + mail("b");
  put_file(host.spool(), before);
  InterferingDisk disk{".jo.journal.new", [&] { append(host.spool(), mail("n")); }};
  host.disk = &disk;
  {
    const auto maildrop = host.open();
    const Result<void> done = maildrop->commit(outcome(*maildrop, {1}));
    REQUIRE(!done);
    CHECK(done.error().code == Errc::changed);
  }
  CHECK(get_file(host.spool()) == before + mail("n"));
  CHECK(host.ids().size() == 3);
}

TEST_CASE("a drop that is no spool is left alone and named", "[store]") {
  Host host;
  put_file(host.directory / ".jo.pop", "not mail\n");
  std::filesystem::permissions(host.directory / ".jo.pop", std::filesystem::perms{0600});
  put_file(host.spool(), mail("a"));
  const Error error = host.open_error();
  CHECK(error.code == Errc::corrupt);
  CHECK(error.text.find(".jo.pop") != std::string::npos);
  CHECK(get_file(host.directory / ".jo.pop") == "not mail\n");
  CHECK(get_file(host.spool()) == mail("a"));
}

TEST_CASE("a file that is no spool is left alone", "[store]") {
  Host host;
  put_file(host.spool(), "#!/bin/sh\n");
  CHECK(host.open_error().code == Errc::corrupt);
  CHECK(get_file(host.spool()) == "#!/bin/sh\n");
}

TEST_CASE("MMDF spools are served and rewritten like mbox ones", "[store]") {
  const std::string line = "\1\1\1\1\n";
  const auto wrapped = [&](std::string_view name) {
    return line + "Message-Id: <" + std::string{name} + ">\n\nbody\n" + line;
  };
  Host host;
  put_file(host.spool(), wrapped("a") + wrapped("b") + wrapped("c"));
  const std::vector<std::string> before = host.ids();
  REQUIRE(before.size() == 3);
  erase(host, {2});
  CHECK(get_file(host.spool()) == wrapped("a") + wrapped("c"));
  CHECK(host.ids() == std::vector<std::string>{before[0], before[2]});
}

TEST_CASE("folder-internal data is hidden and never deleted", "[store]") {
  Host host;
  const std::string internal =
      "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nFrom: Mail System Internal Data <x@y>\n"
      "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\ntext\n\n";
  put_file(host.spool(), internal + mail("a") + mail("b"));
  {
    const auto maildrop = host.open();
    CHECK(maildrop->messages().size() == 2);
    CHECK(maildrop->hidden() == 1);
    CHECK(wire_of(*maildrop, 1).starts_with("Message-Id: <a@"));
    REQUIRE(maildrop->commit(outcome(*maildrop, {1, 2})));
  }
  CHECK(get_file(host.spool()) == internal);
}

TEST_CASE("a full disk keeps nobody from reading and deleting mail", "[store]") {
  /// Has no room for copies, as a disk that has been filled has none.
  class FullDisk final : public ForwardingDisk {
   public:
    FullDisk() : ForwardingDisk{system_disk()} {}
    Result<void> reserve(const Fd&, FileBytes) override {
      return fail(Errc::full, "no space left");
    }
  };
  Host host;
  host.settings.server_mode = false;
  put_file(host.spool(), mail("a") + mail("b"));
  FullDisk disk;
  host.disk = &disk;
  const auto maildrop = host.open();
  REQUIRE(maildrop->messages().size() == 2);
  REQUIRE(maildrop->remarks().size() == 1);
  CHECK_THAT(maildrop->remarks()[0], Catch::Contains("no space left; serving jo from the spool"));
  CHECK_THAT(wire_of(*maildrop, 2), Catch::Contains("\r\nhello\r\n"));
  CHECK(maildrop->commit(outcome(*maildrop, {1, 2})));
  CHECK(get_file(host.spool()).empty());
}

TEST_CASE("served from the spool for want of room a replaced message is not sent", "[store]") {
  class FullDisk final : public ForwardingDisk {
   public:
    FullDisk() : ForwardingDisk{system_disk()} {}
    Result<Fd> open_unnamed(int, mode_t) override { return fail(Errc::full, "no space left"); }
  };
  Host host;
  host.settings.server_mode = false;
  put_file(host.spool(), mail("a") + mail("b"));
  FullDisk disk;
  host.disk = &disk;
  const auto maildrop = host.open();
  put_file(host.spool(), mail("x") + mail("y"));
  const auto reader = maildrop->open({1});
  REQUIRE(!reader);
  CHECK(reader.error().code == Errc::changed);
}

TEST_CASE("a missing cache directory costs a warning and no mail", "[store]") {
  Host host;
  host.settings.cache_dir = host.directory / "nowhere";
  put_file(host.spool(), mail("a") + mail("b"));
  {
    const auto maildrop = host.open();
    CHECK(maildrop->messages().size() == 2);
    REQUIRE(maildrop->remarks().size() == 1);
    CHECK_THAT(maildrop->remarks()[0], Catch::Contains("create it or set cache-dir"));
    CHECK(maildrop->commit(outcome(*maildrop, {1})));
  }
  CHECK(get_file(host.spool()) == mail("b"));
  CHECK(host.ids().size() == 1);
}

TEST_CASE("a spool that is none is refused with what to do next", "[store]") {
  Host host;
  put_file(host.spool(), "hello\nworld\n");
  const Error error = host.open_error();
  CHECK(error.code == Errc::corrupt);
  CHECK_THAT(error.text, Catch::Contains("byte 0: neither") &&
                             Catch::Contains("; the mail is untouched: popspool check tells more"));
  CHECK(get_file(host.spool()) == "hello\nworld\n");
}
