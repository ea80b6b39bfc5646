#include "popbull/popbull.h"

#include <algorithm>

#include "bull/seen_database.h"
#include "support/catch.h"
#include "support/temporary_directory.h"
#include "support/tool_streams.h"

namespace pop {
namespace {

using Catch::Matchers::Contains;

const std::string message =
    "From a Thu Jan  1 00:00:00 1970\nFrom: a@b\nSubject: x\nDate: Thu, 1 Jan 1970 00:00:00 "
    "+0000\n";

/// A directory of bulletins and nobody to get them.
class Site {
 public:
  Site() {
    test::put_file(directory_ / "nobody", "");
    std::filesystem::create_directory(directory_ / "bulls");
    settings_.bulldir = directory_ / "bulls";
    settings_.auth_file = directory_ / "nobody";
    settings_.credential_file = directory_ / "none";
  }
  void put(std::string_view name, const std::string& content) const {
    test::put_file(settings_.bulldir / name, content);
  }
  [[nodiscard]] Settings& settings() { return settings_; }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{settings_.bulldir}) {
      std::string name = entry.path().filename();
      if (!name.starts_with('.')) names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    return names;
  }

  struct Outcome {
    ExitStatus status;
    std::string out, err;
  };
  template <class Verb, class Arguments>
  [[nodiscard]] Outcome run(Verb verb, const Arguments& arguments, const ToolFlags& flags = {},
                            std::string_view input = "") const {
    const test::ToolStreams streams{input};
    Terminal terminal{"popbull", streams.streams()};
    Result<BulletinDirectory> directory = BulletinDirectory::open(system_disk(), settings_.bulldir);
    REQUIRE(directory);
    const BulletinSite site{.settings = settings_,
                            .disk = system_disk(),
                            .clock = system_clock(),
                            .directory = std::move(*directory)};
    const ExitStatus status = verb(arguments, site, {.flags = flags, .terminal = terminal});
    REQUIRE(terminal.flush());
    return {status, streams.out(), streams.err()};
  }

 private:
  test::TemporaryDirectory directory_;
  Settings settings_;
};

PublishArguments subject(std::string text) {
  PublishArguments arguments;
  arguments.subject = std::move(text);
  return arguments;
}

TEST_CASE("A bulletin gets the next number, above what was ever used", "[popbull]") {
  const Site site;
  site.put("3.ALL.x", message + "\nx\n");
  site.put("retracted.9.ALL.x", message + "\nx\n");
  const auto [status, out, err] = site.run(run_publish, subject("Löwe"), {}, "text\n");
  CHECK(err.empty());
  CHECK(status == ExitStatus::ok);
  CHECK_THAT(out, Contains("10 "));
  REQUIRE(site.names().size() == 3);
  CHECK(site.names()[0].starts_with("00010.ALL.L"));
}

TEST_CASE("A database's record of a number that was never given uses none up", "[popbull]") {
  Site site;
  site.put("3.ALL.x", message + "\nx\n");
  site.settings().bulldb = site.settings().bulldir / "bulldb";
  const SeenDatabase database{system_disk(), system_clock(), site.settings().bulldb, 3};
  REQUIRE(database.raise({{"jo", {highest_bulletin_number, {}}}, {"ann", {5, {}}}}));
  const auto [status, out, err] = site.run(run_publish, subject("x"), {}, "text\n");
  CHECK(status == ExitStatus::ok);
  CHECK_THAT(out, Contains("00006.ALL.x"));
  CHECK_THAT(err, Contains("the number of jo, 9223372036854775807, which was never given"));
}

TEST_CASE("A list of users that cannot be read publishes nothing", "[popbull]") {
  Site site;
  site.settings().auth_file = "/nowhere/at/all";
  const auto [status, out, err] = site.run(run_publish, subject("x"), {}, "text\n");
  CHECK(status != ExitStatus::ok);
  CHECK_THAT(err, Contains("/nowhere/at/all"));
  CHECK(site.names().empty());
}

TEST_CASE("A damaged note of the last number publishes nothing", "[popbull]") {
  const Site site;
  site.put(".last-number", "rubbish");
  const auto [status, out, err] = site.run(run_publish, subject("x"), {}, "text\n");
  CHECK(status == ExitStatus::data);
  CHECK_THAT(err, Contains(".last-number"));
  CHECK(site.names().empty());
  CHECK(site.run(run_check, NoArguments{}).status == ExitStatus::found);
}

TEST_CASE("A group's bulletin is refused where it would go to everybody", "[popbull]") {
  Site site;
  PublishArguments arguments = subject("x");
  arguments.group = "root";
  CHECK(site.run(run_publish, arguments, {}, "text\n").status == ExitStatus::usage);
  site.settings().group_bulletins = true;
  CHECK(site.run(run_publish, arguments, {}, "text\n").status == ExitStatus::ok);
  CHECK(site.names() == std::vector<std::string>{"00001.root.x"});
  arguments.group = "no-such-group";
  CHECK(site.run(run_publish, arguments, {}, "text\n").status == ExitStatus::usage);
}

TEST_CASE("What a bulletin holds cannot steer who lists it", "[popbull]") {
  const Site site;
  site.put("1.ALL.x\033[2J", "From a Thu Jan  1 00:00:00 1970\nSubject: \033]0;x\n\nx\n");
  site.put("2.ALL.x", "From a Thu Jan  1 00:00:00 1970\nno\033[2Jfield\n\nx\n");
  for (const auto& verb : {run_list, run_check}) {
    const auto [status, out, err] = site.run(verb, NoArguments{});
    CHECK(out.find('\033') == std::string::npos);
    CHECK(err.find('\033') == std::string::npos);
    CHECK_FALSE(out.empty());
  }
}

TEST_CASE("A retracted bulletin can be shown, and not be retracted again", "[popbull]") {
  const Site site;
  site.put("1.ALL.x", message + "\nx\n");
  CHECK(site.run(run_retract, NumberArguments{{"1"}}).status == ExitStatus::ok);
  CHECK(site.names() == std::vector<std::string>{"retracted.1.ALL.x"});
  CHECK(site.run(run_show, NumberArguments{{"1"}}).out == message + "\nx\n");
  const auto [status, out, err] = site.run(run_retract, NumberArguments{{"1"}});
  CHECK(status == ExitStatus::no_input);
  CHECK_THAT(err, Contains("was retracted"));
}

TEST_CASE("Two files of one number are told, and neither is taken for the other", "[popbull]") {
  const Site site;
  site.put("1.ALL.x", message + "\nx\n");
  site.put("00001.ALL.y", message + "\ny\n");
  CHECK(site.run(run_show, NumberArguments{{"1"}}).status == ExitStatus::data);
  CHECK(site.run(run_retract, NumberArguments{{"1"}}).status == ExitStatus::data);
  const auto [status, out, err] = site.run(run_check, NoArguments{});
  CHECK(status == ExitStatus::found);
  CHECK_THAT(out, Contains("has the number of"));
}

}  // namespace
}  // namespace pop
