#include "store/spool_move.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "mail/imported_ids.h"
#include "store/open_elsewhere.h"
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
using Mail = std::vector<std::string>;

const std::string from_line = "From ann@example.org Thu Jan  1 00:00:00 1970\n";

std::string message(std::string_view name) {
  return from_line + "Subject: " + std::string{name} + "\n\n" + std::string{name} + "\n\n";
}

class Host {
 public:
  explicit Host(TemporaryDirectory::Place homes = TemporaryDirectory::Place::any) : home{homes} {
    user.name = "jo";
    user.uid = ::geteuid();
    user.gid = ::getegid();
    user.home = home.path();
  }
  /// 0, 1, 2; 3 and 4 are files of the home directory.
  [[nodiscard]] Settings layout(int number) const {
    Settings settings;
    settings.spool_dir = directory.path();
    settings.server_mode = true;
    settings.lock_wait = std::chrono::seconds{1};
    settings.hash_spool = number > 2 ? 0 : number;
    if (number == 3) settings.home_dir_mail = "mail";
    if (number == 4) settings.home_dir_mail = "post";
    return settings;
  }
  [[nodiscard]] fs::path place(int number) const {
    const Result<fs::path> path = spool_path(layout(number), user);
    REQUIRE(path);
    return *path;
  }
  void fill(int number, std::string_view content) const {
    fs::create_directories(place(number).parent_path());
    put_file(place(number), content);
    fs::permissions(place(number), fs::perms{0600});
  }
  Result<MovedSpool> try_move(int from, int to, Disk& disk = system_disk()) {
    const Settings old_settings = layout(from);
    const Settings new_settings = layout(to);
    return move_spool({old_settings, disk, clock}, {new_settings, disk, clock}, user);
  }
  MovedSpool move(int from, int to) {
    const Result<MovedSpool> done = try_move(from, to);
    INFO((done ? std::string{} : done.error().text));
    REQUIRE(done);
    return *done;
  }
  /// Ids and texts.
  Mail mail(int number) {
    const Settings settings = layout(number);
    Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, system_disk(), clock}, user);
    INFO((maildrop ? std::string{} : maildrop.error().text));
    REQUIRE(maildrop);
    Mail shown;
    for (std::uint32_t i = 1; i <= (*maildrop)->messages().size(); ++i) {
      shown.push_back(std::string{(*maildrop)->messages()[i - 1].unique_id} + "\n" +
                      wire_of(**maildrop, i));
    }
    return shown;
  }

  TemporaryDirectory directory;
  TemporaryDirectory home;
  MailUser user;
  pop::test::ImpatientClock clock;
};

TEST_CASE("A spool is moved from every layout to every other", "[rehash]") {
  for (const auto homes : {TemporaryDirectory::Place::any, TemporaryDirectory::Place::memory}) {
    for (int from = 0; from < 4; ++from) {
      for (int to = 0; to < 4; ++to) {
        CAPTURE(from, to);
        Host host{homes};
        host.fill(from, pop::test::sound_spool());
        const Mail before = host.mail(from);
        REQUIRE(before.size() == 4);
        const MovedSpool done = host.move(from, to);
        if (from == to) {
          CHECK(done.how == MovedSpool::How::nothing);
        } else {
          CHECK(done.how != MovedSpool::How::nothing);
          CHECK_FALSE(fs::exists(host.place(from)));
          CHECK(host.mail(from).empty());
        }
        CHECK(host.mail(to) == before);
        CHECK(get_file(host.place(to)) == pop::test::sound_spool());
        CHECK(host.move(from, to).how == MovedSpool::How::nothing);
      }
    }
  }
}

TEST_CASE("Mail that has come to the new place comes behind that of the old", "[rehash]") {
  Host host;
  host.fill(0, message("one") + message("two"));
  host.fill(2, message("three"));
  CHECK(host.move(0, 2).how == MovedSpool::How::merged);
  CHECK(get_file(host.place(2)) == message("one") + message("two") + message("three"));
  CHECK_FALSE(fs::exists(host.place(0)));
  host.fill(0, message("four"));  // a deliverer that had not heard of it
  CHECK(host.move(0, 2).how == MovedSpool::How::merged);
  CHECK(host.mail(2).size() == 4);
  host.fill(0, message("four"));  // as a crash leaves it
  host.move(0, 2);
  CHECK(host.mail(2).size() == 4);
}

TEST_CASE("No message is taken for the rest of another while a spool is moved", "[rehash]") {
  Host host;
  host.fill(0, message("one"));
  host.fill(2, message("one") + "and more\n\n");
  CHECK(host.move(0, 2).how == MovedSpool::How::merged);
  CHECK(get_file(host.place(2)) == message("one") + message("one") + "and more\n\n");
}

TEST_CASE("What lies beside a spool comes along", "[rehash]") {
  Host host;
  host.fill(0, message("one") + message("two"));
  const Settings settings = host.layout(0);
  Mail ids;
  {
    Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, system_disk(), host.clock}, host.user);
    REQUIRE(maildrop);
    for (const MessageInfo& info : (*maildrop)->messages()) ids.emplace_back(info.unique_id);
  }
  const ImportedIds imported{{{.fingerprint = {}, .content_id = ids[0], .id = "of-old-server"}}};
  put_file(host.directory / ".jo.uidl", imported.serialised());
  fs::remove(host.directory / ".jo.cache");
  for (const char* name : {".jo.uidl", ".jo.retrieved", ".jo.trash"}) {
    if (!fs::exists(host.directory / name)) put_file(host.directory / name, "x");
    fs::permissions(host.directory / name, fs::perms{0600});
  }
  put_file(host.directory / ".jo.pop", message("dropped"));
  fs::permissions(host.directory / ".jo.pop", fs::perms{0600});
  fs::create_directories(host.directory / "j/o");
  host.move(0, 2);
  for (const char* name :
       {".jo.uidl", ".jo.retrieved", ".jo.trash", ".jo.pop", ".jo.cache", "jo"}) {
    CAPTURE(name);
    CHECK_FALSE(fs::exists(host.directory / name));
  }
  CHECK(fs::exists(host.directory / "j/o/.jo.trash"));
  CHECK(fs::exists(host.directory / "j/o/.jo.retrieved"));
  const Mail now = host.mail(2);
  REQUIRE(now.size() == 3);
  CHECK(std::ranges::count_if(
            now, [](const std::string& one) { return one.starts_with("of-old-server\n"); }) == 1);
}

TEST_CASE("A session in either place, or a Maildir, is left alone", "[rehash]") {
  Host host;
  host.fill(0, message("one"));
  host.fill(2, message("two"));
  for (const int busy : {0, 2}) {
    const Settings settings = host.layout(busy);
    Result<std::unique_ptr<Maildrop>> session =
        open_maildrop({settings, system_disk(), host.clock}, host.user);
    REQUIRE(session);
    const Result<MovedSpool> refused = host.try_move(0, 2);
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::busy);
  }
  CHECK(get_file(host.place(0)) == message("one"));
  fs::remove(host.place(0));
  fs::create_directories(host.place(0) / "cur");
  CHECK(host.try_move(0, 2).error().code == Errc::usage);
  CHECK(get_file(host.place(2)) == message("two"));
}

TEST_CASE("The old spool stays, empty, as long as a deliverer has it open", "[rehash]") {
  Host host;
  host.fill(0, message("one"));
  host.fill(2, message("two"));
  {
    const Fd deliverer{::open(host.place(0).c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
    REQUIRE(deliverer.is_open());
    CHECK(host.move(0, 2).remarks.size() == 1);
    CHECK(fs::file_size(host.place(0)) == 0);
    const std::string late = message("late");
    REQUIRE(::write(deliverer.get(), late.data(), late.size()) ==
            static_cast<ssize_t>(late.size()));
  }
  CHECK(host.move(0, 2).remarks.empty());
  CHECK_FALSE(fs::exists(host.place(0)));
  CHECK(host.mail(2).size() == 3);
}

TEST_CASE("The only copy is kept where two paths lead to one directory", "[rehash]") {
  Host host;
  host.fill(0, message("one"));
  fs::create_directories(host.directory / "j");
  fs::create_directory_symlink(host.directory.path(), host.directory / "j/o");
  CHECK(host.move(0, 2).how == MovedSpool::How::nothing);
  CHECK(get_file(host.place(0)) == message("one"));
}

TEST_CASE("Of a file with two names the old one goes, and of one with more none", "[rehash]") {
  Host host;
  host.fill(0, message("one"));
  fs::create_directories(host.place(2).parent_path());
  fs::create_hard_link(host.place(0), host.place(2));
  fs::create_hard_link(host.place(0), host.directory / "third");
  const Result<MovedSpool> refused = host.try_move(0, 2);
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::denied);
  CHECK(fs::exists(host.place(0)));
  CHECK(fs::exists(host.place(2)));
  fs::remove(host.directory / "third");
  host.move(0, 2);
  CHECK_FALSE(fs::exists(host.place(0)));
  CHECK(get_file(host.place(2)) == message("one"));
}

/// A program without locks writes to `spool` before its mail goes from there, or after that.
class LateWriter final : public pop::test::ForwardingDisk {
 public:
  enum class Moment : std::uint8_t { copied, gone };
  LateWriter(Moment moment, fs::path spool, std::string mail)
      : ForwardingDisk{system_disk()},
        moment_{moment},
        spool_{std::move(spool)},
        mail_{std::move(mail)} {}
  Result<void> rename(int directory, const std::string& from, const std::string& to) override {
    Result<void> done = ForwardingDisk::rename(directory, from, to);
    if (from == ".jo.moved.new" && moment_ == Moment::copied) deliver();
    return done;
  }
  Result<void> truncate(const Fd& file, FileBytes size) override {
    Result<void> done = ForwardingDisk::truncate(file, size);
    if (!mail_.empty() && get_file(spool_).empty() && moment_ == Moment::gone) deliver();
    return done;
  }

 private:
  void deliver() { put_file(spool_, get_file(spool_) + std::exchange(mail_, "")); }

  Moment moment_;
  fs::path spool_;
  std::string mail_;
};

TEST_CASE("Mail written to the old spool in spite of the locks is not cut off", "[rehash]") {
  for (const auto moment : {LateWriter::Moment::copied, LateWriter::Moment::gone}) {
    const bool is_gone = moment == LateWriter::Moment::gone;
    CAPTURE(is_gone);
    Host host;
    host.fill(0, message("one"));
    host.fill(2, message("two"));
    LateWriter disk{moment, host.place(0), message("late")};
    const Result<MovedSpool> stopped = host.try_move(0, 2, disk);
    REQUIRE(!stopped);
    CHECK(stopped.error().code == Errc::changed);
    CHECK(get_file(host.place(0)) == (is_gone ? "" : message("one")) + message("late"));
    CHECK(host.mail(2).size() == (is_gone ? 2 : 1));
    host.move(0, 2);
    CHECK_FALSE(fs::exists(host.place(0)));
    CHECK(host.mail(2).size() == 3);
  }
}

TEST_CASE("Mail that waits beside the new spool is merged once", "[rehash]") {
  Host host;
  host.fill(0, message("one"));
  host.fill(2, message("two"));
  const fs::path staged = host.place(2).parent_path() / ".jo.moved";
  put_file(staged, message("one"));  // by a run that was killed when the old place had let go of it
  fs::permissions(staged, fs::perms{0600});
  CHECK(host.mail(2).size() == 1);
  host.fill(0, "");
  host.move(0, 2);
  CHECK(host.mail(2).size() == 2);
  CHECK_FALSE(fs::exists(staged));
  host.fill(2, "");
  host.move(0, 2);
  CHECK(host.mail(2).empty());
}

TEST_CASE("Files that both places share stay where they are", "[rehash]") {
  Host host;
  host.fill(3, message("one"));
  const std::string id = host.mail(3).at(0).substr(0, host.mail(3).at(0).find('\n'));
  const ImportedIds imported{{{.fingerprint = {}, .content_id = id, .id = "of-old-server"}}};
  put_file(host.home / ".jo.uidl", imported.serialised());
  put_file(host.home / ".jo.trash", "x");
  for (const char* name : {".jo.uidl", ".jo.trash"}) {
    fs::permissions(host.home / name, fs::perms{0600});
  }
  const MovedSpool done = host.move(3, 4);
  CHECK(done.how == MovedSpool::How::renamed);
  CHECK(done.remarks.empty());
  CHECK(get_file(host.home / ".jo.uidl") == imported.serialised());
  CHECK(get_file(host.home / ".jo.trash") == "x");
  CHECK(get_file(host.place(4)) == message("one"));
}

TEST_CASE("Where the kernel grants no lease, who has a file open is unknown", "[rehash]") {
  const Fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  REQUIRE(null.is_open());
  CHECK(is_open_elsewhere(null) == OpenElsewhere::unknown);
}

}  // namespace
