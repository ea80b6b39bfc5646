#include "popspool/target_runner.h"

#include <signal.h>

#include "base/clock.h"
#include "popspool/resume_file.h"
#include "popspool_bed.h"

namespace pop {
namespace {

using Work = std::function<Result<ExitStatus>(const TargetRun&)>;

/// Runs `work` on these targets.
struct Runner {
  test::PopspoolBed bed;
  TargetSelection selection;
  OutputForm form = OutputForm::text;

  Runner(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      selection.named.push_back(bed.add_spool(name, test::small_spool(1)));
    }
  }
  test::ToolOutcome run(const Work& work, TargetVerb::Output output = TargetVerb::Output::kept) {
    const test::ToolStreams streams;
    Terminal terminal{"popspool", streams.streams()};
    const ToolFlags flags{.form = form};
    Settings settings;
    settings.spool_dir = bed.spool_dir();
    settings.credential_file = bed.path("none");
    const TargetVerb verb{.name = "try", .task = "try", .work = work, .output = output};
    const ExitStatus status = run_on_targets(verb, selection, settings, {flags, terminal});
    REQUIRE(terminal.flush());
    return {status, streams.out(), streams.err()};
  }
};

std::string name_of(const TargetRun& run) {
  return std::filesystem::path{run.target.name}.filename();
}

TEST_CASE("What targets say comes in their order, however long each takes", "[popspool][runner]") {
  Runner runner{"a", "b", "c", "d"};
  runner.selection.jobs = "4";
  const auto output = GENERATE(TargetVerb::Output::kept, TargetVerb::Output::bulk);
  const test::ToolOutcome outcome = runner.run(
      [](const TargetRun& run) -> Result<ExitStatus> {
        if (name_of(run) == "a") system_clock().sleep(std::chrono::milliseconds{200});
        run.output.print(name_of(run) + std::string(200'000, '.') + "\n");
        return ExitStatus::ok;
      },
      output);
  CHECK(outcome.status == ExitStatus::ok);
  std::string wanted;
  for (const char* name : {"a", "b", "c", "d"}) wanted += name + std::string(200'000, '.') + "\n";
  CHECK((outcome.out == wanted));
  CHECK(outcome.err == "popspool: try: 4 targets: 4 done\n");
}

TEST_CASE("A target that fails, throws or crashes leaves the others alone", "[popspool][runner]") {
  Runner runner{"a", "b", "c", "d"};
  const test::ToolOutcome outcome = runner.run([](const TargetRun& run) -> Result<ExitStatus> {
    if (name_of(run) == "a") return ExitStatus::found;
    if (name_of(run) == "b") throw std::runtime_error("a bug");
    if (name_of(run) == "c") {
      ::signal(SIGKILL, SIG_DFL);
      ::raise(SIGKILL);
    }
    return fail(Errc::denied, "no");
  });
  CHECK(outcome.status == ExitStatus::software);
  const std::string dir = runner.bed.spool_dir();
  CHECK(outcome.err == "popspool: try " + dir + "/b: internal error: a bug\n" + "popspool: try " +
                           dir + "/c: its process was ended by signal 9\n" + "popspool: try " +
                           dir + "/d: no\n" +
                           "popspool: try: 4 targets: 1 done (1 with something found), 3 failed\n");
}

TEST_CASE("The status tells of findings when nothing has failed", "[popspool][runner]") {
  Runner runner{"a", "b"};
  const auto found = [](const TargetRun& run) -> Result<ExitStatus> {
    return name_of(run) == "a" ? ExitStatus::found : ExitStatus::ok;
  };
  CHECK(runner.run(found).status == ExitStatus::found);
}

TEST_CASE("JSON has an object for each target and a summary", "[popspool][runner]") {
  Runner runner{"a", "b"};
  runner.form = OutputForm::json;
  const test::ToolOutcome outcome = runner.run([](const TargetRun& run) -> Result<ExitStatus> {
    run.output.print("not with --json\n");
    if (name_of(run) == "b") return fail(Errc::corrupt, "bad \xff bytes");
    run.output.add("more", {Json::Array{{true}, {std::uint64_t{7}}, {"\n"}}});
    return ExitStatus::ok;
  });
  CHECK(outcome.status == ExitStatus::data);
  const std::string dir = runner.bed.spool_dir();
  CHECK(outcome.out == "{\"targets\": [\n  {\"target\":\"" + dir +
                           "/a\",\"status\":0,\"error\":null,\"more\":[true,7,\"\\n\"]},\n  "
                           "{\"target\":\"" +
                           dir +
                           "/b\",\"status\":65,\"error\":\"bad \xEF\xBF\xBD bytes\"}\n], "
                           "\"summary\": {\"targets\":2,\"done\":1,\"found\":0,\"failed\":1,"
                           "\"done_before\":0}}\n");
}

TEST_CASE("A run that was cut off goes on where it was", "[popspool][runner][resume]") {
  Runner runner{"a", "b", "c"};
  const std::string file = runner.bed.path("resume");
  runner.selection.resume_file = file;
  const Work fails_once = [&](const TargetRun& run) -> Result<ExitStatus> {
    run.output.print(name_of(run));
    if (name_of(run) == "b") return fail(Errc::busy, "later");
    return ExitStatus::ok;
  };
  CHECK(runner.run(fails_once).out == "abc");
  std::ofstream{file, std::ios::app} << "half a li";  // as a kill leaves it
  const test::ToolOutcome second = runner.run([](const TargetRun& run) -> Result<ExitStatus> {
    run.output.print(name_of(run));
    return ExitStatus::ok;
  });
  CHECK(second.out == "b");
  CHECK(second.err == "popspool: try: 3 targets: 1 done, 2 done before\n");
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("A resume file of another run is refused", "[popspool][resume]") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "resume";
  REQUIRE(ResumeFile::open(system_disk(), path, "list"));
  CHECK(ResumeFile::open(system_disk(), path, "grep x").error().code == Errc::usage);
  const Result<ResumeFile> first = ResumeFile::open(system_disk(), path, "list");
  REQUIRE(first);
  CHECK(ResumeFile::open(system_disk(), path, "list").error().code == Errc::busy);
  std::ofstream{directory / "letter"} << "Dear Jo,\n";
  CHECK(ResumeFile::open(system_disk(), directory / "letter", "list").error().code == Errc::usage);
  std::ofstream{directory / "short"} << "no line";
  CHECK(ResumeFile::open(system_disk(), directory / "short", "list").error().code == Errc::usage);
}

TEST_CASE("Names of targets may hold anything", "[popspool][resume]") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "resume";
  {
    Result<ResumeFile> file = ResumeFile::open(system_disk(), path, "list");
    REQUIRE(file);
    REQUIRE(file->record("a\nb"));
    CHECK(file->record("c\\x0ad"));
  }
  const Result<ResumeFile> again = ResumeFile::open(system_disk(), path, "list");
  REQUIRE(again);
  CHECK(again->contains("a\nb"));
  CHECK(again->contains("c\\x0ad"));
  CHECK_FALSE(again->contains("a"));
  CHECK_FALSE(again->contains("c\nd"));
}

TEST_CASE("A verb that looks cannot change anything", "[popspool][runner]") {
  Runner runner{"a"};
  const test::ToolOutcome outcome = runner.run([](const TargetRun& run) -> Result<ExitStatus> {
    const Result<void> removed = run.context.disk.remove(AT_FDCWD, run.target.name);
    if (!removed) return std::unexpected(removed.error());
    return ExitStatus::ok;
  });
  CHECK(outcome.status == ExitStatus::no_permission);
  CHECK(std::filesystem::exists(runner.selection.named.front()));
}

}  // namespace
}  // namespace pop
