#include "popper/site_check.h"

#include <sys/stat.h>

#include <filesystem>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

struct Site {
  Site() {
    fs::create_directory(directory / "spool");
    settings.spool_dir = directory / "spool";
    settings.auth_source = AuthSource::shadow;
    settings.max_connections = 1;
  }

  [[nodiscard]] std::string only_remark() const {
    const std::vector<std::string> remarks = what_is_missing(settings);
    REQUIRE(remarks.size() == 1);
    return remarks.front();
  }

  test::TemporaryDirectory directory;
  Settings settings;
};

bool starts_with(const std::string& text, const std::string& begin, const fs::path& path) {
  CAPTURE(text);
  return text.starts_with(begin + path.native());
}

TEST_CASE("A start said nothing of what was missing", "[popper][site]") {
  Site site;
  CHECK(what_is_missing(site.settings).empty());
  SECTION("the spool directory") {
    site.settings.spool_dir = site.directory / "none";
    CHECK(starts_with(site.only_remark(), "spool-dir: ", site.settings.spool_dir));
  }
  SECTION("a file in its place") {
    site.settings.spool_dir = site.directory / "file";
    test::put_file(site.settings.spool_dir, "");
    CHECK(site.only_remark().find("is no directory") != std::string::npos);
  }
  SECTION("the PAM service") {
    site.settings.auth_source = AuthSource::pam;
    site.settings.pam_service = "no-such-service-of-popper";
    if (fs::exists("/etc/pam.d")) {
      CHECK(starts_with(site.only_remark(), "pam-service: there is no ",
                        "/etc/pam.d/no-such-service-of-popper"));
    }
  }
  SECTION("the credential file") {
    site.settings.auth_source = AuthSource::credentials;
    site.settings.credential_file = site.directory / "none";
    const std::string remark = site.only_remark();
    CHECK(starts_with(remark, "credential-file: ", site.settings.credential_file));
    CHECK(remark.find("popauth init") != std::string::npos);
  }
  SECTION("files to open") {
    site.settings.max_connections = 1'000'000'000;
    CHECK(site.only_remark().starts_with("max-connections: 1000000000 "));
  }
}

TEST_CASE("A session program that nobody could execute", "[popper][site]") {
  Site site;
  CHECK(check_session_program(site.settings));
  site.settings.session_program = site.directory / "program";
  CHECK_FALSE(check_session_program(site.settings));
  test::put_file(site.settings.session_program, "");
  ::chmod(site.settings.session_program.c_str(), 0644);
  CHECK(check_session_program(site.settings).error().text.find("chmod +x") != std::string::npos);
  ::chmod(site.settings.session_program.c_str(), 0744);
  CHECK(check_session_program(site.settings));
  site.settings.session_program = site.directory.path();
  CHECK_FALSE(check_session_program(site.settings));
}

}  // namespace
}  // namespace pop
