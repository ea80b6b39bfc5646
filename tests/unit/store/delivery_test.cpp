#include "store/delivery.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/clock.h"
#include "store/conversion.h"
#include "store/maildir_delivery.h"
#include "support/catch.h"
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

ReadOn reading(std::string_view& rest) {
  return [&rest](std::span<char> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min(rest.size(), buffer.size());
    std::memcpy(buffer.data(), rest.data(), count);
    rest.remove_prefix(count);
    return count;
  };
}

class Host {
 public:
  Host() {
    settings.spool_dir = directory.path();
    settings.server_mode = true;
    user.name = "jo";
    user.uid = ::geteuid();
    user.gid = ::getegid();
    user.home = directory.path();
  }
  [[nodiscard]] fs::path spool() const { return directory / "jo"; }
  void fill(std::string_view content) const {
    put_file(spool(), content);
    fs::permissions(spool(), fs::perms{0600});
  }
  Result<DeliveredMail> try_deliver(std::string_view message, const DeliveryRequest& request = {}) {
    return try_deliver(system_disk(), message, request);
  }
  Result<DeliveredMail> try_deliver(Disk& disk, std::string_view message,
                                    const DeliveryRequest& request = {}) {
    return pop::deliver({settings, disk, clock}, user, request, reading(message));
  }
  DeliveredMail deliver(std::string_view message, const DeliveryRequest& request = {}) {
    const Result<DeliveredMail> done = try_deliver(message, request);
    INFO((done ? std::string{} : done.error().text));
    REQUIRE(done);
    return *done;
  }
  std::vector<std::string> mail() {
    Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, system_disk(), clock}, user);
    INFO((maildrop ? std::string{} : maildrop.error().text));
    REQUIRE(maildrop);
    std::vector<std::string> texts;
    for (std::uint32_t i = 1; i <= (*maildrop)->messages().size(); ++i) {
      texts.push_back(wire_of(**maildrop, i));
    }
    return texts;
  }

  TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  Settings settings;
  MailUser user;
  pop::test::ImpatientClock clock;
};

constexpr std::string_view envelope = "From ann@example.org Thu Jan  1 00:00:00 1970\n";

TEST_CASE("A delivery makes a spool, takes over the From_ line and quotes others", "[delivery]") {
  Host host;
  host.deliver(std::string{envelope} + "Subject: x\n\nFrom here\n");
  CHECK(get_file(host.spool()) == std::string{envelope} + "Subject: x\n\n>From here\n\n");
  struct stat st {};
  REQUIRE(::stat(host.spool().c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
  CHECK(host.mail() == std::vector<std::string>{"Subject: x\r\n\r\n>From here\r\n\r\n"});
  CHECK(std::distance(fs::directory_iterator{host.directory.path()}, fs::directory_iterator{}) ==
        2);  // and the session's index
}

TEST_CASE("The sender that the agent names goes before a From_ line", "[delivery]") {
  Host host;
  host.deliver(std::string{envelope} + "A: b\n\n", {.sender = "bob <x>", .largest = {}});
  CHECK(get_file(host.spool()).starts_with("From bob-<x> "));
  host.deliver("A: b\n\n");
  CHECK(get_file(host.spool()).find("\n\nFrom MAILER-DAEMON ") != std::string::npos);
  host.deliver("From cid yesterday\nA: b\n\n");
  CHECK(get_file(host.spool()).find("\n\nFrom cid ") != std::string::npos);
  CHECK(host.mail().size() == 3);
}

TEST_CASE("A delivery stands apart from whatever ends the spool", "[delivery]") {
  const std::string first = std::string{envelope} + "A: 1\n\none\n";
  for (const std::string_view end : {"", "\n", "\n\n", "torn", "torn\r\n", "x\r\n\r\n"}) {
    CAPTURE(end);
    Host host;
    host.fill(first + std::string{end});
    host.deliver("A: 2\n\ntwo\n");
    const std::vector<std::string> mail = host.mail();
    REQUIRE(mail.size() == 2);
    CHECK(mail[1] == "A: 2\r\n\r\ntwo\r\n\r\n");
    CHECK(get_file(host.spool()).starts_with(first + std::string{end}));
  }
}

TEST_CASE("A delivery into an MMDF spool", "[delivery]") {
  Host host;
  host.fill("\1\1\1\1\nA: 1\n\none\n\1\1\1\1\n");
  host.deliver("A: 2\n\ntwo\n\1\1\1\1\n", {.sender = "ann", .largest = {}});
  const std::vector<std::string> mail = host.mail();
  REQUIRE(mail.size() == 2);
  CHECK(mail[1] == "A: 2\r\n\r\ntwo\r\n>\1\1\1\1\r\n");
}

TEST_CASE("A large delivery waits in a file, and one that is too large leaves nothing",
          "[delivery]") {
  Host host;
  std::string message = "A: b\n\n";
  for (int i = 0; i < 60000; ++i) message += "a line of some forty octets, more or less\n";
  host.deliver(message, {.sender = {}, .largest = FileBytes{message.size()}});
  CHECK(host.mail().front().size() == message.size() + 60000 + 2 + 2);
  const std::string before = get_file(host.spool());
  const auto refused = host.try_deliver(message, {.sender = {}, .largest = FileBytes{1000}});
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::limit);
  CHECK(host.try_deliver("").error().code == Errc::limit);
  CHECK(get_file(host.spool()) == before);
}

TEST_CASE("A delivery waits for the locks and not for a session", "[delivery]") {
  Host host;
  host.settings.lock_wait = std::chrono::seconds{1};
  host.deliver("A: 1\n\none\n");
  Result<std::unique_ptr<Maildrop>> session =
      open_maildrop({host.settings, system_disk(), host.clock}, host.user);
  REQUIRE(session);
  REQUIRE((*session)->messages().size() == 1);
  host.deliver("A: 2\n\ntwo\n");
  REQUIRE((*session)->commit(pop::test::outcome(**session, {1})));
  session = std::unique_ptr<Maildrop>{};
  CHECK(host.mail() == std::vector<std::string>{"A: 2\r\n\r\ntwo\r\n\r\n"});
  const Fd other{::open(host.spool().c_str(), O_RDWR | O_CLOEXEC)};
  REQUIRE(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
  const auto busy = host.try_deliver("A: 3\n\nthree\n");
  REQUIRE(!busy);
  CHECK(busy.error().code == Errc::busy);
}

TEST_CASE("A journal that is damaged or of another spool is left alone", "[delivery]") {
  Host host;
  host.fill(std::string{envelope} + "A: 1\n\none\n\n");
  put_file(host.directory / ".jo.journal", std::string(5000, 'x'));
  fs::permissions(host.directory / ".jo.journal", fs::perms{0600});
  const auto refused = host.try_deliver("A: 2\n\ntwo\n");
  REQUIRE(!refused);
  CHECK(refused.error().code == Errc::corrupt);
  CHECK(get_file(host.directory / ".jo.journal") == std::string(5000, 'x'));
}

TEST_CASE("A delivery makes a Maildir where the settings say so", "[delivery]") {
  Host host;
  host.settings.mail_format = MailFormat::maildir;
  const DeliveredMail first = host.deliver("Status: RO\nA: 1\r\n\r\nFrom here\r\n");
  CHECK(get_file(first.path) == "A: 1\r\n\r\nFrom here\r\n");
  const DeliveredMail second = host.deliver("A: 2\r\n\r\ntwo\r\n");
  CHECK(get_file(second.path) == "A: 2\n\ntwo\n");
  CHECK(fs::path{second.path}.parent_path() == host.spool() / "new");
  CHECK(second.path.find(",S=10,W=13") != std::string::npos);
  CHECK(fs::is_empty(host.spool() / "tmp"));
  CHECK(host.mail() ==
        std::vector<std::string>{"A: 1\r\n\r\nFrom here\r\n", "A: 2\r\n\r\ntwo\r\n"});
  const auto refused = host.try_deliver("A: 3\n\n", {.sender = {}, .largest = FileBytes{2}});
  CHECK(!refused);
  CHECK(fs::is_empty(host.spool() / "tmp"));
}

/// Once the journal has its name, the spool cannot be written.
class DiskThatFailsLate final : public pop::test::ForwardingDisk {
 public:
  DiskThatFailsLate() : ForwardingDisk{system_disk()} {}
  Result<void> rename(int directory, const std::string& from, const std::string& to) override {
    is_late_ = is_late_ || to == ".jo.journal";
    return ForwardingDisk::rename(directory, from, to);
  }
  Result<void> truncate(const Fd& file, FileBytes size) override {
    if (is_late_) return fail(Errc::limit, "File too large");
    return ForwardingDisk::truncate(file, size);
  }

 private:
  bool is_late_ = false;
};

TEST_CASE("A message in a durable journal is not asked for again", "[delivery]") {
  Host host;
  host.deliver("A: 1\n\none\n");
  DiskThatFailsLate disk;
  const Result<DeliveredMail> done = host.try_deliver(disk, "A: 2\n\ntwo\n");
  REQUIRE(done);
  CHECK(done->remark.find("File too large") != std::string::npos);
  CHECK(host.mail() ==
        std::vector<std::string>{"A: 1\r\n\r\none\r\n\r\n", "A: 2\r\n\r\ntwo\r\n\r\n"});
}

TEST_CASE("A delivery that nobody waits for any more leaves nothing", "[delivery]") {
  for (const MailFormat format : {MailFormat::mbox, MailFormat::maildir}) {
    Host host;
    host.settings.mail_format = format;
    host.deliver("A: 1\n\none\n");
    const auto refused = host.try_deliver(
        "A: 2\n\ntwo\n",
        {.sender = {}, .largest = {}, .last_check = [] { return fail(Errc::busy, "gone"); }});
    REQUIRE(!refused);
    CHECK(refused.error().text == "gone");
    CHECK(host.mail().size() == 1);
    CHECK(!fs::exists(host.directory / ".jo.journal"));
  }
}

/// Something happens before the call with that number.
class DisturbedDisk final : public pop::test::ForwardingDisk {
 public:
  DisturbedDisk(std::size_t call, std::function<void()> happens)
      : ForwardingDisk{system_disk()}, call_{call}, happens_{std::move(happens)} {}

  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    return tick(), ForwardingDisk::open(directory, name, flags, mode);
  }
  Result<FileStatus> status(const Fd& file) override {
    return tick(), ForwardingDisk::status(file);
  }
  Result<FileStatus> status(int directory, const std::string& name) override {
    return tick(), ForwardingDisk::status(directory, name);
  }
  Result<void> make_directory(int directory, const std::string& name, mode_t mode) override {
    return tick(), ForwardingDisk::make_directory(directory, name, mode);
  }
  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
    return tick(), ForwardingDisk::write(file, bytes, offset);
  }
  Result<void> move(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override {
    return tick(), ForwardingDisk::move(from_directory, from, to_directory, to);
  }
  Result<void> sync_directory(int directory) override {
    return tick(), ForwardingDisk::sync_directory(directory);
  }
  [[nodiscard]] bool was_disturbed() const { return calls_ >= call_; }

 private:
  void tick() {
    if (++calls_ == call_) happens_();
  }
  std::size_t call_, calls_ = 0;
  std::function<void()> happens_;
};

/// Ends a conversion when `tmp` of the old Maildir has gone, before the rest goes.
class DiskThatKeepsTheOld final : public pop::test::ForwardingDisk {
 public:
  DiskThatKeepsTheOld() : ForwardingDisk{system_disk()} {}
  Result<void> remove_directory(int directory, const std::string& name) override {
    if (has_closed_) return fail(Errc::io, "the conversion stops here");
    has_closed_ = name == "tmp";
    return ForwardingDisk::remove_directory(directory, name);
  }

 private:
  bool has_closed_ = false;
};

/// Delivers while the Maildir becomes a spool before one call; false: there are fewer calls.
bool deliver_beside_conversion(std::size_t call, Disk& converting) {
  Host host;
  host.settings.mail_format = MailFormat::maildir;
  host.deliver("A: 1\n\none\n");
  host.settings.mail_format = MailFormat::by_place;
  bool has_ended = false;
  DisturbedDisk disk{call, [&] {
                       (void)convert_maildrop({host.settings, converting, host.clock}, host.user,
                                              MailFormat::mbox);
                       has_ended = !fs::exists(host.directory / ".jo.convert.mbox" / "tmp");
                     }};
  const Result<DeliveredMail> done = host.try_deliver(disk, "A: 2\n\ntwo\n");
  CHECK((done || fs::is_regular_file(host.spool())));
  // Nobody looks again into a Maildir that has been taken in.
  if (done && has_ended) CHECK(host.mail().size() == 2);
  const Result<Conversion> finished =
      convert_maildrop({host.settings, system_disk(), host.clock}, host.user, MailFormat::mbox);
  INFO((finished ? std::string{} : finished.error().text));
  CHECK(finished);
  if (!done) host.deliver("A: 2\n\ntwo\n");
  CHECK(host.mail() ==
        std::vector<std::string>{"A: 1\r\n\r\none\r\n\r\n", "A: 2\r\n\r\ntwo\r\n\r\n"});
  return disk.was_disturbed();
}

TEST_CASE("A message on its way into a Maildir that becomes a spool is neither lost nor doubled",
          "[delivery]") {
  std::size_t call = 1;
  for (;; ++call) {
    CAPTURE(call);
    DiskThatKeepsTheOld kept;
    const bool disturbed = deliver_beside_conversion(call, kept);
    if (deliver_beside_conversion(call, system_disk()) != disturbed || !disturbed) break;
    REQUIRE(call < 500);
  }
  CHECK(call > 10);
}

TEST_CASE("Names of deliveries differ and follow their order", "[delivery]") {
  const std::string first = new_maildir_base(1000000000, 7);
  const std::string second = new_maildir_base(1000000000, 12);
  CHECK(first < second);
  CHECK(new_maildir_base(1000000000, 12) != second);
  CHECK(first.find_first_of("/:,\n") == std::string::npos);
}

}  // namespace
