#include "auth/account_rules.h"

#include <sys/stat.h>

#include "support/catch.h"
#include "support/recording_sink.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;

bool is_listed(UserList& list, std::string_view user) {
  const Result<bool> listed = list.contains(user);
  REQUIRE(listed);
  return *listed;
}

TEST_CASE("A list names users exactly, also in its last line without an end", "[auth][rules]") {
  const TemporaryDirectory directory;
  test::put_file(directory / "list", "maida\n\nJo\r\n# al\nrandy");
  UserList list{directory / "list"};
  for (const char* user : {"maida", "Jo", "randy", "# al"}) CHECK(is_listed(list, user));
  for (const char* user : {"", "mai", "maidaa", "jo", "rand", "randy\n", "al", "maida\n"}) {
    CAPTURE(user);
    CHECK_FALSE(is_listed(list, user));
  }
}

TEST_CASE("A list that has changed is read again", "[auth][rules]") {
  const TemporaryDirectory directory;
  const fs::path file = directory / "list";
  test::put_file(file, "jo\n");
  UserList list{file};
  CHECK(is_listed(list, "jo"));
  SECTION("written at once, as long as before") {
    test::put_file(file, "al\n");
    CHECK(is_listed(list, "al"));
    CHECK_FALSE(is_listed(list, "jo"));
  }
  SECTION("replaced") {
    test::put_file(directory / "new", "al\n");
    fs::rename(directory / "new", file);
    CHECK(is_listed(list, "al"));
    CHECK_FALSE(is_listed(list, "jo"));
  }
  SECTION("removed, and there again") {
    fs::remove(file);
    CHECK(list.contains("jo").error().code == Errc::not_found);
    test::put_file(file, "jo\n");
    CHECK(is_listed(list, "jo"));
  }
}

TEST_CASE("What is no regular file is no list, and holds nobody up", "[auth][rules]") {
  const TemporaryDirectory directory;
  REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
  UserList pipe{directory / "pipe"}, folder{directory.path()}, missing{directory / "none"};
  CHECK(pipe.contains("jo").error().code == Errc::denied);
  CHECK(folder.contains("jo").error().code == Errc::denied);
  CHECK(missing.contains("jo").error().code == Errc::not_found);
}

struct Site {
  TemporaryDirectory directory;
  test::RecordingSink::Lines lines;
  Log log{std::make_unique<test::RecordingSink>(lines), Severity::debug};
  Settings settings;

  AccountRules rules() { return AccountRules{settings, &log}; }
};

TEST_CASE("auth-file lets in whom it lists, nonauth-file refuses them", "[auth][rules]") {
  Site site;
  test::put_file(site.directory / "allowed", "jo\nal\n");
  test::put_file(site.directory / "refused", "al\n");
  CHECK(site.rules().check_name("eve"));
  site.settings.auth_file = site.directory / "allowed";
  CHECK(site.rules().check_name("al"));
  CHECK(site.rules().check_name("eve").error().text == "not listed in auth-file");
  site.settings.nonauth_file = site.directory / "refused";
  CHECK(site.rules().check_name("jo"));
  CHECK(site.rules().check_name("al").error().text == "listed in nonauth-file");
  CHECK(site.lines.empty());
}

TEST_CASE("Without its auth-file nobody gets in", "[auth][rules]") {
  Site site;
  site.settings.auth_file = site.directory / "allowed";
  AccountRules rules = site.rules();
  for (int i = 0; i < 3; ++i) CHECK_FALSE(rules.check_name("jo"));
  REQUIRE(site.lines.size() == 1);  // said once, not at each login
  CHECK(site.lines[0].first == Severity::error);
  CHECK(site.lines[0].second.starts_with("auth-file: "));
  CHECK(site.lines[0].second.ends_with("; nobody can log in until it can be read"));
  test::put_file(site.directory / "allowed", "jo\n");
  CHECK(rules.check_name("jo"));
  fs::remove(site.directory / "allowed");
  CHECK_FALSE(rules.check_name("jo"));
  CHECK(site.lines.size() == 2);  // it is news again
}

TEST_CASE("Taking nonauth-file away let in whom it listed", "[auth][rules]") {
  Site site;
  const fs::path file = site.directory / "refused";
  test::put_file(file, "jo\n");
  site.settings.nonauth_file = file;
  AccountRules rules = site.rules();
  SECTION("renamed") {
    fs::rename(file, site.directory / "elsewhere");
  }
  SECTION("replaced by a directory") {
    fs::remove(file);
    fs::create_directory(file);
  }
  for (int i = 0; i < 3; ++i) {
    CHECK(rules.check_name("jo").error().code == Errc::denied);
    CHECK(rules.check_name("al"));
  }
  REQUIRE(site.lines.size() == 1);
  CHECK(site.lines[0].second.starts_with("nonauth-file: "));
  CHECK(site.lines[0].second.find("stays refused") != std::string::npos);
  fs::remove_all(file);
  test::put_file(file, "al\n");
  CHECK(rules.check_name("jo"));
  CHECK(rules.check_name("al").error().code == Errc::denied);
}

TEST_CASE("A nonauth-file that could never be read let everybody in", "[auth][rules]") {
  Site site;
  site.settings.nonauth_file = site.directory / "refused";
  AccountRules rules = site.rules();
  for (int i = 0; i < 3; ++i) CHECK(rules.check_name("jo").error().code == Errc::io);
  REQUIRE(site.lines.size() == 1);
  CHECK(site.lines[0].second.ends_with("; nobody can log in until it can be read"));
  test::put_file(site.directory / "refused", "al\n");
  CHECK(rules.check_name("jo"));
}

TEST_CASE("A start with a list that cannot be read names option, file and remedy",
          "[auth][rules]") {
  Site site;
  CHECK(check_account_lists(site.settings));
  test::put_file(site.directory / "allowed", "jo\n");
  site.settings.auth_file = site.directory / "allowed";
  CHECK(check_account_lists(site.settings));
  site.settings.nonauth_file = site.directory.path();
  const Result<void> good = check_account_lists(site.settings);
  REQUIRE_FALSE(good);
  CHECK(good.error().text.starts_with("nonauth-file: " + site.directory.path().native()));
  CHECK(good.error().text.ends_with("or reset nonauth-file"));
}

TEST_CASE("Users of the system itself stay out, and root whatever is set", "[auth][rules]") {
  Site site;
  for (const uid_t uid : {0U, 1U, 10U}) CHECK_FALSE(site.rules().check_uid(uid));
  for (const uid_t uid : {11U, 1000U, 4294967294U}) CHECK(site.rules().check_uid(uid));
  CHECK(site.rules().check_uid(10).error().text == "access is blocked for UIDs up to 10");
  site.settings.block_uid = -1;
  CHECK(site.rules().check_uid(1));
  CHECK(site.rules().check_uid(0).error().code == Errc::denied);
}

}  // namespace
}  // namespace pop
