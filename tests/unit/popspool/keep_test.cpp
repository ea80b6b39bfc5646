#include <chrono>
#include <sstream>

#include "popspool_bed.h"
#include "support/damaged_spools.h"

namespace pop {
namespace {

using test::get_file;
using test::PopspoolBed;
using test::ToolOutcome;

const std::string separator = "From a@example.org Thu Jan  1 00:00:00 1970\n";
const std::string later_separator = "From b@example.org Fri Jan  2 00:00:00 1970\n";

std::string mail(const std::string& fields, const std::string& body) {
  return separator + "Message-ID: <1@example.org>\nSubject: one\n" + fields + "\n" + body + "\n";
}

/// Subjects, bodies and Status fields of what is left.
std::string without_ids(const std::string& spool) {
  std::istringstream lines{get_file(spool)};
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("X-UIDL: ") && line != "Status: U") text += line + "\n";
  }
  return text;
}

TEST_CASE("popspool dedupe keeps one of each message and nothing less", "[popspool][dedupe]") {
  const PopspoolBed bed;
  const std::string first = mail("", "hello\n");
  std::string again = first;
  again.replace(0, separator.size(), later_separator);  // delivered twice
  const std::string other = mail("", "hello!\n"), other_header = mail("X-A: b\n", "hello\n");
  const std::string nameless = separator + "Subject: robot\n\nalarm\n\n";
  const std::string rest = other + other_header + nameless + nameless;
  const std::string spool =
      bed.add_spool("jo", first + other + again + other_header + nameless + nameless + first);
  const ToolOutcome planned = bed.call({"dedupe", "-n", spool});
  CHECK_THAT(planned.out, Catch::Contains("message 3, ") &&
                              Catch::Contains(": the same as message 1\n") &&
                              Catch::Contains("would remove 2 doubles; 5 messages stay\n"));
  const ToolOutcome done = bed.call({"dedupe", "--json", spool});
  CHECK_THAT(done.out, Catch::Contains("\"number\":3,") && Catch::Contains("\"number\":7,") &&
                           Catch::Contains("\"same_as\":1}],\"messages_left\":5"));
  CHECK(without_ids(spool) == first + rest);
  CHECK(bed.call({"dedupe", spool}).out.empty());
}

TEST_CASE("popspool dedupe keeps the copy that a client has retrieved", "[popspool][dedupe]") {
  const PopspoolBed bed;
  const std::string unread = mail("", "hello\n"), read = mail("Status: RO\n", "hello\n");
  const std::string spool = bed.add_spool("jo", unread + read + unread);
  REQUIRE(bed.call({"dedupe", spool}).status == ExitStatus::ok);
  CHECK(without_ids(spool) == read);
}

TEST_CASE("popspool dedupe does not mind other bookkeeping or a missing last line end",
          "[popspool][dedupe]") {
  const PopspoolBed bed;
  const std::string first = mail("X-UIDL: stored-id-000000001\nX-Status: A\n", "hello\n");
  std::string torn = mail("Lines: 1\nX-Keywords:\n folded\n", "hello\n");
  torn.resize(torn.size() - 2);
  const std::string spool = bed.add_spool("jo", first + torn);
  REQUIRE(bed.call({"dedupe", spool}).status == ExitStatus::ok);
  CHECK(get_file(spool).find("hello") == get_file(spool).rfind("hello"));
}

TEST_CASE("popspool dedupe works on a Maildir, whose names may spare it no reading",
          "[popspool][dedupe]") {
  const PopspoolBed bed;
  const std::filesystem::path maildir = bed.spool_dir() / "jo";
  for (const char* folder : {"", "new", "cur", "tmp"}) {
    std::filesystem::create_directories(maildir / folder);
    std::filesystem::permissions(maildir / folder, std::filesystem::perms{0700});
  }
  const std::string text = "Message-ID: <1@example.org>\n\nhello\n";
  const std::string size = ",S=" + std::to_string(text.size());
  for (const char* name : {"new/1.a.host", "new/2.b.host"}) {
    std::ofstream{maildir / (name + size)} << text;
    std::filesystem::permissions(maildir / (name + size), std::filesystem::perms{0600});
  }
  REQUIRE(bed.call({"dedupe", maildir.native()}).status == ExitStatus::ok);
  CHECK(std::filesystem::exists(maildir / ("new/1.a.host" + size)));
  CHECK_FALSE(std::filesystem::exists(maildir / ("new/2.b.host" + size)));
}

TEST_CASE("popspool reindex makes a new index and keeps the unique-ids", "[popspool][reindex]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", test::sound_spool());
  const std::string index = bed.spool_dir() / ".jo.cache";
  const std::string listed = bed.call({"list", spool}).out;
  CHECK_THAT(bed.call({"reindex", "-n", spool}).out, Catch::Contains("would make " + index));
  CHECK_FALSE(std::filesystem::exists(index));
  for (const char* before : {"", "no index", "again"}) {
    CAPTURE(before);
    if (*before == 'n') bed.add_spool(".jo.cache", before);
    const ToolOutcome done = bed.call({"reindex", spool});
    CHECK(done.status == ExitStatus::ok);
    CHECK(done.out.empty());
    CHECK_THAT(bed.call({"stat", spool}).out, Catch::Contains("index       fresh"));
    CHECK(bed.call({"list", spool}).out == listed);
    CHECK(get_file(spool) == test::sound_spool());
  }
}

TEST_CASE("popspool reindex believes nothing of the old index", "[popspool][reindex]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", test::sound_spool());
  REQUIRE(bed.call({"reindex", spool}).status == ExitStatus::ok);
  const auto modified = std::filesystem::last_write_time(spool);
  // Another message of the same size in the middle, with the times set back: as bad as it gets.
  std::string forged = get_file(spool);
  const std::size_t at = forged.find("stored-id-000000003");
  forged.replace(at, 19, "stored-id-000000009");
  std::ofstream{spool, std::ios::binary} << forged;
  std::filesystem::last_write_time(spool, modified);
  REQUIRE(bed.call({"reindex", spool}).err.empty());
  CHECK_THAT(bed.call({"list", spool}).out, Catch::Contains("stored-id-000000009"));
}

TEST_CASE("popspool quota lists by size and exits with 1 when one is over", "[popspool][quota]") {
  const PopspoolBed bed;
  const std::string small = bed.add_spool("small", test::small_spool(1));
  const std::string large = bed.add_spool("large", test::small_spool(50));
  const ToolOutcome fine = bed.call({"quota", "--limit", "1M", small, large});
  CHECK(fine.status == ExitStatus::ok);
  CHECK(fine.out.find("large") < fine.out.find("small"));
  const ToolOutcome over = bed.call({"quota", "--limit", "1k", "--over", small, large});
  CHECK(over.status == ExitStatus::found);
  CHECK_THAT(over.out,
             Catch::Contains("1024") && Catch::Contains("  over  ") && !Catch::Contains("small"));
  const std::string policy = bed.path("policy.toml");
  std::ofstream{policy} << "[[policy]]\nusers = \"large\"\nrules = [{max-size = 10}, {max-size = "
                           "\"1G\"}, {max-size = 5, retrieved = true}]\n";
  const ToolOutcome told = bed.call({"quota", "--json", "--policy", policy, small, large});
  CHECK(told.status == ExitStatus::found);
  CHECK_THAT(told.out, Catch::Contains("\"limit\": 10,") && Catch::Contains("\"limit\": null,") &&
                           Catch::Contains("\"over\": true"));
  CHECK(bed.call({"quota", "--limit", "many", small}).status == ExitStatus::usage);
  CHECK(bed.call({"quota", "--limit", "1k", "--policy", policy, small}).status ==
        ExitStatus::usage);
}

}  // namespace
}  // namespace pop
