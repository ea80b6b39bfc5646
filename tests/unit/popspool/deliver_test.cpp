#include <sys/resource.h>

#include "popspool_bed.h"
#include "support/child_process.h"

namespace pop::test {
namespace {

TEST_CASE("popspool deliver appends standard input and says so when asked", "[popspool][deliver]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(1));
  const ToolOutcome silent = bed.call({"deliver", spool}, "Subject: x\n\nbody\n");
  CHECK(silent.status == ExitStatus::ok);
  CHECK(silent.out.empty());
  CHECK(silent.err.empty());
  CHECK(get_file(spool).ends_with("\nSubject: x\n\nbody\n\n"));
  const ToolOutcome told = bed.call({"deliver", "-v", "-r", "ann", spool}, "A: b\n\n");
  CHECK(told.out == "delivered 41 bytes to " + spool + "\n");
  const ToolOutcome json = bed.call({"deliver", "--json", spool}, "A: b\n\n");
  CHECK(json.out.find("\"path\":\"" + spool + "\"") != std::string::npos);
  CHECK(bed.call({"list", spool}).out.size() > 0);
}

TEST_CASE("popspool deliver -n reads the message and changes nothing", "[popspool][deliver]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(1));
  CHECK(bed.call({"deliver", "-n", spool}, "A: b\n\n").out ==
        "would deliver 6 bytes to " + spool + "\n");
  CHECK(bed.call({"deliver", "-n", "-s", "3", spool}, "A: b\n\n").status ==
        ExitStatus::cannot_create);
  CHECK(bed.call({"deliver", "-n", spool}, "").status == ExitStatus::cannot_create);
  CHECK(get_file(spool) == small_spool(1));
}

TEST_CASE("popspool deliver has the exit statuses of mail transfer", "[popspool][deliver]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(1));
  const auto status = [&](std::vector<std::string> arguments, std::string_view message) {
    arguments.insert(arguments.begin(), "deliver");
    return bed.call(std::move(arguments), message).status;
  };
  CHECK(status({spool}, "") == ExitStatus::cannot_create);
  CHECK(status({"-s", "5", spool}, "A: b\n\n") == ExitStatus::cannot_create);
  CHECK(status({"-s", "0", spool}, "A: b\n\n") == ExitStatus::usage);
  CHECK(status({"nobody-has-this-name"}, "A: b\n\n") == ExitStatus::no_user);
  bed.add_spool(".jo.journal", "no journal");
  CHECK(status({spool}, "A: b\n\n") == ExitStatus::temp_fail);
  std::ofstream{bed.path("popper.toml")} << "spool-dirr = 1\n";
  CHECK(status({spool}, "A: b\n\n") == ExitStatus::temp_fail);
  CHECK(get_file(spool) == small_spool(1));
}

TEST_CASE("popspool deliver to a path that is not there sends nothing back",
          "[popspool][deliver]") {
  const PopspoolBed bed;
  for (const std::string_view name : {"unmounted/jo", "unmounted/jo/Maildir/", "Maildir/"}) {
    CAPTURE(name);
    const ToolOutcome done = bed.call({"deliver", bed.path(name).native()}, "A: b\n\n");
    CHECK(done.status == ExitStatus::temp_fail);
    CHECK(done.err.find(name.substr(0, name.size() - 1)) != std::string::npos);
  }
  CHECK(!std::filesystem::exists(bed.path("unmounted")));
  CHECK(!std::filesystem::exists(bed.path("Maildir")));
}

TEST_CASE("popspool deliver sends nothing back while nobody can tell who the users are",
          "[popspool][deliver]") {
  const PopspoolBed bed;
  const auto deliver = [&] { return bed.call({"deliver", "nobody-has-this-name"}, "A: b\n\n"); };
  CHECK(deliver().status == ExitStatus::no_user);
  std::filesystem::permissions(bed.credentials(), std::filesystem::perms{0});
  if (::geteuid() == 0)
    std::filesystem::permissions(bed.credentials(), std::filesystem::perms{0644});
  CHECK(deliver().status == ExitStatus::temp_fail);
  std::filesystem::remove(bed.credentials());
  const ToolOutcome missing = deliver();
  CHECK(missing.status == ExitStatus::temp_fail);
  CHECK(missing.err.find(bed.credentials().native()) != std::string::npos);
}

TEST_CASE("popspool deliver sends nothing back for a slip in the settings", "[popspool][deliver]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(1));
  bed.add_option("hash-spool = 1\ntemp-name = \".%s.x\"\ncache-name = \".%s.x\"");
  CHECK(bed.call({"deliver", spool}, "A: b\n\n").status == ExitStatus::temp_fail);
  CHECK(get_file(spool) == small_spool(1));
}

TEST_CASE("popspool deliver sends nothing back for a limit of file sizes", "[popspool][deliver]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(1));
  ChildProcess limited{[&] {
    const rlimit small{2000, 2000};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &small) != 0) return 99;
    return static_cast<int>(
        bed.call({"deliver", spool}, "A: b\n\n" + std::string(1500, 'x')).status);
  }};
  CHECK(limited.wait() == 75);
  CHECK(get_file(spool) == small_spool(1));
}

}  // namespace
}  // namespace pop::test
