#include "store/spool_view.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "support/catch.h"
#include "support/forwarding_disk.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using pop::test::get_file;
using pop::test::put_file;
using pop::test::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

std::string content(std::string_view name, std::string_view body = "hello\n") {
  return "Message-Id: <" + std::string{name} + "@example.org>\nSubject: " + std::string{name} +
         "\n\n" + std::string{body};
}

std::string mail(std::string_view name, std::string_view body = "hello\n") {
  return "From a@example.org Fri Nov 20 10:00:00 2026\n" + content(name, body) + "\n";
}

/// All that a file system tells of a file but its content.
struct Seen {
  ino_t inode = 0;
  mode_t mode = 0;
  std::int64_t size = 0;
  std::array<std::int64_t, 6> times{};  // accessed, modified, changed
  bool operator==(const Seen&) const = default;
};

class Host {
 public:
  Host() {
    settings.spool_dir = directory / "spool";
    settings.server_mode = true;
    settings.lock_wait = std::chrono::seconds{0};
    fs::create_directory(settings.spool_dir);
    user.name = "jo";
    user.uid = ::geteuid();
    user.gid = ::getegid();
    user.home = directory.path();
  }

  [[nodiscard]] fs::path spool() const { return settings.spool_dir / "jo"; }
  [[nodiscard]] MaildropContext context() { return {settings, *disk, system_clock()}; }
  [[nodiscard]] std::unique_ptr<SpoolView> view() {
    Result<std::unique_ptr<SpoolView>> view = view_maildrop(context(), user);
    INFO((view ? std::string{} : view.error().text));
    REQUIRE(view);
    return std::move(*view);
  }
  [[nodiscard]] std::unique_ptr<Maildrop> session() {
    Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(context(), user);
    INFO((maildrop ? std::string{} : maildrop.error().text));
    REQUIRE(maildrop);
    return std::move(*maildrop);
  }
  void make_maildir() const {
    for (const char* name : {"new", "cur", "tmp"}) fs::create_directories(spool() / name);
  }

  /// Reading would now show in every access time: they lie before the last modification.
  void set_times_back() {
    const timespec times[2] = {{.tv_sec = 1'000'000, .tv_nsec = 0},
                               {.tv_sec = 2'000'000, .tv_nsec = 0}};
    known = paths();
    for (const fs::path& path : known) {
      REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
    }
  }
  [[nodiscard]] std::vector<fs::path> paths() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator{directory.path()}) {
      found.push_back(entry.path());
    }
    return found;
  }
  /// Of the files that were there when set_times_back() was called: looking for names is reading.
  [[nodiscard]] std::map<fs::path, Seen> statuses() const {
    std::map<fs::path, Seen> found;
    for (const fs::path& path : known) {
      struct stat st {};
      if (::lstat(path.c_str(), &st) != 0) continue;
      found[path] = {st.st_ino,
                     st.st_mode,
                     st.st_size,
                     {st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                      st.st_ctim.tv_sec, st.st_ctim.tv_nsec}};
    }
    return found;
  }
  [[nodiscard]] std::map<fs::path, std::string> contents() const {
    std::map<fs::path, std::string> found;
    for (const fs::path& path : paths()) {
      found[path] = fs::is_regular_file(fs::symlink_status(path)) ? get_file(path) : "";
    }
    return found;
  }

  TemporaryDirectory directory;
  Settings settings;
  MailUser user;
  Disk* disk = &system_disk();
  std::vector<fs::path> known;
};

std::string stored(SpoolView& view, std::uint32_t number) {
  auto reader = view.open({number});
  INFO((reader ? std::string{} : reader.error().text));
  REQUIRE(reader);
  std::string text;
  char buffer[100];
  for (;;) {
    const Result<std::size_t> got = (*reader)->read(buffer);
    REQUIRE(got);
    if (*got == 0) return text;
    text.append(buffer, *got);
  }
}

void check_same(const SpoolView& view, const Maildrop& session) {
  CHECK(view.hidden() == session.hidden());
  REQUIRE(view.messages().size() == session.messages().size());
  for (std::size_t i = 0; i < view.messages().size(); ++i) {
    CHECK(view.messages()[i].size == session.messages()[i].size);
    CHECK(view.messages()[i].unique_id == session.messages()[i].unique_id);
    CHECK(view.messages()[i].retrieved == session.messages()[i].retrieved);
  }
}

const std::string internal =
    "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nFrom: Mail System Internal Data <x@y>\n"
    "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAPbase: 1 2\n\ntext\n\n";

}  // namespace

TEST_CASE("A view lists what a session lists", "[store][view]") {
  Host host;
  const std::string text = GENERATE_COPY(
      std::string{}, mail("a") + mail("b") + mail("a"), internal + mail("a"),
      std::string{"\1\1\1\1\n"} + content("a") + "\1\1\1\1\n\1\1\1\1\n" + content("b") +
          "\1\1\1\1\n",
      mail("a") + "From b@example.org Thu Jan  1 00:00:00 1970\nStatus: RO\nX-UIDL: own\n\n.x\n");
  put_file(host.spool(), text);
  SECTION("without an index") {
    const auto view = host.view();
    CHECK(view->index_state() == IndexState::missing);
    check_same(*view, *host.session());
  }
  SECTION("with a fresh one") {
    (void)host.session();
    const auto view = host.view();
    CHECK(view->index_state() == (text.empty() ? view->index_state() : IndexState::fresh));
    check_same(*view, *host.session());
  }
  SECTION("with one from before a delivery") {
    (void)host.session();
    put_file(host.spool(), text + (text.starts_with('\1') ? "" : mail("new")));
    check_same(*host.view(), *host.session());
  }
}

TEST_CASE("A view of a Maildir lists what a session lists", "[store][view][maildir]") {
  Host host;
  host.make_maildir();
  put_file(host.spool() / "cur" / "1600000000.1.host:2,S", content("a"));
  put_file(host.spool() / "new" / "1600000001.2.host", content("b"));
  put_file(host.spool() / "new" / "1600000002.3.host", content("b"));
  fs::create_symlink("nothing", host.spool() / "new" / "1600000003.4.host");
  const auto view = host.view();
  CHECK(view->format() == MailFormat::maildir);
  CHECK(view->messages()[0].file == "cur/1600000000.1.host:2,S");
  CHECK(view->delivered({2}) == std::optional<std::int64_t>{1600000001});
  check_same(*view, *host.session());
  check_same(*host.view(), *host.session());
  CHECK(stored(*view, 2) == content("b"));
}

TEST_CASE("A view changes no byte, no time and no name", "[store][view]") {
  Host host;
  const bool is_maildir = GENERATE(false, true);
  const bool has_index = GENERATE(false, true);
  host.settings.check_hash_dir = true;
  host.settings.user_options = true;
  if (is_maildir) {
    host.make_maildir();
    put_file(host.spool() / "cur" / "1600000000.1.host:2,S", content("a"));
    put_file(host.spool() / "new" / "1600000001.2.host", content("a"));  // an id to put on record
  } else {
    put_file(host.spool(), mail("a") + mail("b"));
  }
  if (has_index) (void)host.session();
  const auto contents = host.contents();
  host.set_times_back();
  const auto before = host.statuses();
  {
    const auto view = host.view();
    REQUIRE(view->messages().size() == 2);
    for (std::uint32_t number : {1U, 2U}) {
      CHECK_FALSE(stored(*view, number).empty());
      CHECK(view->separator({number}));
    }
  }
  const auto after = host.statuses();
  for (const auto& [path, seen] : before) {
    CAPTURE(path);
    CHECK(after.contains(path));
    CHECK((after.contains(path) && after.at(path) == seen));
  }
  CHECK(host.paths().size() == before.size());
  CHECK((host.contents() == contents));
}

TEST_CASE("A view of nothing is empty", "[store][view]") {
  Host host;
  CHECK(host.view()->messages().empty());
  host.settings.hash_spool = 2;
  CHECK(host.view()->messages().empty());  // the hash directory is not there, and is not made
  CHECK_FALSE(fs::exists(host.settings.spool_dir / "j"));
  host.settings.check_hash_dir = false;
  CHECK(view_maildrop(host.context(), host.user).error().code == Errc::not_found);
}

TEST_CASE("Deliveries do not disturb a view, and rewrites are noticed", "[store][view]") {
  Host host;
  put_file(host.spool(), mail("a") + mail("b"));
  const auto view = host.view();
  CHECK(view->delivered({1}) == std::optional<std::int64_t>{1795168800});
  put_file(host.spool(), mail("a") + mail("b") + mail("c"));
  CHECK(stored(*view, 2) == content("b") + "\n");
  put_file(host.spool(), mail("b"));
  const auto gone = view->open({2});
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == Errc::changed);
  CHECK(host.view()->messages().size() == 1);
}

TEST_CASE("A view goes on beside a session and tells of locks", "[store][view]") {
  Host host;
  put_file(host.spool(), mail("a"));
  const auto session = host.session();
  CHECK(host.view()->remarks().empty());
  SECTION("a dotlock") {
    put_file(host.spool().native() + ".lock", "1@elsewhere");
    const auto view = host.view();
    CHECK(view->messages().size() == 1);
    REQUIRE(view->remarks().size() == 1);
    CHECK(view->remarks()[0].find("jo.lock is held") != std::string::npos);
  }
  SECTION("flock") {
    const Fd spool{::open(host.spool().c_str(), O_RDWR | O_CLOEXEC)};
    REQUIRE(::flock(spool.get(), LOCK_EX) == 0);
    fs::remove(host.settings.spool_dir / ".jo.cache");
    const auto view = host.view();
    CHECK(view->messages().size() == 1);
    REQUIRE(view->remarks().size() == 1);
    CHECK(view->remarks()[0].find("locked") != std::string::npos);
  }
  SECTION("nobody is kept out afterwards") {
    const auto view = host.view();
    const Fd spool{::open(host.spool().c_str(), O_RDWR | O_CLOEXEC)};
    CHECK(::flock(spool.get(), LOCK_EX | LOCK_NB) == 0);
    struct flock range {};
    range.l_type = F_WRLCK;
    CHECK(::fcntl(spool.get(), F_OFD_SETLK, &range) == 0);
  }
}

TEST_CASE("A view says what only a session mends", "[store][view]") {
  Host host;
  put_file(host.spool(), mail("a"));
  put_file(host.settings.spool_dir / ".jo.pop", mail("left"));
  put_file(host.settings.spool_dir / ".jo.journal", "torn");
  const auto view = host.view();
  REQUIRE(view->remarks().size() == 2);
  CHECK(view->remarks()[0].find(".jo.journal") != std::string::npos);
  CHECK(view->remarks()[1].find(".jo.pop holds") != std::string::npos);
}

namespace {

/// Delivers, or does something else, between two reads of the spool.
class BusyDisk final : public pop::test::ForwardingDisk {
 public:
  explicit BusyDisk(std::function<void(int)> meanwhile)
      : ForwardingDisk{system_disk()}, meanwhile_{std::move(meanwhile)} {}
  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override {
    const Result<std::size_t> got = system_disk().read(file, buffer, offset);
    meanwhile_(++reads_);
    return got;
  }

 private:
  std::function<void(int)> meanwhile_;
  int reads_ = 0;
};

}  // namespace

TEST_CASE("A view of a spool that changes while it is read shows one state", "[store][view]") {
  Host host;
  put_file(host.spool(), mail("a"));
  SECTION("once") {
    BusyDisk busy{[&](int reads) {
      if (reads == 1) put_file(host.spool(), mail("x") + mail("y"));
    }};
    host.disk = &busy;
    CHECK(host.view()->messages().size() == 2);
  }
  SECTION("once, by somebody who keeps his lock") {
    const Fd spool{::open(host.spool().c_str(), O_RDWR | O_CLOEXEC)};
    REQUIRE(::flock(spool.get(), LOCK_EX) == 0);
    BusyDisk busy{[&](int reads) {
      if (reads == 1) put_file(host.spool(), mail("x") + mail("y"));
    }};
    host.disk = &busy;
    const auto view = host.view();
    CHECK(view->messages().size() == 2);
    CHECK(view->remarks().size() == 1);
    CHECK(stored(*view, 2) == content("y") + "\n");
  }
  SECTION("all the time") {
    BusyDisk busy{[&](int reads) {
      put_file(host.spool(), mail("x" + std::string(static_cast<std::size_t>(reads), 'x')));
    }};
    host.disk = &busy;
    CHECK(view_maildrop(host.context(), host.user).error().code == Errc::changed);
  }
}
