#include "store/maildir_maildrop.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "store/maildir_index.h"
#include "store/maildrop.h"
#include "support/catch.h"
#include "support/forwarding_disk.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using pop::test::ForwardingDisk;
using pop::test::get_file;
using pop::test::outcome;
using pop::test::put_file;
using pop::test::TemporaryDirectory;
using pop::test::wire_of;
namespace fs = std::filesystem;

namespace {

std::string mail(std::string_view name, std::string_view extra_header = "",
                 std::string_view body = "hello\n") {
  return "Message-Id: <" + std::string{name} + "@example.org>\nSubject: " + std::string{name} +
         "\n" + std::string{extra_header} + "\n" + std::string{body};
}

/// Counts what is done to a real disk, and may do something when a name is opened.
class WatchedDisk final : public ForwardingDisk {
 public:
  WatchedDisk() : ForwardingDisk{system_disk()} {}
  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    if (before_open) before_open(name);
    if (name.find(':') != name.npos || name.find("host") != name.npos) opened.push_back(name);
    return system_disk().open(directory, name, flags, mode);
  }
  Result<void> list(int directory, const VisitName& visit) override {
    ++listings;
    const Result<void> done = system_disk().list(directory, visit);
    if (after_list) after_list();
    return done;
  }
  Result<void> remove(int directory, const std::string& name) override {
    if (before_remove) before_remove(name);
    return system_disk().remove(directory, name);
  }
  Result<void> sync_directory(int directory) override {
    ++directory_syncs;
    return system_disk().sync_directory(directory);
  }

  std::vector<std::string> opened;  // messages
  int listings = 0;
  int directory_syncs = 0;
  std::function<void(const std::string&)> before_open, before_remove;
  std::function<void()> after_list;
};

/// A Maildir whose directories were changed long ago, as far as anybody can tell.
class Host {
 public:
  Host() {
    settings.home_dir_mail = "Maildir";
    user.name = "jo";
    user.uid = ::geteuid();
    user.gid = ::getegid();
    user.home = home.path();
    make_maildir(maildir());
  }

  static void make_maildir(const fs::path& where) {
    for (const char* name : {"new", "cur", "tmp"}) fs::create_directories(where / name);
  }
  [[nodiscard]] fs::path maildir() const { return home / "Maildir"; }
  void put(const std::string& name, std::string_view content) const {
    put_file(maildir() / name, content);
  }
  [[nodiscard]] std::string get(const std::string& name) const {
    return get_file(maildir() / name);
  }
  [[nodiscard]] bool has(const std::string& name) const { return fs::exists(maildir() / name); }

  /// Nothing is younger than an hour.
  void age() const {
    const timespec old[2] = {{.tv_sec = ::time(nullptr) - 3600, .tv_nsec = 0},
                             {.tv_sec = ::time(nullptr) - 3600, .tv_nsec = 0}};
    for (const char* name : {"new", "cur"}) {
      REQUIRE(::utimensat(AT_FDCWD, (maildir() / name).c_str(), old, 0) == 0);
    }
  }

  [[nodiscard]] Result<std::unique_ptr<Maildrop>> try_open() {
    return open_maildrop({settings, *disk, *clock}, user);
  }
  [[nodiscard]] std::unique_ptr<Maildrop> open() {
    Result<std::unique_ptr<Maildrop>> maildrop = try_open();
    INFO((maildrop ? std::string{} : maildrop.error().text));
    REQUIRE(maildrop);
    return std::move(*maildrop);
  }
  [[nodiscard]] Error open_error() {
    const Result<std::unique_ptr<Maildrop>> maildrop = try_open();
    REQUIRE(!maildrop);
    return maildrop.error();
  }
  [[nodiscard]] std::vector<std::string> ids() {
    const auto maildrop = open();
    std::vector<std::string> found;
    for (const MessageInfo& m : maildrop->messages()) found.emplace_back(m.unique_id);
    return found;
  }
  void forget_index() const { fs::remove(maildir() / ".popper.cache"); }
  [[nodiscard]] std::vector<std::string> names(const std::string& directory) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator{maildir() / directory}) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }

  TemporaryDirectory home;
  Settings settings;
  MailUser user;
  Disk* disk = &system_disk();
  Clock* clock = &system_clock();
};

/// Time goes on as fast as a test wants.
class LaterClock final : public Clock {
 public:
  explicit LaterClock(std::chrono::seconds later) : later_{later} {}
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override {
    return system_clock().wall() + later_;
  }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return system_clock().steady();
  }
  void sleep(std::chrono::milliseconds) override {}

 private:
  std::chrono::seconds later_;
};

void must_commit(Maildrop& maildrop, const SessionOutcome& wish) {
  const Result<void> done = maildrop.commit(wish);
  INFO((done ? std::string{} : done.error().text));
  REQUIRE(done);
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("new and cur are listed by delivery time and name, tmp and dot files never",
          "[store][maildir]") {
  Host host;
  host.put("new/20.b.host", mail("late"));
  host.put("cur/9.a.host:2,S", mail("early"));
  host.put("new/20.a.host", mail("middle"));
  host.put("tmp/1.a.host", mail("unfinished"));
  host.put("new/.1.a.host", mail("hidden"));
  const auto maildrop = host.open();
  REQUIRE(maildrop->messages().size() == 3);
  CHECK(wire_of(*maildrop, 1).find("<early@") != std::string::npos);
  CHECK(wire_of(*maildrop, 2).find("<middle@") != std::string::npos);
  CHECK(wire_of(*maildrop, 3).find("<late@") != std::string::npos);
  CHECK(maildrop->messages()[0].retrieved);
  CHECK(!maildrop->messages()[1].retrieved);
  CHECK(maildrop->hidden() == 0);
}

TEST_CASE("a Maildir message has the unique-id that it had in an mbox", "[store][maildir]") {
  const std::vector<std::string> mails{mail("a"), mail("b", "X-UIDL: stored-id\n"), mail("a"),
                                       "Subject: x\r\nX-UID: 7\r\n\r\nbody\r\n", "no header\n\n"};
  Host host;
  std::string spool;
  for (std::size_t i = 0; i < mails.size(); ++i) {
    host.put("new/" + std::to_string(i) + ".x.host", mails[i]);
    spool += "From a@example.org Thu Jan  1 00:00:00 1970\n" + mails[i];
    if (i + 1 < mails.size()) spool += mails[i].ends_with("\r\n") ? "\r\n" : "\n";
  }
  const std::vector<std::string> of_maildir = host.ids();
  Host other;
  fs::remove_all(other.maildir());
  put_file(other.maildir(), spool);
  CHECK(of_maildir == other.ids());
  CHECK(of_maildir[1] == "stored-id");
}

TEST_CASE("what a client may not see is left out of a Maildir message, too", "[store][maildir]") {
  Host host;
  host.put("new/1.a.host", "Subject: x\nX-UIDL: abc\nContent-Length: 3\nStatus: RO\n\na\n.b");
  const auto maildrop = host.open();
  CHECK(wire_of(*maildrop, 1) == "Subject: x\r\nStatus: RO\r\n\r\na\r\n..b\r\n");
  CHECK(maildrop->messages()[0].unique_id == "abc");
}

TEST_CASE("deleting any subset leaves exactly the other files", "[store][maildir]") {
  const Names files{"new/1.a.host", "cur/2.a.host:2,S", "new/3.a.host", "cur/4.a.host"};
  for (unsigned subset = 0; subset < 16; ++subset) {
    CAPTURE(subset);
    Host host;
    for (const std::string& file : files) host.put(file, mail(file));
    const std::vector<std::string> before = host.ids();
    {
      const auto maildrop = host.open();
      SessionOutcome wish = outcome(*maildrop, {});
      for (std::uint32_t i = 0; i < 4; ++i) {
        if ((subset >> i & 1) != 0) wish.deleted.insert({i + 1});
      }
      must_commit(*maildrop, wish);
    }
    std::vector<std::string> left;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool deleted = (subset >> i & 1) != 0;
      CHECK(host.has(files[i]) == !deleted);
      if (!deleted) left.push_back(before[i]);
    }
    CHECK(host.ids() == left);
    host.forget_index();
    CHECK(host.ids() == left);
    CHECK(!host.has(".popper.pop"));
  }
}

TEST_CASE("each directory is synced once, whatever is deleted in it", "[store][maildir]") {
  WatchedDisk disk;
  Host host;
  host.disk = &disk;
  for (int i = 0; i < 5; ++i) host.put("new/" + std::to_string(i) + ".host", mail("m"));
  const auto maildrop = host.open();
  disk.directory_syncs = 0;
  must_commit(*maildrop, outcome(*maildrop, {1, 2, 3}));
  CHECK(disk.directory_syncs == 1);
}

TEST_CASE("retrieved messages move to cur with the flag S, others stay", "[store][maildir]") {
  Host host;
  const bool update = GENERATE(true, false);
  host.settings.update_status_headers = update;
  host.put("new/1.a.host", mail("a"));
  host.put("new/2.a.host", mail("b"));
  host.put("cur/3.a.host:2,FT", mail("c"));
  host.put("cur/4.a.host:1,x", mail("d"));
  const std::vector<std::string> before = host.ids();
  {
    const auto maildrop = host.open();
    must_commit(*maildrop, outcome(*maildrop, {}, {1, 3, 4}));
  }
  if (update) {
    CHECK(host.names("new") == Names{"2.a.host"});
    CHECK(host.names("cur") == Names{"1.a.host:2,S", "3.a.host:2,FST", "4.a.host:1,x"});
  } else {
    CHECK(host.names("new").size() == 2);
  }
  CHECK(host.ids() == before);
  const auto maildrop = host.open();
  CHECK(maildrop->messages()[0].retrieved == update);
}

TEST_CASE("an unchanged Maildir opens without listing or reading any mail", "[store][maildir]") {
  WatchedDisk disk;
  LaterClock later{std::chrono::hours{1}};
  Host host;
  host.disk = &disk;
  host.clock = &later;
  for (int i = 0; i < 20; ++i) host.put("cur/" + std::to_string(i) + ".host:2,S", mail("m"));
  const std::vector<std::string> before = host.ids();
  CHECK(disk.opened.size() == 20);
  disk.opened.clear();
  disk.listings = 0;
  CHECK(host.ids() == before);
  CHECK(disk.opened.empty());
  CHECK(disk.listings == 0);

  SECTION("after a delivery only new is listed and only the new message is read") {
    host.put("new/99.host", mail("n"));
    CHECK(host.ids().size() == 21);
    CHECK(disk.opened == Names{"99.host"});
    CHECK(disk.listings == 1);
  }
  SECTION("after flags have changed nothing is read") {
    fs::rename(host.maildir() / "cur/3.host:2,S", host.maildir() / "cur/3.host:2,RS");
    CHECK(host.ids() == before);
    CHECK(disk.opened.empty());
  }
}

TEST_CASE("a directory that changed just now is not believed to be unchanged", "[store][maildir]") {
  WatchedDisk disk;
  Host host;
  host.disk = &disk;
  host.put("new/1.host", mail("a"));
  (void)host.ids();
  disk.opened.clear();
  disk.listings = 0;
  (void)host.ids();
  CHECK(disk.listings >= 2);
  CHECK(disk.opened.empty());
}

TEST_CASE("ids stay when flags, directories and neighbours change, with and without index",
          "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  host.put("new/2.host", mail("same"));
  host.put("new/3.host", mail("same"));
  host.put("cur/4.host:2,", mail("same"));
  std::map<std::string, std::string> first;
  const std::vector<std::string> ids = host.ids();
  REQUIRE(ids.size() == 4);
  CHECK(ids[2] == ids[1] + "-2");
  CHECK(ids[3] == ids[1] + "-3");

  fs::rename(host.maildir() / "new/2.host", host.maildir() / "cur/2.host:2,S");
  host.put("new/0.host", mail("same"));  // a clock that goes behind
  const bool index_lost = GENERATE(true, false);
  CAPTURE(index_lost);
  if (index_lost) host.forget_index();
  CHECK(host.ids() == Names{ids[1] + "-4", ids[0], ids[1], ids[2], ids[3]});
  fs::remove(host.maildir() / "cur/2.host:2,S");
  if (index_lost) host.forget_index();
  CHECK(host.ids() == Names{ids[1] + "-4", ids[0], ids[2], ids[3]});
}

TEST_CASE("uid-format and old-style-uid choose the recipe of a Maildir, too", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  const std::string native = host.ids()[0];
  host.settings.uid_format = UidFormat::qpopper;
  const std::string qpopper = host.ids()[0];
  host.settings.old_style_uid = true;
  const std::string old = host.ids()[0];
  CHECK(native.size() == 32);
  CHECK(qpopper.size() == 20);
  CHECK(old.size() == 32);
  CHECK(old != native);
  host.settings = Settings{};
  host.settings.home_dir_mail = "Maildir";
  CHECK(host.ids()[0] == native);
}

TEST_CASE("a message that is renamed during the session is found again", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  host.put("new/2.host", mail("b"));
  host.put("new/3.host", mail("c"));
  const auto maildrop = host.open();
  fs::rename(host.maildir() / "new/1.host", host.maildir() / "cur/1.host:2,F");
  fs::rename(host.maildir() / "new/2.host", host.maildir() / "cur/2.host:2,");
  fs::remove(host.maildir() / "new/3.host");
  CHECK(wire_of(*maildrop, 1).find("<a@") != std::string::npos);
  const auto gone = maildrop->open({3});
  REQUIRE(!gone);
  CHECK(gone.error().code == Errc::changed);
  must_commit(*maildrop, outcome(*maildrop, {2, 3}, {1}));
  CHECK(host.names("cur") == Names{"1.host:2,FS"});
  CHECK(host.names("new").empty());
}

TEST_CASE("a message that is renamed at the moment of its removal is removed all the same",
          "[store][maildir]") {
  WatchedDisk disk;
  Host host;
  host.disk = &disk;
  host.put("cur/1.host:2,", mail("a"));
  const auto maildrop = host.open();
  disk.before_remove = [&](const std::string& name) {
    if (name == "1.host:2,") {
      fs::rename(host.maildir() / "cur/1.host:2,", host.maildir() / "cur/1.host:2,S");
    }
  };
  must_commit(*maildrop, outcome(*maildrop, {1}));
  CHECK(host.names("cur").empty());
}

TEST_CASE("a message that is renamed while the Maildir is listed is listed once",
          "[store][maildir]") {
  WatchedDisk disk;
  Host host;
  host.disk = &disk;
  host.put("new/1.host", mail("a"));
  host.put("cur/2.host:2,", mail("b"));
  int listings = 0;
  disk.after_list = [&] {
    if (++listings == 1) {
      fs::rename(host.maildir() / "new/1.host", host.maildir() / "cur/1.host:2,S");
    }
    if (listings == 2) {
      fs::rename(host.maildir() / "cur/2.host:2,", host.maildir() / "cur/2.host:2,F");
    }
  };
  CHECK(host.ids().size() == 2);
  disk.after_list = {};
  CHECK(host.ids().size() == 2);
}

TEST_CASE("a message in a Maildir that goes and comes while it is opened is not lost",
          "[store][maildir]") {
  WatchedDisk disk;
  Host host;
  host.disk = &disk;
  host.put("new/1.host", mail("a"));
  disk.before_open = [&](const std::string& name) {
    if (name == "1.host") {
      fs::rename(host.maildir() / "new/1.host", host.maildir() / "cur/1.host:2,S");
    }
  };
  const auto maildrop = host.open();
  CHECK(maildrop->messages().size() == 1);
  CHECK(wire_of(*maildrop, 1).find("<a@") != std::string::npos);
}

TEST_CASE("a message that another program rewrote stays, and QUIT says so", "[store][maildir]") {
  Host host;
  host.put("cur/1.host:2,", mail("a"));
  host.put("cur/2.host:2,", mail("b"));
  const auto maildrop = host.open();
  host.put("cur/1.host:2,", mail("A"));
  REQUIRE(!maildrop->open({1}));
  const Result<void> done = maildrop->commit(outcome(*maildrop, {1, 2}));
  REQUIRE(!done);
  CHECK(done.error().code == Errc::changed);
  CHECK(host.names("cur") == Names{"1.host:2,"});
}

TEST_CASE("a message that was only copied back is served and deleted", "[store][maildir]") {
  Host host;
  host.put("cur/1.host:2,", mail("a"));
  const auto maildrop = host.open();
  fs::rename(host.maildir() / "cur/1.host:2,", host.home / "kept");
  host.put("cur/1.host:2,", mail("a"));
  CHECK(wire_of(*maildrop, 1).find("<a@") != std::string::npos);
  must_commit(*maildrop, outcome(*maildrop, {1}));
  CHECK(host.names("cur").empty());
}

TEST_CASE("a message that is rewritten in place is read anew by the next session",
          "[store][maildir]") {
  LaterClock later{std::chrono::hours{1}};
  Host host;
  host.clock = &later;
  host.put("cur/1.host:2,", mail("a"));
  (void)host.ids();
  host.put("cur/1.host:2,", mail("a", "", "a longer body\n"));  // the directory does not change
  {
    const auto maildrop = host.open();
    const auto reader = maildrop->open({1});
    REQUIRE(!reader);
    CHECK(reader.error().code == Errc::changed);
  }
  const auto maildrop = host.open();
  CHECK(wire_of(*maildrop, 1).ends_with("a longer body\r\n"));
}

TEST_CASE("a message that is rewritten while it is read is given up", "[store][maildir]") {
  Host host;
  host.put("cur/1.host:2,", mail("a", "", std::string(5000, 'x') + "\n"));
  const auto maildrop = host.open();
  const auto reader = maildrop->open({1});
  REQUIRE(reader);
  char piece[100];
  REQUIRE((*reader)->read(piece));
  put_file(host.maildir() / "cur/1.host:2,", mail("b", "", std::string(4000, 'y') + "\n"));
  const Result<std::size_t> got = (*reader)->read(piece);
  REQUIRE(!got);
  CHECK(got.error().code == Errc::changed);
}

TEST_CASE("the size in a name spares the reading, and a wrong one is found out by RETR",
          "[store][maildir]") {
  Host host;
  std::string body;
  while (body.size() < 300'000) body += "a line of the body\n";
  const std::string large = mail("a", "X-UIDL: abc\n", body);
  const std::size_t lines = static_cast<std::size_t>(std::ranges::count(large, '\n'));
  const auto name = [&](std::size_t stored, std::size_t wire) {
    return "new/1.host,S=" + std::to_string(stored) + ",W=" + std::to_string(wire);
  };
  const std::size_t right = large.size() + lines, seen = right - std::size("X-UIDL: abc\n");
  SECTION("a right one") {
    host.put(name(large.size(), right), large);
    const auto maildrop = host.open();
    CHECK(maildrop->messages()[0].size == WireOctets{seen});
    (void)wire_of(*maildrop, 1);
    (void)wire_of(*maildrop, 1);
  }
  SECTION("another size of the file") {
    host.put(name(large.size() + 1, right + 7), large);
    CHECK(host.open()->messages()[0].size == WireOctets{seen});
  }
  SECTION("one that cannot be") {
    const std::size_t wrong = GENERATE_COPY(std::size_t{0}, large.size(), 2 * right);
    host.put(name(large.size(), wrong), large);
    CHECK(host.open()->messages()[0].size == WireOctets{seen});
  }
  SECTION("one that is possible, but wrong") {
    host.put(name(large.size(), right - 1000), large);
    {
      const auto maildrop = host.open();
      CHECK(maildrop->messages()[0].size == WireOctets{seen - 1000});
      const auto reader = maildrop->open({1});
      REQUIRE(!reader);
      CHECK(reader.error().code == Errc::changed);
    }
    const auto maildrop = host.open();
    CHECK(maildrop->messages()[0].size == WireOctets{seen});
    (void)wire_of(*maildrop, 1);
  }
  SECTION("wrong ones of several messages cost one session, not one each") {
    for (int i = 1; i <= 3; ++i) {
      host.put("cur/" + std::to_string(i) + ".host,S=" + std::to_string(large.size()) +
                   ",W=" + std::to_string(right + 1000) + ":2,",
               large);
    }
    {
      const auto maildrop = host.open();
      const auto reader = maildrop->open({2});
      REQUIRE(!reader);
      CHECK_THAT(reader.error().text, Catch::Contains("the next session"));
    }
    const auto maildrop = host.open();
    REQUIRE(maildrop->messages().size() == 3);
    for (std::uint32_t i = 1; i <= 3; ++i) {
      CHECK(maildrop->messages()[i - 1].size == WireOctets{seen});
      (void)wire_of(*maildrop, i);
    }
  }
  SECTION("a right one without a last line end") {
    const std::string cut = large.substr(0, large.size() - 1);
    host.put(name(cut.size(), right - 2), cut);
    const auto maildrop = host.open();
    (void)wire_of(*maildrop, 1);
    CHECK(maildrop->messages()[0].size == WireOctets{seen});
  }
}

TEST_CASE("odd mail is listed with the size that RETR sends", "[store][maildir]") {
  Host host;
  const std::vector<std::string> mails{
      "",
      "\n",
      "x",
      "no header at all",
      "Subject: a\r\n\r\nb\r\n",
      "Subject: a\n\nbare\rCR\r",
      std::string("Subject: \0\n\n\0\n", 14),
      "From me Thu Jan  1 00:00:00 1970\nSubject: x\n\nbody\n",
      "S: x\n\n\nFrom a@b Thu Jan  1 00:00:00 1970\nSubject: y\n",
      "A: " + std::string(100'000, 'v') + "\n\n" + std::string(200'000, '.') + "\n\n"};
  for (std::size_t i = 0; i < mails.size(); ++i) {
    host.put("new/" + std::to_string(i) + ".host", mails[i]);
  }
  const auto maildrop = host.open();
  REQUIRE(maildrop->messages().size() == mails.size());
  for (std::uint32_t i = 1; i <= mails.size(); ++i) {
    CAPTURE(i);
    (void)wire_of(*maildrop, i);
  }
}

TEST_CASE("hostile entries are no mail and are left alone", "[store][maildir]") {
  Host host;
  put_file(host.home / "secret", mail("secret"));
  host.put("new/5.host", mail("good"));
  fs::create_symlink("../../secret", host.maildir() / "new/1.host");
  fs::create_directory(host.maildir() / "new/2.host");
  REQUIRE(::mkfifo((host.maildir() / "cur/3.host:2,").c_str(), 0600) == 0);
  fs::create_symlink("/dev/zero", host.maildir() / "cur/4.host:2,S");
  std::size_t hidden = 4;
  if (::geteuid() == 0) {
    host.put("new/6.host", mail("somebody else's"));
    REQUIRE(::chown((host.maildir() / "new/6.host").c_str(), 65534, 65534) == 0);
    ++hidden;
  }
  {
    const auto maildrop = host.open();
    REQUIRE(maildrop->messages().size() == 1);
    CHECK(maildrop->hidden() == hidden);
    CHECK(wire_of(*maildrop, 1).find("<good@") != std::string::npos);
    must_commit(*maildrop, outcome(*maildrop, {1}));
  }
  CHECK(host.names("new").size() + host.names("cur").size() == hidden);
  CHECK(host.open()->hidden() == hidden);
}

TEST_CASE("a file that becomes a link during the session is neither read nor removed",
          "[store][maildir]") {
  Host host;
  put_file(host.home / "secret", mail("a"));
  host.put("new/1.host", mail("a"));
  const auto maildrop = host.open();
  fs::remove(host.maildir() / "new/1.host");
  fs::create_symlink("../../secret", host.maildir() / "new/1.host");
  CHECK(!maildrop->open({1}));
  CHECK(!maildrop->commit(outcome(*maildrop, {1})));
  CHECK(fs::is_symlink(host.maildir() / "new/1.host"));
  CHECK(fs::exists(host.home / "secret"));
}

TEST_CASE("a delivery by hard link is one message before and after its tmp name goes",
          "[store][maildir]") {
  Host host;
  host.put("tmp/1.host", mail("a"));
  fs::create_hard_link(host.maildir() / "tmp/1.host", host.maildir() / "new/1.host");
  const auto maildrop = host.open();
  REQUIRE(maildrop->messages().size() == 1);
  fs::remove(host.maildir() / "tmp/1.host");
  must_commit(*maildrop, outcome(*maildrop, {1}));
  CHECK(host.names("new").empty());
}

TEST_CASE("a message that a crash left under two names is listed once and goes with both",
          "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  host.put("new/2.host", mail("b"));
  fs::create_hard_link(host.maildir() / "new/1.host", host.maildir() / "cur/1.host:2,S");
  fs::create_hard_link(host.maildir() / "new/2.host", host.maildir() / "cur/2.host:2,S");
  (void)host.ids();
  host.put("cur/3.host:2,S", mail("c"));
  {
    const auto maildrop = host.open();
    REQUIRE(maildrop->messages().size() == 3);
    must_commit(*maildrop, outcome(*maildrop, {1}));
  }
  CHECK(host.names("new") == Names{"2.host"});
  CHECK(host.names("cur") == Names{"2.host:2,S", "3.host:2,S"});
  CHECK(host.ids().size() == 2);
}

TEST_CASE("a half-made move is completed when the message is retrieved", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  fs::create_hard_link(host.maildir() / "new/1.host", host.maildir() / "cur/1.host:2,");
  {
    const auto maildrop = host.open();
    REQUIRE(maildrop->messages().size() == 1);
    must_commit(*maildrop, outcome(*maildrop, {}, {1}));
  }
  const auto maildrop = host.open();
  REQUIRE(maildrop->messages().size() == 1);
  CHECK(maildrop->messages()[0].retrieved);
}

TEST_CASE("a mark never replaces another message", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  host.put("cur/1.host:2,S", mail("another one under the same name"));
  const auto maildrop = host.open();
  REQUIRE(maildrop->messages().size() == 2);
  must_commit(*maildrop, outcome(*maildrop, {}, {1, 2}));
  CHECK(host.get("new/1.host") == mail("a"));
  CHECK(host.get("cur/1.host:2,S") == mail("another one under the same name"));
}

TEST_CASE("a second session of a Maildir is told that it is in use", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  {
    const auto maildrop = host.open();
    const Error error = host.open_error();
    CHECK(error.code == Errc::busy);
    CHECK(error.text.find("in use since") != std::string::npos);
    host.put("new/2.host", mail("b"));  // deliveries need no lock
    CHECK(maildrop->messages().size() == 1);
  }
  CHECK(host.ids().size() == 2);
}

TEST_CASE("a missing Maildir is an empty maildrop and stays missing", "[store][maildir]") {
  Host host;
  host.settings.mail_format = MailFormat::maildir;
  fs::remove_all(host.maildir());
  const auto maildrop = host.open();
  CHECK(maildrop->messages().empty());
  CHECK(maildrop->commit(outcome(*maildrop, {})));
  CHECK(!fs::exists(host.maildir()));
}

TEST_CASE("mail-format decides, and by itself the place does", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  SECTION("auto") {
    CHECK(host.ids().size() == 1);
  }
  SECTION("a slash at the end") {
    host.settings.home_dir_mail = "Maildir/";
    CHECK(host.ids().size() == 1);
  }
  SECTION("maildir") {
    host.settings.mail_format = MailFormat::maildir;
    CHECK(host.ids().size() == 1);
  }
  SECTION("mbox") {
    host.settings.mail_format = MailFormat::mbox;
    CHECK(host.open_error().code == Errc::denied);
  }
  SECTION("maildir where an mbox is") {
    host.settings.mail_format = MailFormat::maildir;
    host.settings.home_dir_mail = "mbox";
    put_file(host.home / "mbox", "From a@example.org Thu Jan  1 00:00:00 1970\n\n\n");
    CHECK(host.open_error().code == Errc::denied);
  }
  SECTION("a virtual user's own place, with and without a slash") {
    host.settings.home_dir_mail.clear();
    host.user.maildrop = host.maildir();
    CHECK(host.ids().size() == 1);
    host.user.maildrop += "/";
    CHECK(host.ids().size() == 1);
    CHECK(host.has(".popper.cache"));
    CHECK(!fs::exists(host.home / ".Maildir.cache"));
  }
  SECTION("a directory that is no Maildir") {
    fs::remove_all(host.maildir() / "new");
    fs::remove_all(host.maildir() / "cur");
    const Error error = host.open_error();
    CHECK(error.code == Errc::corrupt);
    CHECK(error.text.find("neither new nor cur") != std::string::npos);
  }
  SECTION("cur is missing") {
    fs::remove_all(host.maildir() / "cur");
    const auto maildrop = host.open();
    must_commit(*maildrop, outcome(*maildrop, {}, {1}));
    CHECK(host.has("new/1.host"));
  }
  SECTION("a Maildir that everybody may write to") {
    fs::permissions(host.maildir() / "cur", fs::perms::all);
    CHECK(host.open_error().code == Errc::denied);
  }
  SECTION("cur is a link") {
    fs::rename(host.maildir() / "cur", host.home / "elsewhere");
    fs::create_symlink("../elsewhere", host.maildir() / "cur");
    CHECK(host.open_error().code == Errc::denied);
  }
}

TEST_CASE("temp-dir and cache-dir hold lock and index of a Maildir", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  Host::make_maildir(host.maildir() / ".Sub");
  fs::create_directory(host.home / "tmp");
  fs::create_directory(host.home / "cache");
  host.settings.temp_dir = host.home / "tmp";
  host.settings.cache_dir = host.home / "cache";
  {
    const auto maildrop = host.open();
    CHECK(fs::exists(host.home / "tmp/.jo.pop"));
    host.user.folder = "Sub";
    const auto folder = host.open();  // is another maildrop
    CHECK(fs::exists(host.home / "tmp/.jo:Sub.pop"));
    CHECK(maildrop->messages().size() == 1);
  }
  CHECK(fs::exists(host.home / "cache/.jo.cache"));
  CHECK(fs::exists(host.home / "cache/.jo:Sub.cache"));
  CHECK(!host.has(".popper.cache"));
}

TEST_CASE("two names that differ for every user were one inside a Maildir", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  host.settings.temp_name = ".%spopper";
  host.settings.cache_name = ".popper%s";
  const Error error = host.open_error();
  CHECK(error.code == Errc::usage);
  CHECK_THAT(error.text, Catch::Contains("temp-name and cache-name both stand for"));
}

TEST_CASE("a folder is a maildrop of its own", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  Host::make_maildir(host.maildir() / ".Lists.popper");
  host.put(".Lists.popper/new/2.host", mail("b"));
  host.put(".Lists.popper/cur/3.host:2,", mail("c"));
  for (const char* folder : {"Lists.popper", "Lists/popper"}) {
    host.user.folder = folder;
    CHECK(host.ids().size() == 2);
  }
  host.user.folder.clear();
  CHECK(host.ids().size() == 1);
}

TEST_CASE("a folder that is missing or hostile is refused", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  Host::make_maildir(host.home / "other");
  Host::make_maildir(host.home / ".other");
  for (const auto& [folder, code] :
       std::vector<std::pair<std::string, Errc>>{{"Sent", Errc::not_found},
                                                 {"../other", Errc::usage},
                                                 {"..", Errc::usage},
                                                 {".", Errc::usage},
                                                 {"/", Errc::usage},
                                                 {"/../other", Errc::usage},
                                                 {"a//b", Errc::usage},
                                                 {"a.", Errc::usage},
                                                 {".a", Errc::usage},
                                                 {std::string("a\0b", 3), Errc::usage},
                                                 {std::string(300, 'a'), Errc::usage}}) {
    CAPTURE(folder);
    host.user.folder = folder;
    CHECK(host.open_error().code == code);
  }
  host.user.folder = "Sent";
  CHECK(host.open_error().text.find("no folder \"Sent\"") != std::string::npos);
  fs::remove_all(host.maildir());
  CHECK(host.open_error().code == Errc::not_found);
  put_file(host.maildir(), "");
  CHECK(host.open_error().code == Errc::not_found);
}

TEST_CASE("the listing is the same with the index absent, fresh, stale or damaged",
          "[store][maildir]") {
  LaterClock later{std::chrono::hours{1}};
  Host host;
  host.clock = &later;
  host.put("new/1.host", mail("a"));
  host.put("cur/2.host:2,S", mail("a"));
  host.put("cur/3.host:2,", "X-UIDL: x\n\nbody");
  const auto listing = [&] {
    std::vector<std::tuple<std::uint64_t, std::string, bool>> rows;
    const auto maildrop = host.open();
    for (const MessageInfo& m : maildrop->messages()) {
      rows.emplace_back(m.size.count, m.unique_id, m.retrieved);
    }
    return rows;
  };
  const auto first = listing();
  REQUIRE(first.size() == 3);
  const std::string index = host.get(".popper.cache");
  CHECK(listing() == first);
  REQUIRE(MaildirIndex::parse(index));
  SECTION("every bit flipped") {
    for (std::size_t bit = 0; bit < index.size() * 8; ++bit) {
      std::string damaged = index;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      if (MaildirIndex::parse(damaged)) FAIL("bit " << bit << " is not noticed");
      if (bit % 149 != 0) continue;
      host.put(".popper.cache", damaged);
      if (listing() != first) FAIL("bit " << bit);
    }
  }
  SECTION("cut anywhere, or with something behind") {
    for (std::size_t size = 0; size < index.size(); ++size) {
      if (MaildirIndex::parse(index.substr(0, size))) FAIL("size " << size);
    }
    CHECK(!MaildirIndex::parse(index + "x"));
    host.put(".popper.cache", index.substr(0, index.size() / 2));
    CHECK(listing() == first);
  }
  SECTION("stale") {
    host.put("new/4.host", mail("d"));
    const auto grown = listing();
    CHECK(grown.size() == 4);
    host.put(".popper.cache", index);
    CHECK(listing() == grown);
    host.forget_index();
    CHECK(listing() == grown);
    fs::remove(host.maildir() / "new/4.host");
    fs::remove(host.maildir() / "new/1.host");
    const auto left = listing();
    host.forget_index();
    CHECK(listing() == left);
  }
  SECTION("somebody else's index") {
    fs::remove(host.maildir() / ".popper.cache");
    fs::create_symlink("/dev/null", host.maildir() / ".popper.cache");
    CHECK(listing() == first);
  }
}

TEST_CASE("a Maildir index comes back as it was written", "[store][maildir]") {
  Host host;
  host.put("new/1.host", mail("a"));
  host.put("cur/2.host:2,S", mail("b"));
  (void)host.ids();
  const auto index = MaildirIndex::parse(host.get(".popper.cache"));
  REQUIRE(index);
  CHECK(index->serialised() == host.get(".popper.cache"));
  CHECK(index->listing.messages.size() == 2);
  CHECK((fs::status(host.maildir() / ".popper.cache").permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("many names are listed in order and deleted", "[store][maildir]") {
  Host host;
  const std::size_t count = 30'000;
  const Fd directory{::open((host.maildir() / "cur").c_str(), O_RDONLY | O_DIRECTORY)};
  // One file with many names is quickly made and shows the same.
  host.put("tmp/m", mail("m"));
  std::size_t linked = 0;
  for (; linked < count; ++linked) {
    const std::string name = std::to_string(1'000'000 + linked) + ".host:2,S";
    const std::string source = host.maildir() / "tmp/m";
    if (::linkat(AT_FDCWD, source.c_str(), directory.get(), name.c_str(), 0) != 0) break;
  }
  REQUIRE(linked == count);
  {
    const auto maildrop = host.open();
    REQUIRE(maildrop->messages().size() == count);
    CHECK(std::string{maildrop->messages()[0].unique_id} + "-30000" ==
          maildrop->messages()[count - 1].unique_id);
    must_commit(*maildrop, outcome(*maildrop, {1, 10'000, 30'000}));
  }
  const std::vector<std::string> left = host.ids();
  CHECK(left.size() == count - 3);
  CHECK(!host.has("cur/1000000.host:2,S"));
  CHECK(host.has("cur/1000001.host:2,S"));
  host.forget_index();
  CHECK(host.ids() == left);
}
