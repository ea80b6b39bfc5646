#include "tool/run_tool.h"

#include <fcntl.h>
#include <stdlib.h>

#include <stdexcept>

#include "support/catch.h"
#include "support/temporary_directory.h"
#include "support/tool_streams.h"

namespace pop {
namespace {

/// What the subcommand was told.
struct Seen {
  ToolFlags flags;
  bool loud = false;
  std::optional<std::string> color;
  std::vector<std::string> shapes;
  std::vector<std::string> names;
  bool ran = false;
};

Tool tool_with(Seen& seen, std::function<ExitStatus(const ToolRun&)> work) {
  return {.name = "tool",
          .help = "Tries things",
          .subcommands = {
              {.name = "try",
               .help = "Try something",
               .declare =
                   [&seen](Arguments& arguments) {
                     arguments.flag("--loud", seen.loud, "Be loud");
                     arguments.option("--color", seen.color, "NAME", "Paint it");
                     arguments.repeated("--shape", seen.shapes, "NAME", "Form it");
                     arguments.operands("THING", seen.names, Arguments::Count::any, "Things");
                   },
               .run =
                   [&seen, work](const ToolRun& run) {
                     seen.ran = true;
                     seen.flags = run.flags;
                     return work(run);
                   }},
              {.name = "one",
               .help = "Take exactly one",
               .declare =
                   [&seen](Arguments& arguments) {
                     arguments.operands("THING", seen.names, Arguments::Count::one, "The thing");
                   },
               .run = [](const ToolRun&) { return ExitStatus::ok; }}}};
}

struct Outcome {
  ExitStatus status;
  std::string out, err;
  Seen seen;
};

Outcome outcome_of(
    std::vector<std::string> arguments, const std::function<ExitStatus(const ToolRun&)>& work =
                                            [](const ToolRun&) { return ExitStatus::ok; }) {
  const test::ToolStreams streams;
  Terminal terminal{"tool", streams.streams()};
  Seen seen;
  const ExitStatus status = run_tool(tool_with(seen, work), std::move(arguments), terminal);
  return {status, streams.out(), streams.err(), seen};
}

TEST_CASE("Shared flags mean the same before and after the subcommand", "[tool]") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"-n", "--json", "-v", "-f", "x.toml", "try"},
        std::vector<std::string>{"try", "--dry-run", "--json", "--verbose", "--config", "x.toml"},
        std::vector<std::string>{"try", "-nv", "--json", "--config=x.toml"}}) {
    const Outcome outcome = outcome_of(arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.status == ExitStatus::ok);
    CHECK(outcome.seen.flags.mode == RunMode::dry_run);
    CHECK(outcome.seen.flags.form == OutputForm::json);
    CHECK(outcome.seen.flags.verbosity == Verbosity::verbose);
    CHECK(outcome.seen.flags.config_file == "x.toml");
  }
  const Outcome plain = outcome_of({"try"});
  CHECK(plain.seen.flags.mode == RunMode::real);
  CHECK(plain.seen.flags.form == OutputForm::text);
  CHECK(plain.seen.flags.verbosity == Verbosity::normal);
  CHECK_FALSE(plain.seen.flags.config_file);
  CHECK(outcome_of({"-q", "try"}).seen.flags.verbosity == Verbosity::quiet);
}

TEST_CASE("A subcommand gets its own arguments", "[tool]") {
  const Outcome outcome = outcome_of({"try", "a", "--loud", "--color", "red", "b"});
  CHECK(outcome.status == ExitStatus::ok);
  CHECK(outcome.seen.loud);
  CHECK(outcome.seen.color == "red");
  CHECK(outcome.seen.names == std::vector<std::string>{"a", "b"});
  CHECK(outcome_of({"one", "--", "-c"}).seen.names == std::vector<std::string>{"-c"});
}

TEST_CASE("An option that may be repeated takes one value each time", "[tool]") {
  const Outcome outcome = outcome_of({"try", "--shape", "round", "ball", "--shape=flat", "disc"});
  REQUIRE(outcome.seen.ran);
  CHECK(outcome.seen.shapes == std::vector<std::string>{"round", "flat"});
  CHECK(outcome.seen.names == std::vector<std::string>{"ball", "disc"});
  CHECK(outcome_of({"try", "--shape"}).status == ExitStatus::usage);
}

TEST_CASE("What cannot be understood is a usage error of one line", "[tool]") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, std::vector<std::string>{"tr"},
        std::vector<std::string>{"try", "--lout"}, std::vector<std::string>{"try", "--color"},
        std::vector<std::string>{"one"}, std::vector<std::string>{"one", "a", "b"},
        std::vector<std::string>{"try", "--loud=yes"},
        std::vector<std::string>{"-q", "-v", "try"}}) {
    const Outcome outcome = outcome_of(arguments);
    CAPTURE(arguments, outcome.err);
    CHECK(outcome.status == ExitStatus::usage);
    CHECK_FALSE(outcome.seen.ran);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.starts_with("tool: "));
    CHECK(outcome.err.ends_with("; see tool --help\n"));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  }
}

TEST_CASE("Help and version are results", "[tool]") {
  for (const char* flag : {"-h", "--help"}) {
    const Outcome help = outcome_of({flag});
    CHECK(help.status == ExitStatus::ok);
    CHECK(help.err.empty());
    CHECK(help.out.find("Tries things") != std::string::npos);
    CHECK(help.out.find("--dry-run") != std::string::npos);
    CHECK(help.out.find("Try something") != std::string::npos);
  }
  CHECK(outcome_of({"try", "--help"}).out.find("Paint it") != std::string::npos);
  for (const char* flag : {"-V", "--version"}) {
    CHECK(outcome_of({flag}).out == "tool " POPPER_VERSION "\n");
  }
}

TEST_CASE("Exceptions end in one place", "[tool]") {
  const Outcome outcome =
      outcome_of({"try"}, [](const ToolRun&) -> ExitStatus { throw std::logic_error("a bug"); });
  CHECK(outcome.status == ExitStatus::software);
  CHECK(outcome.err == "tool: internal error: a bug\n");
}

TEST_CASE("The status of the subcommand is the tool's, and errors know theirs", "[tool]") {
  CHECK(outcome_of({"try"}, [](const ToolRun&) { return ExitStatus::found; }).status ==
        ExitStatus::found);
  const Outcome outcome = outcome_of({"try"}, [](const ToolRun& run) {
    return give_up(run.terminal, Error{Errc::busy, "try it: locked"});
  });
  CHECK(outcome.status == ExitStatus::temp_fail);
  CHECK(outcome.err == "tool: try it: locked\n");
}

TEST_CASE("Results that cannot be written are a failure", "[tool]") {
  const Fd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
  REQUIRE(full.is_open());
  const test::ToolStreams streams;
  Terminal::Streams broken = streams.streams();
  broken.out = full.get();
  Terminal terminal{"tool", broken};
  Seen seen;
  const Tool tool = tool_with(seen, [](const ToolRun& run) {
    run.terminal.print("result\n");
    return ExitStatus::ok;
  });
  CHECK(run_tool(tool, {"try"}, terminal) == ExitStatus::io);
  CHECK(streams.err() == "tool: standard output: write: No space left on device\n");
}

TEST_CASE("The named configuration is read and all its errors are told", "[tool]") {
  const test::TemporaryDirectory directory;
  test::put_file(directory / "good.toml", "credential-file = \"/srv/credentials.gdbm\"\n");
  test::put_file(directory / "bad.toml", "no-such-option = 1\nauth-source = \"moon\"\n");
  std::string read;
  const auto read_it = [&read](const ToolRun& run) {
    const auto configuration = read_configuration(run);
    if (!configuration) return configuration.error();
    read = configuration->settings.credential_file;
    return ExitStatus::ok;
  };
  CHECK(outcome_of({"try", "-f", directory / "good.toml"}, read_it).status == ExitStatus::ok);
  CHECK(read == "/srv/credentials.gdbm");
  const Outcome bad = outcome_of({"try", "-f", directory / "bad.toml"}, read_it);
  CHECK(bad.status == ExitStatus::config);
  CHECK(bad.err.find("bad.toml:1:") != std::string::npos);
  CHECK(bad.err.find("bad.toml:2:") != std::string::npos);
  CHECK(outcome_of({"try", "-f", directory / "none"}, read_it).status == ExitStatus::config);
}

}  // namespace
}  // namespace pop
