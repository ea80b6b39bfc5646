#include "store/unique_id_import.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "store/spool_repair.h"
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
namespace fs = std::filesystem;

namespace {

using Ids = std::vector<std::string>;

std::string mail(const std::string& name) {
  return "Message-Id: <" + name + "@example.org>\nSubject: " + name + "\n\nhello\n";
}

/// The mail of one user, as an mbox or as a Maildir.
class Host {
 public:
  explicit Host(MailFormat format) : format_{format} {
    settings.spool_dir = home_.path().native();
    settings.server_mode = true;
    user_.name = "jo";
    user_.uid = ::geteuid();
    user_.gid = ::getegid();
    user_.home = home_.path();
    if (format == MailFormat::mbox) return;
    for (const char* name : {"new", "cur", "tmp"}) fs::create_directories(spool() / name);
  }
  [[nodiscard]] fs::path spool() const { return home_ / "jo"; }
  [[nodiscard]] fs::path record() const {
    return format_ == MailFormat::mbox ? home_ / ".jo.uidl" : spool() / ".popper.uidl";
  }

  void deliver(const std::string& name) {
    ++delivered_;
    if (format_ == MailFormat::mbox) {
      const std::string before = fs::exists(spool()) ? get_file(spool()) : "";
      put_file(spool(),
               before + "From a@example.org Thu Jan  1 00:00:00 1970\n" + mail(name) + "\n");
      fs::permissions(spool(), fs::perms{0600});
    } else {
      put_file(spool() / "new" / (std::to_string(1000 + delivered_) + ".host"), mail(name));
    }
  }

  [[nodiscard]] std::unique_ptr<Maildrop> open() {
    auto maildrop = open_maildrop(context(), user_);
    INFO((maildrop ? "" : maildrop.error().text));
    REQUIRE(maildrop);
    return std::move(*maildrop);
  }
  [[nodiscard]] Ids listed() {
    Ids ids;
    const std::unique_ptr<Maildrop> maildrop = open();
    for (const MessageInfo& message : maildrop->messages()) ids.emplace_back(message.unique_id);
    return ids;
  }
  [[nodiscard]] std::unique_ptr<SpoolView> view() {
    Result<std::unique_ptr<SpoolView>> view = view_maildrop(context(), user_);
    REQUIRE(view);
    return std::move(*view);
  }
  [[nodiscard]] Ids viewed() {
    Ids ids;
    const std::unique_ptr<SpoolView> seen = view();
    for (const ViewedMessage& message : seen->messages()) ids.emplace_back(message.unique_id);
    return ids;
  }

  /// Those that the map names get its ids and, in this order, places.
  Result<void> import(const std::map<std::string, std::pair<std::string, std::uint32_t>>& given) {
    Result<UniqueIdImport> import = UniqueIdImport::begin(context(), user_);
    if (!import) return std::unexpected(import.error());
    const std::unique_ptr<SpoolView> seen = view();
    std::vector<WantedId> wanted;
    for (const ViewedMessage& message : seen->messages()) {
      const std::string own{message.unique_id};
      const auto found = given.find(own);
      const auto content_id = content_ids_.try_emplace(message.fingerprint, own.substr(0, 32));
      wanted.push_back({.content_id = content_id.first->second,
                        .id = found == given.end() ? own : found->second.first,
                        .order = found == given.end() ? 0 : found->second.second});
    }
    return import->record(*seen, wanted);
  }

  void remove(std::uint32_t number) {
    const std::unique_ptr<Maildrop> maildrop = open();
    REQUIRE(maildrop->commit(outcome(*maildrop, {number})));
  }
  void lose_index() {
    fs::remove(format_ == MailFormat::mbox ? home_ / ".jo.cache" : spool() / ".popper.cache");
  }
  [[nodiscard]] MaildropContext context() { return {settings, *disk, system_clock()}; }
  [[nodiscard]] const MailUser& user() const { return user_; }

  Settings settings;
  Disk* disk = &system_disk();

 private:
  TemporaryDirectory home_;
  MailFormat format_;
  MailUser user_;
  int delivered_ = 0;
  std::map<Fingerprint, std::string> content_ids_;  // first seen, without a number behind
};

/// Refuses the n-th change.
class RefusingDisk final : public ForwardingDisk {
 public:
  explicit RefusingDisk(int which) : ForwardingDisk{system_disk()}, left_{which} {}
  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
    return refuses() ? fail(Errc::full, "full") : ForwardingDisk::write(file, bytes, offset);
  }
  Result<void> sync(const Fd& file) override {
    return refuses() ? fail(Errc::io, "broken") : ForwardingDisk::sync(file);
  }
  Result<void> rename(int directory, const std::string& from, const std::string& to) override {
    return refuses() ? fail(Errc::full, "full") : ForwardingDisk::rename(directory, from, to);
  }
  Result<void> remove(int directory, const std::string& name) override {
    return refuses() ? fail(Errc::io, "broken") : ForwardingDisk::remove(directory, name);
  }
  [[nodiscard]] bool has_refused() const { return left_ <= 0; }

 private:
  bool refuses() { return --left_ == 0; }
  int left_;
};

const std::vector<MailFormat> formats{MailFormat::mbox, MailFormat::maildir};

}  // namespace

TEST_CASE("imported ids are listed, through deliveries, deletions and without the index",
          "[store][import]") {
  for (const MailFormat format : formats) {
    CAPTURE(static_cast<int>(format));
    Host host{format};
    for (const char* name : {"one", "two", "three"}) host.deliver(name);
    const Ids own = host.listed();
    REQUIRE(host.import({{own[0], {"old.1", 1}}, {own[2], {"old.3", 3}}}));
    const bool by_file = format == MailFormat::mbox;
    const Ids expected = by_file ? Ids{"old.1", own[1], "old.3"} : Ids{"old.1", "old.3", own[1]};
    CHECK(host.viewed() == expected);
    CHECK(host.listed() == expected);
    CHECK(host.listed() == expected);  // by the index

    host.deliver("four");
    Ids grown = host.listed();
    REQUIRE(grown.size() == 4);
    CHECK(Ids(grown.begin(), grown.begin() + 3) == expected);
    host.lose_index();
    CHECK(host.listed() == grown);

    host.remove(1);
    grown.erase(grown.begin());
    CHECK(host.listed() == grown);
    host.lose_index();
    CHECK(host.listed() == grown);
  }
}

TEST_CASE("a Maildir is listed in the order of the other server", "[store][import]") {
  Host host{MailFormat::maildir};
  for (const char* name : {"one", "two", "three"}) host.deliver(name);
  const Ids own = host.listed();
  REQUIRE(host.import({{own[2], {"a", 1}}, {own[0], {"b", 2}}}));
  CHECK(host.listed() == Ids{"a", "b", own[1]});
  // The numbers of a session mean what was listed.
  {
    const std::unique_ptr<Maildrop> maildrop = host.open();
    CHECK(pop::test::wire_of(*maildrop, 1).find("Subject: three") != std::string::npos);
    REQUIRE(maildrop->commit(outcome(*maildrop, {1}, {2})));
  }
  CHECK(host.listed() == Ids{"b", own[1]});
  host.lose_index();
  CHECK(host.listed() == Ids{"b", own[1]});
}

TEST_CASE("equal messages keep their own ids when one of them gets an imported one",
          "[store][import]") {
  for (const MailFormat format : formats) {
    CAPTURE(static_cast<int>(format));
    Host host{format};
    for (int i = 0; i < 3; ++i) host.deliver("same");
    const Ids own = host.listed();
    REQUIRE(own == Ids{own[0], own[0] + "-2", own[0] + "-3"});
    REQUIRE(host.import({{own[0], {"old", 1}}}));
    const Ids expected{"old", own[0] + "-2", own[0] + "-3"};
    CHECK(host.listed() == expected);
    host.lose_index();
    CHECK(host.listed() == expected);
    host.remove(1);
    CHECK(host.listed() == Ids{expected[1], expected[2]});
  }
}

TEST_CASE("a later import leaves what an earlier one gave", "[store][import]") {
  for (const MailFormat format : formats) {
    CAPTURE(static_cast<int>(format));
    Host host{format};
    for (const char* name : {"one", "two"}) host.deliver(name);
    const Ids own = host.listed();
    REQUIRE(host.import({{own[0], {"first", 1}}}));
    REQUIRE(host.import({{own[1], {"second", 2}}}));
    Ids listed = host.listed();
    std::ranges::sort(listed);
    CHECK(listed == Ids{"first", "second"});
  }
}

TEST_CASE("an import refuses ids that are no ids, or given twice", "[store][import]") {
  for (const MailFormat format : formats) {
    Host host{format};
    for (const char* name : {"one", "two"}) host.deliver(name);
    const Ids own = host.listed();
    CHECK(!host.import({{own[0], {"with blank", 1}}}));
    CHECK(!host.import({{own[0], {"", 1}}}));
    CHECK(!host.import({{own[0], {std::string(71, 'x'), 1}}}));
    CHECK(!host.import({{own[0], {"same", 1}}, {own[1], {"same", 2}}}));
    CHECK(!host.import({{own[0], {own[1], 1}}}));
    CHECK(host.listed() == own);
    CHECK(!fs::exists(host.record()));
  }
}

TEST_CASE("an import waits for no session", "[store][import]") {
  for (const MailFormat format : formats) {
    Host host{format};
    host.deliver("one");
    const std::unique_ptr<Maildrop> session = host.open();
    const Result<void> refused = host.import({});
    REQUIRE(!refused);
    CHECK(refused.error().code == Errc::busy);
  }
}

TEST_CASE("an import that fails at any step leaves the old ids or the new", "[store][import]") {
  for (const MailFormat format : formats) {
    for (int which = 1; which < 50; ++which) {
      CAPTURE(static_cast<int>(format), which);
      Host host{format};
      for (const char* name : {"one", "two"}) host.deliver(name);
      const Ids own = host.listed();
      const std::string before =
          format == MailFormat::mbox ? get_file(host.spool()) : std::string{};
      RefusingDisk disk{which};
      host.disk = &disk;
      const Result<void> done = host.import({{own[0], {"a", 1}}, {own[1], {"b", 2}}});
      const bool refused = disk.has_refused();
      host.disk = &system_disk();
      const Ids now = host.listed();
      CHECK(now == (done ? Ids{"a", "b"} : own));
      if (format == MailFormat::mbox) CHECK(get_file(host.spool()) == before);
      if (!refused) break;
      REQUIRE(which < 49);
    }
  }
}

TEST_CASE("ids that were imported survive another recipe", "[store][import]") {
  for (const MailFormat format : formats) {
    Host host{format};
    for (const char* name : {"one", "two"}) host.deliver(name);
    const Ids own = host.listed();
    REQUIRE(host.import({{own[0], {"old", 1}}}));
    host.settings.uid_format = UidFormat::qpopper;
    const Ids now = host.listed();
    CHECK(now[0] == "old");
    CHECK(now[1] != own[1]);
  }
}

TEST_CASE("a stored X-UIDL: gives way to an imported id, and then holds it", "[store][import]") {
  Host host{MailFormat::mbox};
  put_file(host.spool(),
           "From a@example.org Thu Jan  1 00:00:00 1970\nX-UIDL: stored\nSubject: x\n\nhi\n\n"
           "From a@example.org Thu Jan  1 00:00:00 1970\nSubject: y\n\nhi\n\n");
  fs::permissions(host.spool(), fs::perms{0600});
  const Ids own = host.listed();
  REQUIRE(own[0] == "stored");
  REQUIRE(host.import({{"stored", {"old.1", 1}}, {own[1], {"stored", 2}}}));
  CHECK(host.listed() == Ids{"old.1", "stored"});
  {
    const std::unique_ptr<Maildrop> maildrop = host.open();
    REQUIRE(maildrop->commit(outcome(*maildrop, {}, {1, 2})));  // writes headers anew
  }
  CHECK(get_file(host.spool()).find("X-UIDL: old.1") != std::string::npos);
  CHECK(host.listed() == Ids{"old.1", "stored"});
  fs::remove(host.record());
  host.lose_index();
  CHECK(host.listed() == Ids{"old.1", "stored"});
}

TEST_CASE("a message whose From_ line was repaired keeps its imported id", "[store][import]") {
  Host host{MailFormat::mbox};
  for (const char* name : {"one", "two"}) host.deliver(name);
  const Ids own = host.listed();
  REQUIRE(host.import({{own[0], {"old.1", 1}}, {own[1], {"old.2", 2}}}));
  put_file(host.spool(), get_file(host.spool()).substr(1));  // "rom a@example.org"
  const Result<MaildropLocation> location = locate_maildrop(*host.disk, host.settings, host.user());
  REQUIRE(location);
  const auto decide = [](const Defect&) { return Decision::repair; };
  REQUIRE(repair_spool(host.context(), host.user(), *location,
                       {.options = {}, .decide = decide, .drop_index = false}));
  CHECK(host.listed() == Ids{"old.1", "old.2"});
}
