#include <algorithm>
#include <sstream>

#include "popspool_bed.h"
#include "support/damaged_spools.h"

namespace pop {
namespace {

using test::get_file;
using test::PopspoolBed;
using test::put_file;
using test::small_spool;
using test::ToolOutcome;

namespace fs = std::filesystem;

std::string double_mail() {
  return "From a@example.org Thu Jan  1 00:00:00 1970\nMessage-ID: <1@example.org>\n"
         "Status: RO\nSubject: one\n\nhello\n\n";
}

/// Unique-ids and sizes, in any order.
std::vector<std::string> listed(const PopspoolBed& bed, const std::string& target) {
  std::istringstream lines{bed.call({"list", target}).out};
  std::vector<std::string> rows;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t number = line.find_first_not_of(' ');
    rows.push_back(line.substr(std::min(line.find(' ', number), line.size())));
  }
  std::ranges::sort(rows);
  return rows;
}

std::vector<std::string> ids(std::vector<std::string> rows) {
  for (std::string& row : rows) row.erase(0, row.rfind(' ') + 1);
  std::ranges::sort(rows);
  return rows;
}

fs::path add_maildir(const PopspoolBed& bed) {
  const fs::path maildir = bed.spool_dir() / "jo";
  for (const char* folder : {"", "new", "cur", "tmp"}) {
    fs::create_directories(maildir / folder);
    fs::permissions(maildir / folder, fs::perms{0700});
  }
  const std::string text = "Message-ID: <1@example.org>\n\nhello\n";
  for (const char* name : {"new/1.a.host", "cur/2.b.host:2,FS", "cur/3.c.host:2,RST"}) {
    put_file(maildir / name, text);
    fs::permissions(maildir / name, fs::perms{0600});
  }
  return maildir;
}

TEST_CASE("popspool undo brings back what expire removed, with unique-ids and marks",
          "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool =
      bed.add_spool("jo", small_spool(3) + double_mail() + test::sound_spool());
  const std::string undo = bed.spool_dir() / ".jo.undo";
  const std::vector<std::string> before = listed(bed, spool);
  REQUIRE(bed.call({"expire", "--max-messages", "1", spool}).status == ExitStatus::ok);
  CHECK(listed(bed, spool).size() == 1);
  const ToolOutcome planned = bed.call({"undo", "-n", spool});
  CHECK_THAT(planned.out, Catch::Contains("would bring back 7 messages") &&
                              Catch::Contains("; 0 are there already\n"));
  CHECK(listed(bed, spool).size() == 1);
  const ToolOutcome done = bed.call({"undo", "--json", spool});
  CHECK(done.status == ExitStatus::ok);
  CHECK_THAT(done.out, Catch::Contains("\"undone\":\"removal\"") &&
                           Catch::Contains("\"restored\":7,\"there\":0"));
  CHECK(listed(bed, spool) == before);
  CHECK_FALSE(fs::exists(undo));
  CHECK_THAT(bed.call({"undo", spool}).err,
             Catch::Contains("there is no repair, expire or dedupe to undo"));
}

TEST_CASE("popspool undo brings back doubles, each under its unique-id", "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", double_mail() + double_mail() + double_mail());
  const std::vector<std::string> before = listed(bed, spool);
  REQUIRE(bed.call({"dedupe", spool}).status == ExitStatus::ok);
  const std::string kept = get_file(bed.spool_dir() / ".jo.undo");
  REQUIRE(listed(bed, spool).size() == 1);
  REQUIRE(bed.call({"undo", spool}).status == ExitStatus::ok);
  CHECK(listed(bed, spool) == before);
  // A crash before the file was removed: all of it is there.
  bed.add_spool(".jo.undo", kept);
  CHECK_THAT(bed.call({"undo", spool}).out,
             Catch::Contains("brought back 0 messages") && Catch::Contains("2 are there already"));
  CHECK(listed(bed, spool) == before);
}

TEST_CASE("popspool undo brings Maildir mail back with its marks", "[popspool][undo]") {
  const PopspoolBed bed;
  const fs::path maildir = add_maildir(bed);
  const std::vector<std::string> before = listed(bed, maildir);
  REQUIRE(bed.call({"expire", "--max-messages", "0", maildir}).status == ExitStatus::ok);
  REQUIRE(listed(bed, maildir).empty());
  REQUIRE(fs::exists(maildir / ".popper.undo"));
  REQUIRE(bed.call({"undo", maildir}).status == ExitStatus::ok);
  CHECK(listed(bed, maildir) == before);
  std::vector<std::string> marks;
  for (const auto& each : fs::directory_iterator{maildir / "cur"}) {
    const std::string name = each.path().filename();
    marks.push_back(name.substr(0, 2) + name.substr(name.find(":2,")));
  }
  std::ranges::sort(marks);
  CHECK(marks == std::vector<std::string>{"2.:2,FS", "3.:2,RST"});
}

TEST_CASE("What is kept for undo goes along when a maildrop is converted", "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  const std::vector<std::string> before = ids(listed(bed, spool));
  REQUIRE(bed.call({"expire", "--max-messages", "1", spool}).status == ExitStatus::ok);
  REQUIRE(bed.call({"convert", "--to", "maildir", spool}).status == ExitStatus::ok);
  CHECK_FALSE(fs::exists(bed.spool_dir() / ".jo.undo"));
  REQUIRE(bed.call({"undo", spool}).status == ExitStatus::ok);
  CHECK(ids(listed(bed, spool)) == before);
}

TEST_CASE("popspool undo undoes the last change first, whichever it was", "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  REQUIRE(bed.call({"expire", "--header", "Subject: number 2", spool}).status == ExitStatus::ok);
  const std::string damaged = get_file(spool).substr(1);
  put_file(spool, damaged);
  REQUIRE_THAT(bed.call({"repair", spool}).out, Catch::Contains("1 mended"));
  CHECK_THAT(bed.call({"undo", "--json", spool}).out, Catch::Contains("\"undone\":\"repair\""));
  CHECK(get_file(spool) == damaged);
  put_file(spool, "F" + damaged);  // mended by hand
  CHECK_THAT(bed.call({"undo", "--json", spool}).out, Catch::Contains("\"undone\":\"removal\""));
  CHECK_THAT(get_file(spool), Catch::Contains("Subject: number 2"));
}

TEST_CASE("A removal after a repair is undone first, and --removed passes a repair by",
          "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3).substr(1));
  const auto expire = [&] {
    const ToolOutcome done = bed.call({"expire", "--header", "Subject: number 2", spool});
    REQUIRE(done.status == ExitStatus::ok);
  };
  REQUIRE_THAT(bed.call({"repair", spool}).out, Catch::Contains("1 mended"));
  expire();
  CHECK_THAT(bed.call({"undo", spool}).out, Catch::Contains("brought back 1 message"));
  expire();
  const ToolOutcome done = bed.call({"undo", "--removed", spool});
  CHECK_THAT(done.out, Catch::Contains("brought back 1 message"));
  CHECK_THAT(bed.call({"undo", "--removed", spool}).err,
             Catch::Contains("nothing that expire or dedupe removed is kept"));
}

TEST_CASE("expire --no-undo keeps nothing, and drops what was kept before", "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  const std::string undo = bed.spool_dir() / ".jo.undo";
  REQUIRE(bed.call({"expire", "--max-messages", "2", spool}).status == ExitStatus::ok);
  REQUIRE(fs::exists(undo));
  REQUIRE(bed.call({"expire", "--max-messages", "2", "--no-undo", spool}).status == ExitStatus::ok);
  CHECK(fs::exists(undo));  // nothing went
  REQUIRE(bed.call({"expire", "--max-messages", "1", "--no-undo", spool}).status == ExitStatus::ok);
  CHECK_FALSE(fs::exists(undo));
}

TEST_CASE("A damaged message in the file for undo is told, and the others come back",
          "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  const fs::path undo = bed.spool_dir() / ".jo.undo";
  REQUIRE(bed.call({"expire", "--max-messages", "1", spool}).status == ExitStatus::ok);
  std::string bytes = get_file(undo);
  bytes[bytes.find("hello")] = 'j';
  put_file(undo, bytes);
  const ToolOutcome done = bed.call({"undo", spool});
  CHECK(done.status == ExitStatus::found);
  CHECK_THAT(done.err, Catch::Contains("is damaged"));
  CHECK_THAT(done.out, Catch::Contains("brought back 1 message"));
  CHECK(fs::exists(undo));  // a person may want to look
}

TEST_CASE("What a damaged file for undo still holds is not dropped with it", "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string mail = small_spool(3);
  const std::string spool = bed.add_spool("jo", mail);
  const fs::path undo = bed.spool_dir() / ".jo.undo";
  REQUIRE(bed.call({"expire", "--max-messages", "0", spool}).status == ExitStatus::ok);
  const std::string kept = get_file(undo);
  const auto try_with = [&](const std::string& damaged) {
    put_file(undo, damaged);
    put_file(spool, "");
    const ToolOutcome done = bed.call({"undo", spool});
    CHECK(done.status != ExitStatus::ok);
    CHECK_FALSE(done.err.empty());
    CHECK(fs::exists(undo));
    if (fs::exists(undo)) CHECK(get_file(undo) == damaged);
  };
  for (std::size_t at = 0; at < kept.size(); ++at) {
    CAPTURE(at);
    std::string damaged = kept;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 7));
    try_with(damaged);
  }
  for (std::size_t size = 0; size < kept.size(); size += 7) {
    CAPTURE(size);
    const bool ends_message = size > 0 && kept.compare(size, 8, "message ") == 0;
    if (!ends_message) try_with(kept.substr(0, size));
  }
  put_file(undo, kept);
  put_file(spool, "");
  CHECK(bed.call({"undo", spool}).status == ExitStatus::ok);
  CHECK_FALSE(fs::exists(undo));
}

TEST_CASE("expire --trash drops what was kept for undo long ago", "[popspool][undo]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  const fs::path undo = bed.spool_dir() / ".jo.undo";
  REQUIRE(bed.call({"expire", "--max-messages", "1", spool}).status == ExitStatus::ok);
  REQUIRE(bed.call({"expire", "--trash", spool}).status == ExitStatus::ok);
  CHECK(fs::exists(undo));
  std::string bytes = get_file(undo);
  for (std::size_t at = 0; (at = bytes.find("message ", at)) != bytes.npos; at += 8) {
    const std::size_t end = bytes.find(' ', at + 8);
    bytes.replace(at + 8, end - at - 8, std::string(end - at - 8, '1'));
  }
  put_file(undo, bytes);
  CHECK_THAT(bed.call({"expire", "--trash", spool}).out,
             Catch::Contains("dropped 2 of 2 messages kept for undo"));
  CHECK_FALSE(fs::exists(undo));
}

}  // namespace
}  // namespace pop
