#include "conf/scope.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "conf/show_config.h"
#include "support/catch.h"

using namespace pop;

namespace {

/// The system's disk, except that tests decide who owns what.
class ClaimingDisk final : public Disk {
 public:
  std::function<void(FileStatus&)> claim_file = [](FileStatus&) {};
  uid_t directory_owner = 0;

  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    return real_.open(directory, name, flags, mode);
  }
  Result<FileStatus> status(const Fd& file) override {
    Result<FileStatus> status = real_.status(file);
    if (status) claim_file(*status);
    return status;
  }
  Result<FileStatus> status(int directory, const std::string& name) override {
    Result<FileStatus> status = real_.status(directory, name);
    if (status) status->owner = directory_owner;
    return status;
  }
  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override {
    return real_.read(file, buffer, offset);
  }

  // A reader of options has no business with these.
  Result<Fd> open_unnamed(int, mode_t) override { return refused(); }
  Result<void> write(const Fd&, std::string_view, FileBytes) override { return refused(); }
  Result<void> copy(const Fd&, FileBytes, const Fd&, FileBytes, FileBytes) override {
    return refused();
  }
  Result<void> reserve(const Fd&, FileBytes) override { return refused(); }
  Result<void> truncate(const Fd&, FileBytes) override { return refused(); }
  Result<void> sync(const Fd&) override { return refused(); }
  Result<void> sync_directory(int) override { return refused(); }
  Result<void> rename(int, const std::string&, const std::string&) override { return refused(); }
  Result<void> list(int, const VisitName&) override { return refused(); }
  Result<void> move(int, const std::string&, int, const std::string&) override { return refused(); }
  Result<void> exchange(int, const std::string&, const std::string&) override { return refused(); }
  Result<void> remove_directory(int, const std::string&) override { return refused(); }
  Result<void> link(int, const std::string&, const std::string&) override { return refused(); }
  Result<void> remove(int, const std::string&) override { return refused(); }
  Result<void> make_directory(int, const std::string&, mode_t) override { return refused(); }
  Result<void> set_owner(const Fd&, uid_t, gid_t) override { return refused(); }
  Result<void> set_mode(const Fd&, mode_t) override { return refused(); }
  Result<CopiedAttributes> copy_attributes(const Fd&, const Fd&) override { return refused(); }
  Result<void> set_times(const Fd&, timespec, timespec) override { return refused(); }
  Result<void> touch(const Fd&) override { return refused(); }

 private:
  static std::unexpected<Error> refused() { return fail(Errc::denied, "options are only read"); }
  Disk& real_ = system_disk();
};

constexpr uid_t jo = 1000, mia = 1001, postmaster = 8;

/// A directory that goes with the test.
struct TestDirectory {
  std::string path = "/tmp/popper-scope-test-XXXXXX";
  Fd descriptor;
  TestDirectory() {
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    descriptor = Fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    REQUIRE(descriptor.is_open());
  }
  ~TestDirectory() { std::filesystem::remove_all(path); }
  [[nodiscard]] UserDirectory as_user_directory() const { return {descriptor.get(), path}; }
  void write(const std::string& name, std::string_view content, mode_t mode = 0644) const {
    std::ofstream{path + "/" + name} << content;
    REQUIRE(::chmod((path + "/" + name).c_str(), mode) == 0);
  }
};

constexpr const char* home_name = ".qpopper-options";
constexpr const char* spool_name = ".jo.qpopper-options";

std::string outcome(const Checked<void>& applied, const std::string& directory) {
  if (applied) return "";
  std::string text;
  for (const Complaint& one : applied.error()) text += to_string(one) + "\n";
  for (std::size_t at; (at = text.find(directory)) != std::string::npos;) {
    text.replace(at, directory.size(), "DIR");
  }
  return text;
}

/// Applies jo's home file as if `owner` owned it with these permissions.
std::string home_outcome(const TestDirectory& home, uid_t owner, mode_t mode = 0644) {
  ClaimingDisk disk;
  disk.claim_file = [=](FileStatus& status) {
    status.owner = owner;
    status.mode = (status.mode & ~mode_t{0777}) | mode;
  };
  Configuration configuration;
  return outcome(apply_home_file(configuration, disk, home.as_user_directory(), jo), home.path);
}

std::string spool_outcome(const TestDirectory& spool, uid_t owner, uid_t directory_owner = 0,
                          mode_t mode = 0644) {
  ClaimingDisk disk;
  disk.directory_owner = directory_owner;
  disk.claim_file = [=](FileStatus& status) {
    status.owner = owner;
    status.mode = (status.mode & ~mode_t{0777}) | mode;
  };
  Configuration configuration;
  return outcome(apply_spool_file(configuration, disk, spool.as_user_directory(), "jo", jo),
                 spool.path);
}

}  // namespace

TEST_CASE("No per-user file is no complaint", "[conf][scope]") {
  const TestDirectory directory;
  CHECK(home_outcome(directory, jo) == "");
  CHECK(spool_outcome(directory, 0) == "");
}

TEST_CASE("A home file sets what it may, and is remembered as the origin", "[conf][scope]") {
  const TestDirectory home;
  home.write(home_name, "set server-mode\nset timeout = 33\n");
  ClaimingDisk disk;
  disk.claim_file = [](FileStatus& status) { status.owner = jo; };
  Configuration configuration;
  REQUIRE(apply_home_file(configuration, disk, home.as_user_directory(), jo));
  CHECK(configuration.settings.server_mode);
  CHECK(configuration.settings.timeout == std::chrono::seconds{33});
  CHECK(to_string(configuration.origins[index_of(option_named("timeout"))]) ==
        home.path + "/.qpopper-options:2:5");
}

TEST_CASE("A home file with any mistake changes nothing", "[conf][scope]") {
  const TestDirectory home;
  home.write(home_name, "set server-mode\nset spool-dir = /etc\nset uid-format = qpopper\nset x\n");
  ClaimingDisk disk;
  disk.claim_file = [](FileStatus& status) { status.owner = jo; };
  Configuration configuration;
  const Checked<void> applied = apply_home_file(configuration, disk, home.as_user_directory(), jo);
  CHECK(outcome(applied, home.path) ==
        "DIR/.qpopper-options:4:5: unknown option \"x\"\n"
        "DIR/.qpopper-options:2:5: spool-dir may not be set in a per-user file\n"
        "DIR/.qpopper-options:3:5: uid-format may not be set in a user's own file, only in the "
        "spool directory's\n");
  CHECK(differing_options(configuration.settings, Settings{}).empty());
}

TEST_CASE("The home file is the user's or root's, and not everybody's", "[conf][scope]") {
  const TestDirectory home;
  home.write(home_name, "set server-mode\n");
  CHECK(home_outcome(home, jo) == "");
  CHECK(home_outcome(home, 0) == "");
  CHECK(home_outcome(home, jo, 0664) == "");
  CHECK(home_outcome(home, mia) ==
        "DIR/.qpopper-options: owned by uid 1001, which may not set these options\n");
  CHECK(home_outcome(home, jo, 0666) ==
        "DIR/.qpopper-options: others than its owner may write it\n");
}

TEST_CASE("The spool file is out of the user's reach", "[conf][scope]") {
  const TestDirectory spool;
  spool.write(spool_name, "set server-mode\nset uid-format = qpopper\n");
  const std::string by_jo =
      "DIR/.jo.qpopper-options: owned by uid 1000, which may not set these options\n";
  const std::string writable = "DIR/.jo.qpopper-options: others than its owner may write it\n";
  CHECK(spool_outcome(spool, 0) == "");
  CHECK(spool_outcome(spool, postmaster, postmaster) == "");
  CHECK(spool_outcome(spool, 0, postmaster) == "");
  CHECK(spool_outcome(spool, jo) == by_jo);
  CHECK(spool_outcome(spool, jo, jo) == by_jo);
  CHECK(spool_outcome(spool, 0, jo) == "");
  CHECK(spool_outcome(spool, mia) ==
        "DIR/.jo.qpopper-options: owned by uid 1001, which may not set these options\n");
  CHECK(spool_outcome(spool, 0, 0, 0664) == writable);
  CHECK(spool_outcome(spool, 0, 0, 0646) == writable);
  CHECK(spool_outcome(spool, 0, 0, 0640) == "");
}

TEST_CASE("The spool file has the last word over the home file", "[conf][scope]") {
  const TestDirectory home, spool;
  home.write(home_name, "set timeout = 1\nset debug\n");
  spool.write(spool_name, "set timeout = 2\n");
  ClaimingDisk disk;
  disk.claim_file = [](FileStatus& status) { status.owner = 0; };
  Configuration configuration;
  REQUIRE(apply_home_file(configuration, disk, home.as_user_directory(), jo));
  REQUIRE(apply_spool_file(configuration, disk, spool.as_user_directory(), "jo", jo));
  CHECK(configuration.settings.timeout == std::chrono::seconds{2});
  CHECK(configuration.settings.debug);
}

TEST_CASE("What is not one plain file is refused", "[conf][scope]") {
  const TestDirectory home;
  const std::string path = home.path + "/" + home_name;
  SECTION("symbolic link") {
    home.write("elsewhere", "set server-mode\n");
    std::filesystem::create_symlink("elsewhere", path);
    const std::string refused = home_outcome(home, jo);
    CHECK(refused.starts_with("DIR/.qpopper-options: "));
    CHECK(!refused.empty());
  }
  SECTION("second hard link") {
    home.write("elsewhere", "set server-mode\n");
    std::filesystem::create_hard_link(home.path + "/elsewhere", path);
    CHECK(home_outcome(home, jo) == "DIR/.qpopper-options: has more than one link\n");
  }
  SECTION("directory") {
    std::filesystem::create_directory(path);
    CHECK(home_outcome(home, jo) == "DIR/.qpopper-options: not a regular file\n");
  }
  SECTION("fifo without a writer does not hang") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(home_outcome(home, jo) == "DIR/.qpopper-options: not a regular file\n");
  }
}

TEST_CASE("A per-user file may be 64 KiB and not a byte more", "[conf][scope]") {
  const TestDirectory home;
  home.write(home_name, "#" + std::string(largest_user_file.count - 1, 'x'));
  CHECK(home_outcome(home, jo) == "");
  home.write(home_name, "#" + std::string(largest_user_file.count, 'x'));
  CHECK(home_outcome(home, jo) == "DIR/.qpopper-options: larger than 65536 bytes\n");
}

TEST_CASE("A file that grew after it was looked at is refused", "[conf][scope]") {
  const TestDirectory home;
  home.write(home_name, "#" + std::string(largest_user_file.count, 'x'));
  ClaimingDisk disk;
  disk.claim_file = [](FileStatus& status) {
    status.owner = jo;
    status.size = FileBytes{10};
  };
  Configuration configuration;
  CHECK(outcome(apply_home_file(configuration, disk, home.as_user_directory(), jo), home.path) ==
        "DIR/.qpopper-options: grew while it was read\n");
}

TEST_CASE("Files named by a per-user file keep its rules", "[conf][scope]") {
  const TestDirectory home;
  home.write(home_name, "set config-file = more\n");
  SECTION("good") {
    home.write("more", "set timeout = 4\n");
    CHECK(home_outcome(home, jo) == "");
  }
  SECTION("a start-up option in it") {
    home.write("more", "set temp-dir = /tmp\n");
    CHECK(home_outcome(home, jo) == "DIR/more:1:5: temp-dir may not be set in a per-user file\n");
  }
  SECTION("owned by another") {
    home.write("more", "set timeout = 4\n");
    ClaimingDisk disk;
    int looked_at = 0;
    disk.claim_file = [&](FileStatus& status) { status.owner = ++looked_at == 1 ? jo : mia; };
    Configuration configuration;
    CHECK(outcome(apply_home_file(configuration, disk, home.as_user_directory(), jo), home.path) ==
          "DIR/.qpopper-options:1:5: DIR/more: owned by uid 1001, which may not set these "
          "options\n");
  }
  SECTION("itself") {
    home.write(home_name, "set config-file = .qpopper-options\n");
    CHECK(home_outcome(home, jo) ==
          "DIR/.qpopper-options:1:5: config-file goes in a circle: DIR/.qpopper-options -> "
          "DIR/.qpopper-options\n");
  }
}

TEST_CASE("A user name cannot lead out of the spool directory", "[conf][scope]") {
  const TestDirectory spool;
  ClaimingDisk disk;
  Configuration configuration;
  for (const char* name : {"", "../jo", "a/b"}) {
    CHECK(!apply_spool_file(configuration, disk, spool.as_user_directory(), name, jo));
  }
}
