#include "log/trace_sink.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <regex>
#include <sstream>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;
using test::TemporaryDirectory;

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream{path}.rdbuf();
  return text.str();
}

Result<Fd> open_own(const std::filesystem::path& path) {
  return open_trace_file(path, ::geteuid());
}

}  // namespace

TEST_CASE("TraceSink appends lines in the old shape", "[log][trace]") {
  const TemporaryDirectory directory;
  test::put_file(directory / "trace", "before\n");
  for (const Severity severity : {Severity::debug, Severity::critical}) {
    Result<Fd> file = open_own(directory / "trace");
    REQUIRE(file);
    TraceSink{std::move(*file), system_clock()}.write(severity, "login user=jo");
  }
  const std::string line = R"([A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{3} \d{4} \[)" +
                           std::to_string(::getpid()) + R"(\] login user=jo\n)";
  CHECK(std::regex_match(content_of(directory / "trace"), std::regex{"before\n" + line + line}));
}

TEST_CASE("A trace file that is missing is made for its owner only", "[log][trace]") {
  const TemporaryDirectory directory;
  REQUIRE(open_own(directory / "trace"));
  struct stat st {};
  REQUIRE(::stat((directory / "trace").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0600);
}

TEST_CASE("CVE-2005-1151: what could be somebody else's file is no trace file", "[log][trace]") {
  const TemporaryDirectory directory;
  test::put_file(directory / "precious", "");
  REQUIRE(::symlink("precious", (directory / "link").c_str()) == 0);
  REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
  CHECK_FALSE(open_own(directory / "link"));
  CHECK_FALSE(open_own(directory / "pipe"));
  CHECK_FALSE(open_own(directory.path()));
  CHECK_FALSE(open_own("/dev/null"));
  CHECK(open_trace_file(directory / "precious", ::geteuid() + 1).error().code == Errc::denied);
  REQUIRE(::link((directory / "precious").c_str(), (directory / "second").c_str()) == 0);
  CHECK(open_own(directory / "precious").error().code == Errc::denied);
}
