#include "store/maildrop_location.h"

#include <sys/stat.h>

#include "support/catch.h"
#include "support/child_process.h"
#include "support/forwarding_disk.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using namespace pop::test;

namespace fs = std::filesystem;

namespace {

struct Bed {
  Bed() {
    for (const char* name : {"spool", "home", "temp", "cache"}) fs::create_directory(root / name);
    settings.spool_dir = root / "spool";
    user = {.name = "maida", .uid = ::geteuid(), .gid = ::getegid(), .home = root / "home"};
  }
  MaildropLocation locate() {
    auto location = locate_maildrop(system_disk(), settings, user);
    INFO((location ? "" : location.error().text));
    REQUIRE(location);
    return std::move(*location);
  }
  Error refusal() {
    auto location = locate_maildrop(system_disk(), settings, user);
    REQUIRE(!location);
    return location.error();
  }
  std::string at(std::string_view relative) const { return (root / relative).native(); }

  TemporaryDirectory root;
  Settings settings;
  MailUser user;
};

/// Calls `looks` before every change of a directory's attributes and names.
class WatchedDisk final : public ForwardingDisk {
 public:
  explicit WatchedDisk(std::function<void()> looks)
      : ForwardingDisk{system_disk()}, looks_{std::move(looks)} {}

  Result<void> set_mode(const Fd& file, mode_t mode) override {
    looks_();
    if (refuses_modes) return fail(Errc::io, "set mode");
    return ForwardingDisk::set_mode(file, mode);
  }
  Result<void> move(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override {
    looks_();
    if (refuses_moves) return fail(Errc::denied, "move");
    return ForwardingDisk::move(from_directory, from, to_directory, to);
  }
  Result<void> sync_directory(int directory) override {
    looks_();
    return ForwardingDisk::sync_directory(directory);
  }

  bool refuses_modes = false, refuses_moves = false;

 private:
  std::function<void()> looks_;
};

}  // namespace

TEST_CASE("hash_directory gives the documents' examples", "[store]") {
  struct Row {
    std::int64_t method;
    const char* user;
    const char* directory;
  };
  for (const Row& row :
       {Row{0, "maida", ""}, Row{1, "maida", "o"}, Row{2, "maida", "m/a"}, Row{1, "maidaX", "o"},
        Row{1, "a", "t"}, Row{2, "a", "a/a"}, Row{2, "Ab", "A/b"}, Row{2, "j.doe", "j"},
        Row{2, ".x", "x"}, Row{1, "\xff", "v"}}) {
    CAPTURE(row.method, row.user);
    const auto hash = hash_directory(row.method, row.user);
    REQUIRE(hash);
    CHECK(hash->native() == row.directory);
  }
  for (const char* wrong : {"", ".", "..", "a/b", "/"}) {
    CAPTURE(wrong);
    CHECK(hash_directory(1, wrong).error().code == Errc::usage);
    CHECK(hash_directory(2, wrong).error().code == Errc::usage);
  }
  CHECK(hash_directory(3, "jo").error().code == Errc::usage);
  CHECK(hash_directory(-1, "jo").error().code == Errc::usage);
}

TEST_CASE("expand_file_name wants exactly one %s and a file name", "[store]") {
  CHECK(expand_file_name("temp-name", ".%s.pop", "jo") == ".jo.pop");
  CHECK(expand_file_name("temp-name", "%s", "jo") == "jo");
  for (const char* wrong : {"", ".pop", "%s%s", "%d", "%%s", "%s%", "a/%s", "%n%s", "../%s"}) {
    CAPTURE(wrong);
    const auto name = expand_file_name("temp-name", wrong, "jo");
    REQUIRE(!name);
    CHECK(name.error().code == Errc::usage);
    CHECK(name.error().text.starts_with("temp-name \""));
  }
}

TEST_CASE("Every file of a maildrop lies where the options say", "[store]") {
  Bed bed;
  struct Row {
    const char* what;
    std::function<void(Settings&, MailUser&)> set;
    const char *spool, *drop, *index, *journal;
  };
  const auto nothing = [](Settings&, MailUser&) {};
  const std::vector<Row> rows{
      {"defaults", nothing, "spool/maida", "spool/.maida.pop", "spool/.maida.cache",
       "spool/.maida.journal"},
      {"hash 1", [](Settings& s, MailUser&) { s.hash_spool = 1; }, "spool/o/maida",
       "spool/o/.maida.pop", "spool/o/.maida.cache", "spool/o/.maida.journal"},
      {"hash 2", [](Settings& s, MailUser&) { s.hash_spool = 2; }, "spool/m/a/maida",
       "spool/m/a/.maida.pop", "spool/m/a/.maida.cache", "spool/m/a/.maida.journal"},
      {"temp-dir", [&](Settings& s, MailUser&) { s.temp_dir = bed.root / "temp"; }, "spool/maida",
       "temp/.maida.pop", "temp/.maida.cache", "spool/.maida.journal"},
      {"hash and temp-dir",
       [&](Settings& s, MailUser&) {
         s.temp_dir = bed.root / "temp";
         s.hash_spool = 1;
       },
       "spool/o/maida", "temp/o/.maida.pop", "temp/o/.maida.cache", "spool/o/.maida.journal"},
      {"cache-dir", [&](Settings& s, MailUser&) { s.cache_dir = bed.root / "cache"; },
       "spool/maida", "spool/.maida.pop", "cache/.maida.cache", "spool/.maida.journal"},
      {"home-dir-mail", [](Settings& s, MailUser&) { s.home_dir_mail = ".mail"; }, "home/.mail",
       "home/.maida.pop", "home/.maida.cache", "home/.maida.journal"},
      {"home-dir-mail and hash",
       [](Settings& s, MailUser&) {
         s.home_dir_mail = ".mail";
         s.hash_spool = 1;
       },
       "home/o/.mail", "home/o/.maida.pop", "home/o/.maida.cache", "home/o/.maida.journal"},
      {"home-dir-misc goes before temp-dir and cache-dir",
       [&](Settings& s, MailUser&) {
         s.home_dir_misc = true;
         s.temp_dir = bed.root / "temp";
         s.cache_dir = bed.root / "cache";
       },
       "spool/maida", "home/.maida.pop", "home/.maida.cache", "spool/.maida.journal"},
      {"names",
       [](Settings& s, MailUser&) {
         s.temp_name = "%s.drop";
         s.cache_name = "idx-%s";
       },
       "spool/maida", "spool/maida.drop", "spool/idx-maida", "spool/.maida.journal"},
      {"own maildrop, never hashed",
       [&](Settings& s, MailUser& u) {
         s.hash_spool = 2;
         u.maildrop = bed.root / "home/box";
       },
       "home/box", "home/.box.pop", "home/.box.cache", "home/.box.journal"},
      {"own maildrop, drop elsewhere by the user's name",
       [&](Settings& s, MailUser& u) {
         s.temp_dir = bed.root / "temp";
         u.maildrop = bed.root / "home/box";
       },
       "home/box", "temp/.maida.pop", "temp/.maida.cache", "home/.box.journal"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const Settings plain = bed.settings;
    const MailUser nobody_special = bed.user;
    row.set(bed.settings, bed.user);
    const MaildropLocation location = bed.locate();
    CHECK(location.spool.path() == bed.at(row.spool));
    CHECK(location.drop.path() == bed.at(row.drop));
    CHECK(location.index.path() == bed.at(row.index));
    CHECK(location.journal.path() == bed.at(row.journal));
    CHECK(location.journal.in == location.spool.in);  // one fsync covers both
    CHECK(location.trash.in == location.spool.in);
    CHECK(location.uidl.in == location.spool.in);
    bed.settings = plain;
    bed.user = nobody_special;
  }
}

TEST_CASE("Wrong names and paths are refused before anything is opened", "[store]") {
  Bed bed;
  for (const std::string& wrong : {std::string{}, std::string{"."}, std::string{".."},
                                   std::string{"../root"}, std::string{"a\0b", 3}}) {
    bed.user.name = wrong;
    CHECK(bed.refusal().code == Errc::usage);
  }
  bed.user.name = "maida";
  bed.settings.cache_name = ".%s.pop";  // the drop's own name
  CHECK(bed.refusal().code == Errc::usage);
  bed.settings.cache_name = "%s";  // the spool's own name
  CHECK(bed.refusal().code == Errc::usage);
  bed.settings.cache_name = ".%s.cache";
  bed.settings.home_dir_mail = "../jo/.mail";
  CHECK(bed.refusal().code == Errc::usage);
  bed.settings.home_dir_mail = "/etc/passwd";
  CHECK(bed.refusal().code == Errc::usage);
  bed.settings.home_dir_mail.clear();
  bed.user.maildrop = "relative/box";
  CHECK(bed.refusal().code == Errc::usage);
  bed.user.maildrop = "/";
  CHECK(bed.refusal().code == Errc::usage);
  bed.user.maildrop.clear();
  bed.settings.spool_dir = bed.root / "nowhere";
  CHECK(bed.refusal().code == Errc::not_found);
}

TEST_CASE("temp-name or cache-name that gave the name of another file destroyed it", "[store]") {
  struct Row {
    const char *temp_name, *cache_name;
    const char* both;
  };
  for (const Row& row : {
           Row{".%s.x", ".%s.x", "temp-name \".%s.x\" and cache-name \".%s.x\""},
           Row{"%s", ".%s.cache", "temp-name \"%s\" and the spool"},
           Row{".%s.pop", "%s", "cache-name \"%s\" and the spool"},
           Row{"%s.lock", ".%s.cache", "temp-name \"%s.lock\" and the spool's lock"},
           Row{".%s.pop", ".%s.journal", "cache-name \".%s.journal\" and the journal"},
           Row{".%s.journal.new", ".%s.cache", "and the journal being written"},
           Row{".%s.trash", ".%s.cache", "and the trash"},
           Row{".%s.pop", ".%s.uidl", "and the imported unique-ids"},
           Row{".%s.pop", ".%s.retrieved", "and the times of retrieval"},
           Row{".%s.qpopper-options", ".%s.cache", "and the user's options file"},
       }) {
    CAPTURE(row.temp_name, row.cache_name);
    Bed bed;
    bed.settings.temp_name = row.temp_name;
    bed.settings.cache_name = row.cache_name;
    const Error error = bed.refusal();
    CHECK(error.code == Errc::usage);
    CHECK_THAT(error.text, Catch::Contains(row.both) && Catch::Contains(bed.at("spool/")));
    const auto at_start = check_file_names(bed.settings);
    REQUIRE(!at_start);
    CHECK_THAT(at_start.error().text, Catch::Contains(row.both) && Catch::Contains("USER"));
    // In a directory of their own the same names are fine, as long as the two of them differ.
    bed.settings.temp_dir = bed.root / "temp";
    bed.settings.cache_dir = bed.root / "cache";
    CHECK(check_file_names(bed.settings));
    (void)bed.locate();
  }
  CHECK(check_file_names(Settings{}));
}

TEST_CASE("One directory under two names let two files of a maildrop have one name", "[store]") {
  Bed bed;
  fs::create_directory_symlink(bed.root / "spool", bed.root / "link");
  bed.settings.cache_name = ".%s.pop";
  for (const char* way : {"link", "spool/", "spool/../spool", "cache/../link"}) {
    CAPTURE(way);
    bed.settings.cache_dir = bed.root / way;
    CHECK_THAT(bed.refusal().text, Catch::Contains("temp-name \".%s.pop\" and cache-name"));
  }
  bed.settings.cache_dir = bed.root / "cache";
  (void)bed.locate();
  bed.settings.temp_dir = bed.root / "link";
  bed.settings.temp_name = "%s";
  CHECK_THAT(bed.refusal().text, Catch::Contains("temp-name \"%s\" and the spool"));
}

TEST_CASE("An index in the place of an old drop was merged as if it were mail", "[store]") {
  Bed bed;
  bed.settings.home_dir_mail = ".mail";
  bed.settings.temp_name = "%s.drop";
  bed.settings.cache_dir = bed.root / "spool";
  bed.settings.cache_name = ".%s.pop";
  CHECK_THAT(bed.refusal().text, Catch::Contains("and the drop of check-old-spool-loc"));
  bed.settings.check_old_spool_loc = false;
  (void)bed.locate();
}

TEST_CASE("A missing directory is named together with the option and the remedy", "[store]") {
  Bed bed;
  const auto check_refusal = [&](const std::string& text) {
    const Error error = bed.refusal();
    CHECK(error.code == Errc::not_found);
    CHECK_THAT(error.text, Catch::Contains(text));
  };
  bed.settings.temp_dir = bed.root / "nowhere";
  check_refusal("temp-dir " + bed.at("nowhere") +
                " does not exist or is no directory: create it or set temp-dir");
  bed.settings.spool_dir = bed.root / "nowhere";
  check_refusal("spool-dir " + bed.at("nowhere") +
                " does not exist or is no directory: create it or set spool-dir");
  bed.user.home = bed.root / "nowhere";
  bed.settings.home_dir_mail = "mbox";
  check_refusal("directory " + bed.at("nowhere") + " does not exist or is no directory: create it");
}

TEST_CASE("Without a cache directory the maildrop is located without an index", "[store]") {
  Bed bed;
  bed.settings.cache_dir = bed.root / "nowhere";
  const MaildropLocation location = bed.locate();
  REQUIRE(location.remarks.size() == 1);
  CHECK_THAT(location.remarks[0],
             Catch::Contains("cache-dir " + bed.at("nowhere") + " does not exist"));
  CHECK(!system_disk().open(location.index.directory(), location.index.name, O_RDONLY));
  CHECK(!system_disk().open(location.index.directory(), location.index.name, O_RDWR | O_CREAT));
  bed.settings.hash_spool = 1;
  CHECK(make_hash_directories(system_disk(), bed.settings, bed.user));
  bed.settings.cache_dir = bed.root / "cache";
  CHECK(bed.locate().remarks.empty());
}

TEST_CASE("Missing hash directories get mode and group of the one above, whatever the umask",
          "[store]") {
  const RestoreUmask restore{::umask(0)};
  for (const mode_t mask : {0000u, 0777u, 0022u}) {
    Bed bed;
    ::umask(mask);
    bed.settings.hash_spool = 2;
    REQUIRE(::chmod(bed.at("spool").c_str(), 02775) == 0);
    if (::geteuid() == 0) REQUIRE(::chown(bed.at("spool").c_str(), 4711, 4712) == 0);
    REQUIRE(::chmod(bed.at("spool").c_str(), 02775) == 0);
    (void)bed.locate();
    for (const char* made : {"spool/m", "spool/m/a"}) {
      CAPTURE(mask, made);
      struct stat st {};
      REQUIRE(::stat(bed.at(made).c_str(), &st) == 0);
      CHECK((st.st_mode & 07777) == 02775);
      if (::geteuid() == 0) CHECK((st.st_uid == 4711 && st.st_gid == 4712));
    }
    ::umask(0022);
  }
}

TEST_CASE("Without check-hash-dir a missing hash directory is an error", "[store]") {
  Bed bed;
  bed.settings.hash_spool = 1;
  bed.settings.check_hash_dir = false;
  const Error error = bed.refusal();
  CHECK(error.code == Errc::not_found);
  CHECK(error.text.find(bed.at("spool/o")) != error.text.npos);
  CHECK(make_hash_directories(system_disk(), bed.settings, bed.user));
  CHECK(!fs::exists(bed.root / "spool/o"));
}

TEST_CASE("Many processes may make the same hash directories at once", "[store]") {
  Bed bed;
  bed.settings.hash_spool = 2;
  for (int round = 0; round < 20; ++round) {
    fs::remove_all(bed.root / "spool/m");
    std::vector<ChildProcess> children;
    for (int i = 0; i < 8; ++i) {
      children.emplace_back(
          [&] { return locate_maildrop(system_disk(), bed.settings, bed.user) ? 0 : 1; });
    }
    for (ChildProcess& child : children) CHECK(child.wait() == 0);
  }
}

TEST_CASE("Nobody finds a hash directory before its users may write to it", "[store]") {
  const RestoreUmask restore{::umask(022)};
  Bed bed;
  bed.settings.hash_spool = 2;
  REQUIRE(::chmod(bed.at("spool").c_str(), 02775) == 0);
  std::size_t unfinished = 0, looks = 0;
  WatchedDisk disk{[&] {
    ++looks;
    for (const char* made : {"spool/m", "spool/m/a"}) {
      struct stat st {};
      if (::stat(bed.at(made).c_str(), &st) == 0 && (st.st_mode & 07777) != 02775) ++unfinished;
    }
  }};
  CHECK(make_hash_directories(disk, bed.settings, bed.user));
  CHECK(looks > 4);
  CHECK(unfinished == 0);
  CHECK(fs::exists(bed.root / "spool/m/a"));
}

TEST_CASE("A hash directory that cannot be finished is not left behind", "[store]") {
  Bed bed;
  bed.settings.hash_spool = 1;
  WatchedDisk disk{[] {}};
  disk.refuses_modes = true;
  CHECK(!make_hash_directories(disk, bed.settings, bed.user));
  CHECK(fs::is_empty(bed.root / "spool"));
}

TEST_CASE("Where nothing moves without replacing, hash directories are made all the same",
          "[store]") {
  Bed bed;
  bed.settings.hash_spool = 2;
  WatchedDisk disk{[] {}};
  disk.refuses_moves = true;
  CHECK(make_hash_directories(disk, bed.settings, bed.user));
  CHECK(fs::exists(bed.root / "spool/m/a"));
  CHECK(make_hash_directories(disk, bed.settings, bed.user));
}

TEST_CASE("A user does not come to own a shared hash directory", "[store]") {
  if (::geteuid() != 0) {
    WARN("needs root to become another user: not run");
    return;
  }
  Bed bed;
  REQUIRE(::chmod(bed.root.path().c_str(), 0755) == 0);
  REQUIRE(::chmod(bed.at("spool").c_str(), 01777) == 0);
  bed.settings.hash_spool = 1;
  const auto as_user = [&](const std::function<int()>& body) {
    ChildProcess child{[&] {
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 90;
      return body();
    }};
    return child.wait();
  };
  const auto locates = [&] {
    const auto location = locate_maildrop(system_disk(), bed.settings, bed.user);
    return location ? 0 : 1 + static_cast<int>(location.error().code);
  };
  CHECK(as_user(locates) == 1 + static_cast<int>(Errc::denied));
  CHECK(!fs::exists(bed.root / "spool/o"));
  CHECK(make_hash_directories(system_disk(), bed.settings, bed.user));
  CHECK(as_user(locates) == 0);

  // A link planted where the hash directory should be is not followed.
  fs::remove(bed.root / "spool/o");
  fs::create_directory_symlink(bed.root / "home", bed.root / "spool/o");
  CHECK(as_user(locates) == 0);  // the administrator's own link
  REQUIRE(::lchown(bed.at("spool/o").c_str(), 65534, 65534) == 0);
  CHECK(as_user(locates) == 1 + static_cast<int>(Errc::denied));
}

TEST_CASE("check-old-spool-loc looks into the plain spool directory", "[store]") {
  Bed bed;
  CHECK(!bed.locate().old_drop);  // no hashing: it is the drop itself
  bed.settings.hash_spool = 1;
  REQUIRE(bed.locate().old_drop);
  CHECK(bed.locate().old_drop->path() == bed.at("spool/.maida.pop"));
  bed.settings.hash_spool = 0;
  bed.settings.home_dir_mail = ".mail";
  REQUIRE(bed.locate().old_drop);
  bed.settings.check_old_spool_loc = false;
  CHECK(!bed.locate().old_drop);
  bed.settings.check_old_spool_loc = true;
  bed.settings.spool_dir = bed.root / "nowhere";
  CHECK(!bed.locate().old_drop);
}
