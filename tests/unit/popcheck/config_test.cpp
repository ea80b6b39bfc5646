#include <sys/stat.h>

#include "popcheck_bed.h"
#include "tool/json.h"

namespace pop {
namespace {

using test::call_popcheck;
using test::CheckOutcome;
using test::PopcheckBed;

/// Without what a host may lack.
constexpr const char* sound = "auth-source = \"shadow\"\nspool-dir = \"/\"\n";

TEST_CASE("popcheck config tells all that is wrong, with its place", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string file = bed.add("popper.toml", "timeuot = 5\nspool-dir = 7\nblock-uid = -1\n");
  const CheckOutcome outcome = call_popcheck({"config", file});
  CHECK(outcome.err.empty());
  CHECK(outcome.out.starts_with(
      file + ":1:1: error: unknown option \"timeuot\"; did you mean timeout [unknown-name]\n" +
      file + ":2:13: error: spool-dir wants a text in quotes [bad-value]\n" + file +
      ":3:1: warning: accounts of the system, all but root, may log in [insecure]\n"
      "    remedy: block-uid = 10\n"));
  CHECK(outcome.status == ExitStatus::found);
}

TEST_CASE("popcheck config says nothing of a sound file", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string file = bed.add("popper.toml", std::string{sound} + "timeout = 30\n");
  CHECK(call_popcheck({"config", "-q", file}).out == "");
  const CheckOutcome outcome = call_popcheck({"config", file});
  CHECK(outcome.out.find(":3:1: notice: ") != std::string::npos);
  CHECK(outcome.status == ExitStatus::ok);
  CHECK(call_popcheck({"-f", file, "config"}).out == outcome.out);
}

TEST_CASE("popcheck config has its findings as JSON and SARIF", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string file = bed.add("a b.toml", std::string{sound} + "block-uid = -1\n");
  const CheckOutcome json = call_popcheck({"config", "--json", file});
  CHECK(json.status == ExitStatus::found);
  CHECK(json.out == call_popcheck({"config", "--format", "json", file}).out);
  const Result<Json> read = parse_json(json.out);
  REQUIRE(read);
  const auto& findings = std::get<Json::Array>(find_member(*read, "findings")->value);
  REQUIRE(findings.size() == 1);
  CHECK(to_line(findings[0]) ==
        "{\"file\":\"" + file +
            "\",\"line\":3,\"column\":1,\"severity\":\"warning\",\"rule\":\"insecure\",\"message\":"
            "\"accounts of the system, all but root, may log in\",\"remedy\":\"block-uid = 10\"}");
  CHECK(to_line(*find_member(*read, "summary")) ==
        "{\"files\":1,\"errors\":0,\"warnings\":1,\"notices\":0}");
  const std::string sarif = call_popcheck({"config", "--format", "sarif", file}).out;
  CHECK(parse_json(sarif));
  CHECK(sarif.find("\"ruleId\": \"insecure\"") != std::string::npos);
  CHECK(sarif.find("a%20b.toml\"") != std::string::npos);
  CHECK(sarif.find("\"startLine\": 3") != std::string::npos);
}

TEST_CASE("popcheck config judges per-user files by their scope", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string text = "set timeout = 600\nset spool-dir = /x\nset trash-days = 5\n";
  const std::string home = bed.add(".qpopper-options", text);
  const std::string spool = bed.add(".jo.qpopper-options", text);
  CHECK(call_popcheck({"config", home, spool}).out ==
        home + ":2:5: error: spool-dir may not be set in a per-user file [wrong-scope]\n" + home +
            ":3:5: error: trash-days may not be set in a user's own file, only in the spool "
            "directory's [wrong-scope]\n" +
            spool + ":2:5: error: spool-dir may not be set in a per-user file [wrong-scope]\n");
}

TEST_CASE("popcheck config --effective tells values and their origin", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string part = bed.add("part.conf", "set timeout = 700\nset spool-options\n");
  const std::string file = bed.add("popper.toml",
                                   "config-file = \"part.conf\"\ntls-passphrase = \"hush\"\n"
                                   "[[listen]]\naddress = \"127.0.0.1:8110\"\ntls = \"none\"\n");
  CHECK(call_popcheck({"config", "-q", "--effective", file}).out ==
        "spool-options = true                        # " + part +
            ":2:5\n"
            "timeout = 700                               # " +
            part +
            ":1:5; overridden by user-options file (not read), spool-options file\n"
            "tls-passphrase = (not shown)                # " +
            file + ":2:1\n[[listen]] 127.0.0.1:8110 tls=none\n");
  const CheckOutcome all = call_popcheck({"config", "--effective", "--json", file});
  CHECK(all.out.find("hush") == std::string::npos);
  CHECK(parse_json(all.out));
  const CheckOutcome broken =
      call_popcheck({"config", "--effective", bed.add("broken.toml", "timeout = 0\n")});
  CHECK(broken.status == ExitStatus::config);
  CHECK(broken.out.empty());
}

TEST_CASE("popcheck config --explain knows every option", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string file = bed.add("popper.toml", "timeout = 700\n");
  for (const Option& option : all_options()) {
    const CheckOutcome outcome =
        call_popcheck({"-f", file, "config", "--explain", std::string{option.name}});
    CHECK(outcome.status == ExitStatus::ok);
    CHECK(outcome.out.starts_with(std::string{option.name} + " = "));
  }
  const CheckOutcome timeout = call_popcheck({"-f", file, "config", "--explain", "timeout"});
  CHECK(timeout.out.find("now:        700 (" + file + ":1:1)") != std::string::npos);
  const CheckOutcome slip = call_popcheck({"-f", file, "config", "--explain", "timeuot"});
  CHECK(slip.status == ExitStatus::usage);
  CHECK(slip.err.find("did you mean timeout") != std::string::npos);
}

TEST_CASE("popcheck config --diff tells what changes and what users notice", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string one = bed.add("one.toml", "timeout = 700\n[[listen]]\naddress = \":110\"\n");
  const std::string two = bed.add("two.conf", "set timeout = 700\nset uid-format = qpopper\n");
  const CheckOutcome outcome = call_popcheck({"config", "--diff", one, two});
  CHECK(outcome.status == ExitStatus::found);
  CHECK(outcome.out == "- uid-format = \"native\"  # default\n+ uid-format = \"qpopper\"  # " +
                           two +
                           ":2:5\n  effect: clients download the mail on the server once more\n"
                           "- [[listen]] :110\n");
  const CheckOutcome same = call_popcheck({"config", "--diff", one, one});
  CHECK(same.status == ExitStatus::ok);
  CHECK(same.out.empty());
  CHECK(call_popcheck({"config", "--diff", one}).status == ExitStatus::usage);
}

}  // namespace
}  // namespace pop
