#include "popspool_bed.h"

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
  CHECK(status({bed.path("none").native()}, "A: b\n\n") == ExitStatus::no_user);
  bed.add_spool(".jo.journal", "no journal");
  CHECK(status({spool}, "A: b\n\n") == ExitStatus::temp_fail);
  std::ofstream{bed.path("popper.toml")} << "spool-dirr = 1\n";
  CHECK(status({spool}, "A: b\n\n") == ExitStatus::temp_fail);
  CHECK(get_file(spool) == small_spool(1));
}

}  // namespace
}  // namespace pop::test
