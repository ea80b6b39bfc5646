#include "daemon/pid_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;
using test::TemporaryDirectory;

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream stream{path};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

void write(const std::filesystem::path& path, std::string_view content) {
  std::ofstream{path} << content;
}

}  // namespace

TEST_CASE("A pid file holds this process as long as it is taken", "[daemon]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "popper.pid";
  {
    const Result<PidFile> file = PidFile::take(path);
    REQUIRE(file);
    CHECK(content_of(path) == std::to_string(::getpid()) + "\n");
    struct stat st {};
    REQUIRE(::stat(path.c_str(), &st) == 0);
    CHECK((st.st_mode & 0777) == 0644);
    const Result<PidFile> second = PidFile::take(path);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::busy);
    CHECK(content_of(path) == std::to_string(::getpid()) + "\n");
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("A pid file that a crash left is taken over", "[daemon]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "popper.pid";
  write(path, "123456789\n");
  const Result<PidFile> file = PidFile::take(path);
  REQUIRE(file);
  CHECK(content_of(path) == std::to_string(::getpid()) + "\n");
}

TEST_CASE("A pid file does not take another file's place", "[daemon]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "precious",
                              link = directory.path() / "link";
  write(path, "root:x:0:0\n");
  std::filesystem::create_symlink(path, link);
  CHECK(PidFile::take(path).error().code == Errc::denied);
  CHECK_FALSE(PidFile::take(link));
  CHECK(content_of(path) == "root:x:0:0\n");
}

TEST_CASE("A pid file that somebody else put there later stays", "[daemon]") {
  const TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "popper.pid";
  {
    const Result<PidFile> file = PidFile::take(path);
    REQUIRE(file);
    std::filesystem::remove(path);
    write(path, "1\n");
  }
  CHECK(content_of(path) == "1\n");
}

TEST_CASE("No path is no pid file", "[daemon]") {
  const Result<PidFile> file = PidFile::take("");
  REQUIRE(file);
  CHECK(file->path().empty());
}
