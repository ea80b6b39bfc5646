#include <algorithm>
#include <set>
#include <sstream>

#include "popspool_bed.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

std::string mail_of(int number, int year) {
  return "From a@example.org Thu Jan  1 00:00:0" + std::to_string(number % 10) + " " +
         std::to_string(year) + "\nSubject: number " + std::to_string(number) + "\n\nhello " +
         std::to_string(number) + "\n\n";
}

/// Unique-ids in order.
std::vector<std::string> ids_in(const PopspoolBed& bed, const std::string& maildrop) {
  std::vector<std::string> ids;
  std::istringstream listed{bed.call({"list", maildrop}).out};
  for (std::string line; std::getline(listed, line);) {
    ids.push_back(line.substr(line.rfind(' ') + 1));
  }
  return ids;
}

std::vector<std::string> together(std::vector<std::string> one,
                                  const std::vector<std::string>& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

std::set<std::string> names_in(const fs::path& directory) {
  std::set<std::string> names;
  for (const auto& each : fs::directory_iterator{directory}) names.insert(each.path().filename());
  return names;
}

TEST_CASE("popspool merge brings mail with its ids, and does so once", "[popspool][merge]") {
  for (const bool from_maildir : {false, true}) {
    for (const bool into_maildir : {false, true}) {
      CAPTURE(from_maildir, into_maildir);
      const PopspoolBed bed;
      std::string source = bed.add_spool("ann", mail_of(1, 2001) + mail_of(2, 2002));
      if (from_maildir) REQUIRE(bed.call({"convert", "--to", "maildir", source}).out != "");
      std::string target = bed.add_spool("jo", mail_of(3, 2003));
      if (into_maildir) REQUIRE(bed.call({"convert", "--to", "maildir", target}).out != "");
      const std::vector<std::string> sources = ids_in(bed, source), before = ids_in(bed, target);
      const std::vector<std::string> both =
          into_maildir ? together(sources, before) : together(before, sources);
      CHECK(bed.call({"merge", "-n", "--into", target, source}).out ==
            source + ": would merge 2 messages into " + target + "; 0 are there already\n");
      CHECK(ids_in(bed, target) == before);
      const ToolOutcome done = bed.call({"merge", "--into", target, source});
      CHECK(done.err.empty());
      CHECK(done.out == source + ": merged 2 messages into " + target + "; 0 are there already\n");
      CHECK(ids_in(bed, target) == both);
      CHECK(ids_in(bed, source) == sources);
      CHECK_THAT(bed.call({"merge", "--json", "--move", "--into", target, source}).out,
                 Catch::Contains("\"merged\":0,\"there\":2,\"there_under_another_id\":0,"
                                 "\"ids_taken\":0,\"taken_out\":2}"));
      CHECK(ids_in(bed, target) == both);
      CHECK(ids_in(bed, source).empty());
    }
  }
}

TEST_CASE("popspool merge takes several maildrops", "[popspool][merge]") {
  const PopspoolBed bed;
  const std::string one = bed.add_spool("one", mail_of(1, 2001));
  const std::string two = bed.add_spool("two", mail_of(2, 2001) + mail_of(1, 2001));
  const std::string target = bed.add_spool("both", "");
  const ToolOutcome done = bed.call({"merge", "--move", "--into", target, one, two});
  CHECK(done.status == ExitStatus::ok);
  CHECK(done.out == one + ": merged 1 message into " + target +
                        "; 0 are there already; took 1 message out\n" + two +
                        ": merged 1 message into " + target +
                        "; 1 is there already; took 2 messages out\n");
  CHECK(ids_in(bed, target).size() == 2);
  CHECK(get_file(one).empty());
  CHECK(get_file(two).empty());
}

TEST_CASE("popspool merge of a maildrop into itself under another name takes nothing out",
          "[popspool][merge]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", mail_of(1, 2001));
  fs::create_directory_symlink(bed.spool_dir(), bed.path("way"));
  for (const std::string& again : {spool, bed.path("way/jo").native()}) {
    const ToolOutcome done = bed.call({"merge", "--move", "--into", again, spool});
    CHECK(done.status == ExitStatus::usage);
    CHECK(get_file(spool) == mail_of(1, 2001));
  }
}

TEST_CASE("popspool merge leaves the source alone when the target cannot take its mail",
          "[popspool][merge]") {
  const PopspoolBed bed;
  const std::string source = bed.add_spool("ann", mail_of(1, 2001));
  const std::string target = bed.add_spool("jo", "no spool at all\n");
  const ToolOutcome done = bed.call({"merge", "--move", "--into", target, source});
  CHECK(done.status == ExitStatus::data);
  CHECK_THAT(done.err, Catch::Contains("nothing was merged into"));
  CHECK(get_file(source) == mail_of(1, 2001));
  CHECK(bed.call({"merge", source}).status == ExitStatus::usage);
}

TEST_CASE("popspool split puts mail into parts that come back whole", "[popspool][split]") {
  const std::string mail =
      mail_of(1, 2001) + mail_of(2, 2002) + mail_of(3, 2001) + mail_of(4, 2002) + mail_of(5, 2003);
  struct Case {
    std::string by;
    std::vector<std::string> parts;
  };
  for (const Case& each :
       {Case{"year", {"2001", "2002", "2003"}}, Case{"month", {"2001-01", "2002-01", "2003-01"}},
        Case{"count:2", {"0001", "0002", "0003"}}, Case{"size:80", {"0001", "0002", "0003"}}}) {
    for (const std::string format : {"mbox", "maildir", "tar"}) {
      CAPTURE(each.by, format);
      const PopspoolBed bed;
      const std::string spool = bed.add_spool("jo", mail);
      const std::string out = bed.path("out");
      fs::create_directory(out);
      const std::vector<std::string> before = ids_in(bed, spool);
      const std::vector<std::string> command{"split", "--by",     each.by, "--to",
                                             out,     "--format", format,  spool};
      std::set<std::string> wanted;
      for (const std::string& part : each.parts) {
        const std::string name = "jo-" + part + (format == "maildir" ? "" : "." + format);
        wanted.insert(name);
        if (format == "mbox") wanted.insert(name + ".manifest");
      }
      CHECK(bed.call(command).out == spool + ": copied 5 messages to 3 parts\n");
      CHECK(names_in(out) == wanted);
      CHECK(ids_in(bed, spool) == before);
      std::vector<std::string> moving = command;
      moving.insert(moving.begin() + 1, "--move");
      CHECK(bed.call(moving).out == spool + ": copied 5 messages to 3 parts, and took 5 out\n");
      CHECK(names_in(out) == wanted);  // as of a run that a crash ended before it took them out
      CHECK(ids_in(bed, spool).empty());
      for (const std::string& name : wanted) {
        if (!name.ends_with(".manifest")) {
          CHECK(bed.call({"import", out + "/" + name, spool}).status == ExitStatus::ok);
        }
      }
      std::vector<std::string> after = ids_in(bed, spool), sorted = before;
      std::ranges::sort(after);
      std::ranges::sort(sorted);
      CHECK(after == sorted);
    }
  }
}

TEST_CASE("popspool split leaves what is not old, and puts nothing over other mail",
          "[popspool][split]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", mail_of(1, 2001) + mail_of(2, 2001));
  const std::string out = bed.path("out");
  fs::create_directory(out);
  const std::vector<std::string> command{"split", "--move",       "--by", "year", "--to",
                                         out,     "--older-than", "52w",  spool};
  CHECK(bed.call(command).status == ExitStatus::ok);
  const std::string first = get_file(out + "/jo-2001.mbox");
  put_file(spool, mail_of(3, 2001) + mail_of(4, 2090));
  CHECK_THAT(bed.call({"split", "-n", "--by", "year", "--to", out, spool}).out,
             Catch::Contains("2001: 1 message, ") && Catch::Contains("2090: 1 message, ") &&
                 Catch::Contains("would copy 2 messages to 2 parts"));
  CHECK(bed.call(command).status == ExitStatus::ok);
  CHECK(get_file(out + "/jo-2001.mbox") == first);
  CHECK_THAT(get_file(out + "/jo-2001.2.mbox"), Catch::Contains("hello 3"));
  CHECK(ids_in(bed, spool).size() == 1);
  CHECK_THAT(get_file(spool), Catch::Contains("hello 4"));
  CHECK(names_in(out) == std::set<std::string>{"jo-2001.mbox", "jo-2001.mbox.manifest",
                                               "jo-2001.2.mbox", "jo-2001.2.mbox.manifest"});
  for (const std::string by : {"day", "count:0", "count:x", "size:", ""}) {
    CHECK(bed.call({"split", "--by", by, "--to", out, spool}).status == ExitStatus::usage);
  }
  CHECK(bed.call({"split", "--by", "year", spool}).status == ExitStatus::usage);
}

TEST_CASE("popspool split finishes a part of which a crash left the manifest only",
          "[popspool][split]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", mail_of(1, 2001));
  const std::string out = bed.path("out");
  fs::create_directory(out);
  const std::vector<std::string> command{"split", "--move", "--by", "year", "--to", out, spool};
  REQUIRE(bed.call({"split", "--by", "year", "--to", out, spool}).status == ExitStatus::ok);
  const std::string part = get_file(out + "/jo-2001.mbox");
  fs::remove(out + "/jo-2001.mbox");
  CHECK(bed.call(command).status == ExitStatus::ok);
  CHECK(get_file(out + "/jo-2001.mbox") == part);
  CHECK(names_in(out).size() == 2);
}

}  // namespace
}  // namespace pop::test
