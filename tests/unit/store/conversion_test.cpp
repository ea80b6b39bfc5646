#include "store/conversion.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "store/spool_view.h"
#include "store/unique_id_import.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/forwarding_disk.h"
#include "support/impatient_clock.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using pop::test::get_file;
using pop::test::put_file;
using pop::test::TemporaryDirectory;
using pop::test::wire_of;

namespace {

namespace fs = std::filesystem;

/// What clients are told of a message.
struct Shown {
  std::string id, text;
  bool retrieved = false;
  bool operator==(const Shown&) const = default;
};
using Mail = std::vector<Shown>;

class Host {
 public:
  Host() {
    settings.spool_dir = directory.path();
    settings.server_mode = true;
    settings.lock_wait = std::chrono::seconds{1};
    user.name = "jo";
    user.uid = ::geteuid();
    user.gid = ::getegid();
    user.home = directory.path();
  }
  [[nodiscard]] fs::path place() const { return directory / "jo"; }
  void fill(std::string_view content) const {
    put_file(place(), content);
    fs::permissions(place(), fs::perms{0600});
  }
  void fill_maildir(std::initializer_list<std::pair<std::string, std::string>> files) const {
    for (const char* name : {"tmp", "new", "cur"}) fs::create_directories(place() / name);
    for (const auto& [name, content] : files) put_file(place() / name, content);
  }
  Result<Conversion> try_convert(MailFormat to, Disk& disk = system_disk()) {
    return convert_maildrop({settings, disk, clock}, user, to);
  }
  Conversion convert(MailFormat to) {
    const Result<Conversion> done = try_convert(to);
    INFO((done ? std::string{} : done.error().text));
    REQUIRE(done);
    return *done;
  }
  [[nodiscard]] Errc refusal(MailFormat to) {
    const Result<Conversion> done = try_convert(to);
    REQUIRE(!done);
    return done.error().code;
  }
  Mail mail(Disk& disk = system_disk()) {
    Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop({settings, disk, clock}, user);
    INFO((maildrop ? std::string{} : maildrop.error().text));
    REQUIRE(maildrop);
    Mail shown;
    for (std::uint32_t i = 1; i <= (*maildrop)->messages().size(); ++i) {
      const MessageInfo& info = (*maildrop)->messages()[i - 1];
      shown.push_back({std::string{info.unique_id}, wire_of(**maildrop, i), info.retrieved});
    }
    return shown;
  }
  [[nodiscard]] std::size_t names_beside() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator{directory.path()}) {
      const std::string name = entry.path().filename();
      if (name != "jo" && name != ".jo.cache") ++count;
    }
    return count;
  }

  TemporaryDirectory directory;
  Settings settings;
  MailUser user;
  pop::test::ImpatientClock clock;
};

const std::string later = "From ann@example.org Sat Jan  5 00:00:00 2030\n";
const std::string earlier = "From ann@example.org Thu Jan  1 00:00:00 1970\n";

/// All that an mbox may hold.
std::string motley_spool() {
  return later + "Message-Id: <1@x>\nStatus: RO\n\none\n\n" + earlier +
         "Message-Id: <2@x>\nX-UIDL: stored\n\ntwo\nFrom nobody in particular\n\n" + earlier +
         "Message-Id: <1@x>\n\nthe same id again\n\n" + earlier +
         "Message-Id: <3@x>\r\nSubject: crlf\r\n\r\nthree\r\n.\r\n\r\n" + earlier +
         "Message-Id: <4@x>\nContent-Length: " + std::to_string(earlier.size() + 5) + "\n\nfour\n" +
         earlier + "\n" + earlier + "Message-Id: <5@x>\n\n" + earlier + "Message-Id: <6@x>\n\n" +
         std::string("a\0b\n\n", 5) + earlier + "Message-Id: <7@x>\n\ntorn";
}

TEST_CASE("A spool becomes a Maildir that shows the same, and a spool again", "[conversion]") {
  for (const UidFormat format : {UidFormat::native, UidFormat::qpopper}) {
    Host host;
    host.settings.uid_format = format;
    host.fill(motley_spool());
    const Mail before = host.mail();
    REQUIRE(before.size() == 8);
    CHECK(before[0].retrieved);
    CHECK(host.convert(MailFormat::maildir).messages == 8);
    CHECK(fs::is_directory(host.place()));
    CHECK(host.mail() == before);
    CHECK(host.names_beside() == 0);
    fs::remove(host.place() / ".popper.cache");
    CHECK(host.mail() == before);
    CHECK(host.convert(MailFormat::mbox).messages == 8);
    CHECK(fs::is_regular_file(host.place()));
    const Mail after = host.mail();
    REQUIRE(after.size() == 8);
    for (std::size_t i = 0; i < 8; ++i) {
      CAPTURE(i);
      // A torn end gets the empty line that a delivery would put behind it.
      CHECK(after[i].text == before[i].text + (i == 7 ? "\r\n" : ""));
      CHECK(after[i].id == before[i].id);
      CHECK(after[i].retrieved == before[i].retrieved);
    }
    CHECK(host.names_beside() == 0);
  }
}

TEST_CASE("Every sound spool and every damaged one that is a spool comes back", "[conversion]") {
  std::size_t converted = 0;
  std::vector<std::string> spools{pop::test::sound_spool(), pop::test::sound_mmdf(),
                                  pop::test::with_crlf(pop::test::sound_spool())};
  for (const pop::test::Damage& damage : pop::test::damaged_spools()) {
    spools.push_back(damage.spool);
  }
  for (const std::string& spool : spools) {
    CAPTURE(spool);
    Host host;
    host.settings.update_status_headers = false;
    host.fill(spool);
    Result<std::unique_ptr<Maildrop>> opened =
        open_maildrop({host.settings, system_disk(), host.clock}, host.user);
    if (!opened) continue;
    opened = std::unique_ptr<Maildrop>{};
    const Mail before = host.mail();
    host.convert(MailFormat::maildir);
    CHECK(host.mail() == before);
    host.convert(MailFormat::mbox);
    const Mail after = host.mail();
    CHECK(std::ranges::equal(after, before, {}, &Shown::id, &Shown::id));
    const Mail once = after;
    host.convert(MailFormat::maildir);
    CHECK(host.mail() == once);
    ++converted;
  }
  CHECK(converted > 40);
}

TEST_CASE("A Maildir becomes a spool and comes back", "[conversion]") {
  Host host;
  host.fill_maildir(
      {{"new/1000000002.b.host", "Message-Id: <2@x>\n\nno empty line\n"},
       {"cur/1000000001.a.host:2,S", "Message-Id: <1@x>\n\nseen\n\n"},
       {"cur/1000000003.c.host:2,",
        "Message-Id: <1@x>\nContent-Length: 3\n\nseen\n\n" + earlier + "not a message"},
       {"new/1000000004.d.host", "Message-Id: <4@x>\r\n\r\ncrlf\r\n"},
       {"new/1000000005.e.host", "Message-Id: <5@x>\nStatus: RO\n"},
       {"new/1000000006.f.host",
        "Return-Path: <bob@x>\nX-UIDL: other\nSubject: s\n\n" + earlier + "A: b\n\n"}});
  const Mail before = host.mail();
  REQUIRE(before.size() == 6);
  CHECK(host.convert(MailFormat::mbox).messages == 6);
  const Mail spool = host.mail();
  REQUIRE(spool.size() == 6);
  CHECK(get_file(host.place()).find("From bob@x Sun Sep  9 01:46:46 2001\n") != std::string::npos);
  for (std::size_t i = 0; i < 6; ++i) {
    CAPTURE(i);
    CHECK(spool[i].id == before[i].id);
    CHECK(spool[i].text.find(before[i].text.substr(before[i].text.find("\r\n\r\n") + 4)) !=
          std::string::npos);
  }
  CHECK(spool[0].retrieved);
  host.convert(MailFormat::maildir);
  const Mail again = host.mail();
  CHECK(again == spool);
  CHECK(host.names_beside() == 0);
}

TEST_CASE("A conversion copies no trash that a session would not read", "[conversion]") {
  Host host;
  host.fill(motley_spool());
  put_file(host.directory / "other", "another file");
  fs::permissions(host.directory / "other", fs::perms{0600});
  for (const char* name : {".jo.trash", ".jo.retrieved"}) {
    CAPTURE(name);
    fs::create_hard_link(host.directory / "other", host.directory / name);
    CHECK(host.refusal(MailFormat::maildir) == Errc::denied);
    CHECK(get_file(host.place()) == motley_spool());
    fs::remove(host.directory / name);
  }
  host.convert(MailFormat::maildir);
}

TEST_CASE("A conversion keeps the trash and the times of retrieval", "[conversion]") {
  Host host;
  host.fill(motley_spool());
  const fs::path trash = host.directory / ".jo.trash";
  const fs::path times = host.directory / ".jo.retrieved";
  put_file(trash, "deleted mail");
  put_file(times, "times");
  for (const fs::path& file : {trash, times}) fs::permissions(file, fs::perms{0600});
  host.convert(MailFormat::maildir);
  CHECK_FALSE(fs::exists(trash));
  CHECK_FALSE(fs::exists(times));
  CHECK(get_file(host.place() / ".popper.trash") == "deleted mail");
  CHECK(get_file(host.place() / ".popper.retrieved") == "times");
  host.convert(MailFormat::mbox);
  CHECK(get_file(trash) == "deleted mail");
  CHECK(get_file(times) == "times");
}

TEST_CASE("Conversion that has nothing to do does nothing", "[conversion]") {
  Host host;
  CHECK_FALSE(host.convert(MailFormat::maildir).was_needed);
  host.fill(motley_spool());
  CHECK_FALSE(host.convert(MailFormat::mbox).was_needed);
  CHECK(get_file(host.place()) == motley_spool());
  host.fill("");
  CHECK(host.convert(MailFormat::maildir).messages == 0);
  CHECK_FALSE(host.convert(MailFormat::maildir).was_needed);
  CHECK(host.convert(MailFormat::mbox).was_needed);
  CHECK(get_file(host.place()).empty());
}

TEST_CASE("Conversion refuses what it could not keep", "[conversion]") {
  Host host;
  host.fill(motley_spool());
  host.settings.mail_format = MailFormat::mbox;
  CHECK(host.refusal(MailFormat::maildir) == Errc::usage);
  host.settings.mail_format = MailFormat::by_place;
  put_file(host.directory / ".jo.pop", earlier + "A: b\n\n");
  fs::permissions(host.directory / ".jo.pop", fs::perms{0600});
  CHECK(host.refusal(MailFormat::maildir) == Errc::changed);
  fs::remove(host.directory / ".jo.pop");
  {
    Result<std::unique_ptr<Maildrop>> session =
        open_maildrop({host.settings, system_disk(), host.clock}, host.user);
    REQUIRE(session);
    CHECK(host.refusal(MailFormat::maildir) == Errc::busy);
  }
  CHECK(get_file(host.place()) == motley_spool());
  fs::remove(host.place());
  host.fill_maildir({{"cur/1000000001.a.host:2,S", "A: b\n\n"}});
  fs::create_directory(host.place() / ".Lists");
  CHECK(host.refusal(MailFormat::mbox) == Errc::usage);
  fs::remove(host.place() / ".Lists");
  fs::create_symlink("/etc/passwd", host.place() / "cur/1000000002.b.host:2,S");
  CHECK(host.refusal(MailFormat::mbox) == Errc::changed);
  fs::remove(host.place() / "cur/1000000002.b.host:2,S");
  CHECK(host.convert(MailFormat::mbox).messages == 1);
}

TEST_CASE("What a deliverer writes to the old spool comes into the Maildir", "[conversion]") {
  Host host;
  host.fill(motley_spool() + "\n\n");
  const Fd deliverer{::open(host.place().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
  REQUIRE(deliverer.is_open());
  CHECK(host.refusal(MailFormat::maildir) == Errc::busy);  // it is not closed, and all is done
  CHECK(fs::is_directory(host.place()));
  CHECK(host.mail().size() == 8);
  const std::string late = earlier + "Message-Id: <late@x>\n\nlate\n\n";
  REQUIRE(::write(deliverer.get(), late.data(), late.size()) == static_cast<ssize_t>(late.size()));
  CHECK(host.refusal(MailFormat::maildir) == Errc::busy);
  REQUIRE(::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), deliverer.get()) >= 0);
  CHECK(host.convert(MailFormat::maildir).arrivals == 1);
  CHECK(std::ranges::count(host.mail(), "Message-Id: <late@x>\r\n\r\nlate\r\n\r\n", &Shown::text) ==
        1);
  CHECK(host.names_beside() == 0);
}

TEST_CASE("What a deliverer puts into the old Maildir comes into the spool", "[conversion]") {
  Host host;
  host.fill_maildir({{"cur/1000000001.a.host:2,S", "A: b\n\n"},
                     {"tmp/1000000002.b.host", "Message-Id: <late@x>\n\nlate\n"}});
  const Fd tmp{::open((host.place() / "tmp").c_str(), O_PATH | O_CLOEXEC)};
  const Fd fresh{::open((host.place() / "new").c_str(), O_PATH | O_CLOEXEC)};
  CHECK(host.refusal(MailFormat::mbox) == Errc::busy);
  CHECK(fs::is_regular_file(host.place()));
  CHECK(host.mail().size() == 1);
  REQUIRE(::renameat(tmp.get(), "1000000002.b.host", fresh.get(), "1000000002.b.host") == 0);
  CHECK(host.convert(MailFormat::mbox).arrivals == 1);
  CHECK(host.mail().size() == 2);
  CHECK(host.mail()[1].text == "Message-Id: <late@x>\r\n\r\nlate\r\n\r\n");
  CHECK(host.names_beside() == 0);
}

/// A Maildir whose place a spool has taken while a delivery was on its way, which has ended now.
void leave_late_arrivals(Host& host,
                         std::initializer_list<std::pair<std::string, std::string>> files) {
  host.fill_maildir({{"cur/1000000001.a.host:2,S", "A: b\n\n"}, {"tmp/slow", "not yet\n"}});
  REQUIRE(host.refusal(MailFormat::mbox) == Errc::busy);
  const fs::path old = host.directory / ".jo.convert.mbox";
  fs::remove(old / "tmp/slow");
  for (const auto& [name, content] : files) put_file(old / name, content);
}

class FailingDisk : public pop::test::ForwardingDisk {
 public:
  FailingDisk() : ForwardingDisk{system_disk()} {}
  Result<void> remove(int directory, const std::string& name) override {
    if (name == file_that_stays) return fail(Errc::io, name + ": stays");
    return ForwardingDisk::remove(directory, name);
  }
  Result<void> remove_directory(int directory, const std::string& name) override {
    if (name == "new" && before_new_goes) std::exchange(before_new_goes, {})();
    return ForwardingDisk::remove_directory(directory, name);
  }
  Result<void> exchange(int directory, const std::string& one, const std::string& other) override {
    Result<void> done = ForwardingDisk::exchange(directory, one, other);
    if (done && denies_exchange) return fail(Errc::io, "exchange: reported as failed");
    return done;
  }

  std::string file_that_stays;
  std::function<void()> before_new_goes;
  bool denies_exchange = false;
};

TEST_CASE("What comes into the old Maildir after the last look is not removed with it",
          "[conversion]") {
  Host host;
  host.fill_maildir({{"cur/1000000001.a.host:2,S", "A: b\n\n"}});
  FailingDisk disk;
  disk.before_new_goes = [&] {
    put_file(host.directory / ".jo.convert.mbox/new/1000000002.b.host", "Subject: late\n\nlate\n");
  };
  const Result<Conversion> done = host.try_convert(MailFormat::mbox, disk);
  REQUIRE(done);
  CHECK(done->arrivals == 1);
  CHECK(host.mail().size() == 2);
  CHECK(host.names_beside() == 0);
}

TEST_CASE("A late message whose file cannot be removed is delivered once", "[conversion]") {
  for (const bool is_session_between : {false, true}) {
    CAPTURE(is_session_between);
    Host host;
    leave_late_arrivals(host, {{"new/1000000002.b.host", "Subject: late\n\nFrom me\n\nlate\n\n"},
                               {"new/1000000003.c.host", "Subject: late\n\nFrom me\n\nlate\n\n"}});
    FailingDisk disk;
    disk.file_that_stays = "1000000002.b.host";
    for (int i = 0; i < 3; ++i) CHECK_FALSE(host.try_convert(MailFormat::mbox, disk));
    CHECK(host.mail().size() == 2);
    if (is_session_between) {
      Result<std::unique_ptr<Maildrop>> session =
          open_maildrop({host.settings, system_disk(), host.clock}, host.user);
      REQUIRE(session);
      SessionOutcome outcome{MessageSet{2}, MessageSet{2}};
      outcome.deleted.insert({1});
      outcome.deleted.insert({2});
      REQUIRE((*session)->commit(outcome));
    }
    CHECK(host.convert(MailFormat::mbox).arrivals == 1);
    CHECK(host.mail().size() == (is_session_between ? 1 : 3));
    CHECK(host.names_beside() == 0);
  }
}

TEST_CASE("A late message is found in the spool where the note of it tells no end",
          "[conversion]") {
  for (const bool is_session_between : {false, true}) {
    CAPTURE(is_session_between);
    Host host;
    leave_late_arrivals(host, {{"new/1000000002.b.host", "Subject: late\r\n\r\nlate\r\n"}});
    const fs::path note = host.directory / ".jo.convert.mbox/.popper.arrival";
    FailingDisk disk;
    disk.file_that_stays = "1000000002.b.host";
    CHECK_FALSE(host.try_convert(MailFormat::mbox, disk));
    std::string text = get_file(note);
    REQUIRE(
        text.ends_with(std::string_view{"\0"
                                        "1\0",
                                        3}));
    text[text.size() - 2] = '0';  // as a kill before the removal would have left it
    put_file(note, text);
    if (is_session_between) {
      Result<std::unique_ptr<Maildrop>> session =
          open_maildrop({host.settings, system_disk(), host.clock}, host.user);
      REQUIRE(session);
      SessionOutcome outcome{MessageSet{2}, MessageSet{2}};
      outcome.deleted.insert({1});
      REQUIRE((*session)->commit(outcome));
    }
    const std::size_t there = host.mail().size();
    CHECK(host.convert(MailFormat::mbox).arrivals == 0);
    CHECK(host.mail().size() == there);
    CHECK(host.names_beside() == 0);
  }
}

TEST_CASE("Late files that are no mail of the user stay and are named", "[conversion]") {
  Host host;
  leave_late_arrivals(host, {{"new/1000000002.b.host", "Subject: late\n\nlate\n"},
                             {"new/.hidden", "Subject: hidden\n\n"},
                             {"cur/empty", ""}});
  const fs::path old = host.directory / ".jo.convert.mbox";
  fs::create_symlink("/etc/passwd", old / "cur/link");
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    put_file(old / "new/foreign", "Subject: by root\n\n");
    REQUIRE(::chown((old / "new/foreign").c_str(), 12345, 12345) == 0);
  }
  for (int i = 0; i < 2; ++i) {
    const Result<Conversion> done = host.try_convert(MailFormat::mbox);
    REQUIRE(!done);
    CHECK(done.error().code == Errc::changed);
    CHECK(done.error().text.find("new/.hidden") != std::string::npos);
    CHECK(done.error().text.find("cur/link") != std::string::npos);
    CHECK((done.error().text.find("new/foreign") != std::string::npos) == is_root);
    CHECK(host.mail().size() == 2);
    CHECK(fs::exists(old / "new/.hidden"));
  }
  fs::remove(old / "new/.hidden");
  fs::remove(old / "cur/link");
  if (is_root) REQUIRE(::chown((old / "new/foreign").c_str(), host.user.uid, host.user.gid) == 0);
  CHECK(host.convert(MailFormat::mbox).arrivals == (is_root ? 1 : 0));
  CHECK(host.names_beside() == 0);
}

TEST_CASE("Hidden files that lie in a Maildir before its conversion go with it", "[conversion]") {
  Host host;
  host.fill_maildir({{"cur/1000000001.a.host:2,S", "A: b\n\n"}, {"cur/.note", "mine"}});
  CHECK(host.convert(MailFormat::mbox).messages == 1);
  CHECK(host.names_beside() == 0);
}

TEST_CASE("An exchange that is reported as failed but happened costs no mail", "[conversion]") {
  for (const MailFormat to : {MailFormat::maildir, MailFormat::mbox}) {
    Host host;
    host.fill(motley_spool());
    if (to == MailFormat::mbox) host.convert(MailFormat::maildir);
    const Mail before = host.mail();
    FailingDisk disk;
    disk.denies_exchange = true;
    CHECK_FALSE(host.try_convert(to, disk));
    CHECK(host.mail().size() == before.size());
    host.convert(to);
    CHECK(std::ranges::equal(host.mail(), before, {}, &Shown::id, &Shown::id));
    CHECK(host.names_beside() == 0);
  }
}

/// A spool whose place a Maildir has taken while a program had it open, which has written to it.
void leave_late_text(Host& host, std::string_view spool, std::string_view late) {
  host.fill(spool);
  const Fd deliverer{::open(host.place().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
  REQUIRE(host.refusal(MailFormat::maildir) == Errc::busy);
  REQUIRE(::write(deliverer.get(), late.data(), late.size()) == static_cast<ssize_t>(late.size()));
}

/// Lets only so many messages into `new`.
class NarrowDisk : public pop::test::ForwardingDisk {
 public:
  explicit NarrowDisk(int moves) : ForwardingDisk{system_disk()}, moves_{moves} {}
  Result<void> move(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override {
    if (moves_-- <= 0) return fail(Errc::full, to + ": no room");
    return ForwardingDisk::move(from_directory, from, to_directory, to);
  }

 private:
  int moves_;
};

TEST_CASE("A late message that the user has removed does not come back", "[conversion]") {
  Host host;
  leave_late_text(host, earlier + "Subject: 1\n\none\n\n",
                  earlier + "Subject: 2\n\ntwo\n\n" + earlier + "Subject: 3\n\nthree\n\n");
  NarrowDisk disk{1};
  CHECK_FALSE(host.try_convert(MailFormat::maildir, disk));
  CHECK(host.mail().size() == 2);
  {
    Result<std::unique_ptr<Maildrop>> session =
        open_maildrop({host.settings, system_disk(), host.clock}, host.user);
    REQUIRE(session);
    SessionOutcome outcome{MessageSet{2}, MessageSet{2}};
    outcome.deleted.insert({2});
    REQUIRE((*session)->commit(outcome));
  }
  CHECK(host.convert(MailFormat::maildir).arrivals == 1);
  const Mail mail = host.mail();
  REQUIRE(mail.size() == 2);
  CHECK(mail[1].text.starts_with("Subject: 3\r\n"));
  CHECK(host.names_beside() == 0);
}

TEST_CASE("A late message with an old date comes behind what was converted", "[conversion]") {
  Host host;
  const std::string newer = "From ann@example.org Sat Jan  5 00:00:00 2019\n";
  std::string late;
  for (int i = 2; i < 14; ++i) {
    late += earlier + "Subject: " + std::to_string(i) + "\n\ntext\n\n";
  }
  leave_late_text(host, newer + "Subject: 1\n\none\n\n", late);
  CHECK(host.convert(MailFormat::maildir).arrivals == 12);
  const Mail mail = host.mail();
  REQUIRE(mail.size() == 13);
  for (std::size_t i = 0; i < mail.size(); ++i) {
    CHECK(mail[i].text.starts_with("Subject: " + std::to_string(i + 1) + "\r\n"));
  }
}

/// Converts when a name is looked at first.
class ConvertingDisk : public pop::test::ForwardingDisk {
 public:
  ConvertingDisk(std::string moment, std::function<void()> convert)
      : ForwardingDisk{system_disk()}, moment_{std::move(moment)}, convert_{std::move(convert)} {}
  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    if (name == moment_ && convert_) std::exchange(convert_, {})();
    return ForwardingDisk::open(directory, name, flags, mode);
  }

 private:
  std::string moment_;
  std::function<void()> convert_;
};

TEST_CASE("A session that located a maildrop before its conversion gets the new one",
          "[conversion]") {
  for (const MailFormat to : {MailFormat::maildir, MailFormat::mbox}) {
    Host host;
    host.fill(motley_spool());
    if (to == MailFormat::mbox) host.convert(MailFormat::maildir);
    const Mail before = host.mail();
    ConvertingDisk disk{to == MailFormat::mbox ? ".popper.pop" : ".jo.pop",
                        [&] { host.convert(to); }};
    const Mail shown = host.mail(disk);
    CHECK(fs::is_directory(host.place()) == (to == MailFormat::maildir));
    REQUIRE(shown.size() == before.size());
    CHECK(std::ranges::equal(shown, before, {}, &Shown::id, &Shown::id));
  }
}

TEST_CASE("An import of unique-ids that located an mbox before its conversion works on the Maildir",
          "[conversion]") {
  for (const MailFormat to : {MailFormat::maildir, MailFormat::mbox}) {
    Host host;
    host.fill(earlier + "Message-Id: <1@x>\n\none\n\n");
    if (to == MailFormat::mbox) host.convert(MailFormat::maildir);
    ConvertingDisk disk{to == MailFormat::mbox ? ".popper.pop" : ".jo.pop",
                        [&] { host.convert(to); }};
    {
      const MaildropContext context{host.settings, disk, host.clock};
      Result<UniqueIdImport> import = UniqueIdImport::begin(context, host.user);
      REQUIRE(import);
      const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context, host.user);
      REQUIRE(view);
      const std::vector<WantedId> wanted{
          {.content_id = std::string{(*view)->messages()[0].unique_id},
           .id = "wanted",
           .order = 1}};
      REQUIRE(import->record(**view, wanted));
    }
    REQUIRE(host.mail().size() == 1);
    CHECK(host.mail()[0].id == "wanted");
  }
}

}  // namespace
