#include "popspool_bed.h"

namespace pop {
namespace {

using test::PopspoolBed;
using test::small_spool;

TEST_CASE("popspool list shows numbers, octets and unique-ids", "[popspool][list]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool(
      "jo", "From a@example.org Thu Jan  1 00:00:00 1970\nX-UIDL: abc\nStatus: RO\n\nhello\n\n");
  const test::ToolOutcome outcome = bed.call({"list", spool});
  CHECK(outcome.err.empty());
  CHECK(outcome.out == "     1          23  read  abc\n");
  CHECK(outcome.status == ExitStatus::ok);
  const test::ToolOutcome json = bed.call({"list", "--json", spool});
  CHECK(json.out ==
        "{\"targets\": [\n  {\"target\":\"" + spool +
            "\",\"status\":0,\"error\":null,\"messages\":[{\"number\":1,\"octets\":23,\"uid\":"
            "\"abc\",\"retrieved\":true}]}\n], \"summary\": {\"targets\":1,\"done\":1,\"found\":0,"
            "\"failed\":0,\"done_before\":0}}\n");
}

TEST_CASE("popspool knows its targets by path, list and --all", "[popspool][target]") {
  const PopspoolBed bed;
  const std::string one = bed.add_spool("one.of.nobody", small_spool(1));
  const std::string two = bed.add_spool("two.of.nobody", small_spool(2));
  bed.add_spool(".one.of.nobody.cache", "no spool");
  bed.add_spool("three.of.nobody.lock", "1@host");
  const std::string both = bed.call({"list", one, two}).out;
  CHECK(both.starts_with(one + ":\n"));
  CHECK(bed.call({"list", two, one, two}).out.starts_with(two + ":\n"));
  CHECK(bed.call({"list", "--all"}).err == "popspool: list: 2 targets: 2 done\n");
  CHECK(bed.call({"list", "--stdin"}, one + "\n\n" + two).out == both);
}

TEST_CASE("popspool says which targets it cannot work on", "[popspool][target]") {
  const PopspoolBed bed;
  CHECK(bed.call({"list"}).status == ExitStatus::usage);
  CHECK(bed.call({"list", "--all", "jo"}).status == ExitStatus::usage);
  CHECK(bed.call({"list", "-j", "0", "jo"}).status == ExitStatus::usage);
  CHECK(bed.call({"list", "no.such.user"}).status == ExitStatus::no_user);
  CHECK(bed.call({"list", bed.path("none")}).status == ExitStatus::no_input);
  const std::string no_spool = bed.add_spool("letter", "Dear Jo,\n");
  CHECK(bed.call({"list", no_spool}).status == ExitStatus::data);
}

}  // namespace
}  // namespace pop
