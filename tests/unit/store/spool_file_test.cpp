#include "store/spool_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "support/catch.h"
#include "support/child_process.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using namespace pop::test;

namespace fs = std::filesystem;

namespace {

struct Bed {
  Bed() {
    place = place_in(root, "jo");
  }
  Result<Fd> open() { return open_spool_file(system_disk(), place, ::geteuid()); }
  /// The refusal must say which path, and what to do.
  void check_denied(std::string_view word) {
    const Result<Fd> file = open();
    REQUIRE(!file);
    CAPTURE(file.error().text);
    CHECK(file.error().code == Errc::denied);
    CHECK(file.error().text.find(place.path()) != std::string::npos);
    CHECK(file.error().text.find(word) != std::string::npos);
    CHECK(file.error().text.find(';') != std::string::npos);
  }

  TemporaryDirectory root;
  FilePlace place;
};

}  // namespace

TEST_CASE("A spool of the user's own is opened", "[store]") {
  Bed bed;
  CHECK(bed.open().error().code == Errc::not_found);
  put_file(bed.root / "jo", "mail");
  for (const mode_t mode : {0600u, 0660u, 0644u, 0640u}) {
    CAPTURE(mode);
    REQUIRE(::chmod((bed.root / "jo").c_str(), mode) == 0);
    CHECK(bed.open());
  }
}

TEST_CASE("Hostile objects in the place of a spool are refused", "[store]") {
  Bed bed;
  const fs::path jo = bed.root / "jo";
  put_file(bed.root / "victim", "secret mail");
  SECTION("symbolic link") {
    fs::create_symlink("victim", jo);
    bed.check_denied("symbolic link");
  }
  SECTION("dangling symbolic link") {
    fs::create_symlink("nothing", jo);
    bed.check_denied("symbolic link");
    CHECK(!fs::exists(bed.root / "nothing"));
  }
  SECTION("hard link") {
    fs::create_hard_link(bed.root / "victim", jo);
    bed.check_denied("links");
  }
  SECTION("FIFO: neither opened nor waited for") {
    REQUIRE(::mkfifo(jo.c_str(), 0600) == 0);
    bed.check_denied("FIFO");
  }
  SECTION("directory") {
    fs::create_directory(jo);
    bed.check_denied("directory");
  }
  SECTION("socket") {
    const Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    jo.native().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    bed.check_denied("socket");
  }
  SECTION("writable by others") {
    put_file(jo, "mail");
    REQUIRE(::chmod(jo.c_str(), 0666) == 0);
    bed.check_denied("chmod o-w");
  }
  SECTION("somebody else's") {
    put_file(jo, "mail");
    const auto file = open_spool_file(system_disk(), bed.place, ::geteuid() + 1);
    REQUIRE(!file);
    CHECK(file.error().code == Errc::denied);
    CHECK(file.error().text.find("belongs to uid " + std::to_string(::geteuid())) !=
          std::string::npos);
  }
  CHECK(get_file(bed.root / "victim") == "secret mail");
}

TEST_CASE("A file that its user may not open is told with owner, mode and remedy", "[store]") {
  if (::geteuid() != 0) return;
  constexpr uid_t jo = 4711;
  struct Row {
    uid_t owner;
    mode_t mode;
    std::string_view words;
  };
  for (const Row& row : {Row{4712, 0600, "belongs to uid 4712 (mode 0600), not to uid 4711; "},
                         Row{jo, 0400, "may not be opened by its owner (mode 0400); chmod u+rw"}}) {
    CAPTURE(row.words);
    Bed bed;
    put_file(bed.root / "jo", "mail");
    REQUIRE(::chmod((bed.root / "jo").c_str(), row.mode) == 0);
    REQUIRE(::chown((bed.root / "jo").c_str(), row.owner, 0) == 0);
    REQUIRE(::chmod(bed.root.path().c_str(), 0755) == 0);
    ChildProcess child{[&] {
      if (::setuid(jo) != 0) return 2;
      const auto file =
          open_mail_file(system_disk(), bed.place, O_RDWR, jo, Exposure::not_accessible_by_others);
      const bool told = !file && file.error().code == Errc::denied &&
                        file.error().text.starts_with(bed.place.path() + " ") &&
                        file.error().text.find(row.words) != std::string::npos;
      return told ? 0 : 1;
    }};
    CHECK(child.wait() == 0);
  }
}

TEST_CASE("Our own files may not be accessible by others", "[store]") {
  Bed bed;
  put_file(bed.root / "jo", "");
  REQUIRE(::chmod((bed.root / "jo").c_str(), 0664) == 0);
  const auto file = open_mail_file(system_disk(), bed.place, O_RDWR, ::geteuid(),
                                   Exposure::not_accessible_by_others);
  REQUIRE(!file);
  CHECK(file.error().code == Errc::denied);
  CHECK(file.error().text.find("accessible by others (mode 0664)") != std::string::npos);
}

TEST_CASE("Files are created with their mode whatever the umask", "[store]") {
  const RestoreUmask restore{::umask(0)};
  for (const mode_t mask : {0000u, 0777u, 0022u, 0007u}) {
    Bed bed;
    ::umask(mask);
    const auto made = create_mail_file(system_disk(), bed.place);
    ::umask(0022);
    CAPTURE(mask);
    REQUIRE(made);
    REQUIRE(*made);
    CHECK((fs::status(bed.root / "jo").permissions() & fs::perms::mask) ==
          static_cast<fs::perms>(0600));
    const auto again = create_mail_file(system_disk(), bed.place);
    REQUIRE(again);
    CHECK(!*again);
  }
}

TEST_CASE("Only the spool group of a shared directory may read along", "[store]") {
  struct Row {
    FileStatus directory, file;
    mode_t mode;
  };
  const auto directory = [](uid_t owner, gid_t group, mode_t mode) {
    return FileStatus{.owner = owner, .group = group, .mode = S_IFDIR | mode};
  };
  const auto file = [](uid_t owner, gid_t group) {
    return FileStatus{.owner = owner, .group = group, .mode = S_IFREG | 0600u};
  };
  for (const Row& row : {Row{directory(0, 8, 02775), file(1000, 8), 0660},     // /var/mail
                         Row{directory(0, 8, 02775), file(1000, 1000), 0600},  // not in the group
                         Row{directory(0, 0, 01777), file(1000, 1000), 0600},
                         Row{directory(0, 8, 0755), file(1000, 8), 0600},
                         Row{directory(1000, 100, 0775), file(1000, 100), 0600}}) {
    CHECK(mail_file_mode(row.directory, row.file) == row.mode);
  }
}

TEST_CASE("is_still_named sees a rename and a removal", "[store]") {
  Bed bed;
  put_file(bed.root / "jo", "mail");
  const auto file = bed.open();
  REQUIRE(file);
  CHECK(is_still_named(system_disk(), *file, bed.place) == true);
  put_file(bed.root / "other", "mail");
  fs::rename(bed.root / "other", bed.root / "jo");
  CHECK(is_still_named(system_disk(), *file, bed.place) == false);
  fs::remove(bed.root / "jo");
  CHECK(is_still_named(system_disk(), *file, bed.place) == false);
}
