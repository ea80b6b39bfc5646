#include "store/conversion.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
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
  Result<Conversion> try_convert(MailFormat to) {
    return convert_maildrop({settings, system_disk(), clock}, user, to);
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
  Mail mail() {
    Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, system_disk(), clock}, user);
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

}  // namespace
