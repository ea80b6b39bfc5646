#include "popspool_bed.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

const std::string first =
    "From a@example.org Thu Jan  1 00:00:00 1970\nX-UIDL: an-old-unique-id\nSubject: one\n"
    "Status: RO\n\nhello\n\n";
const std::string second =
    "From b@example.org Thu Jan  1 00:00:10 1970\nSubject: two\n\nhello\nme\n\n";

/// The first of equal messages has no number behind its id, so all of them are in.
const std::string mail_of_three = first + second + second;

std::string make_maildir(const PopspoolBed& bed, const std::string& name) {
  const fs::path path = bed.spool_dir() / name;
  for (const char* folder : {"", "new", "cur", "tmp"}) {
    fs::create_directories(path / folder);
    fs::permissions(path / folder, fs::perms{0700});
  }
  return path;
}

std::string exported(const PopspoolBed& bed, const std::string& spool, const std::string& format) {
  const std::string copy = bed.path("copy-" + format).native();
  REQUIRE(bed.call({"export", "-q", spool, "--to", copy, "--format", format}).status ==
          ExitStatus::ok);
  return copy;
}

TEST_CASE("popspool import gives each message its unique-id, octets and flag, and does so once",
          "[popspool][import]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", mail_of_three);
  const std::string listed = bed.call({"list", spool}).out;
  for (const std::string format : {"mbox", "maildir", "tar"}) {
    const std::string copy = exported(bed, spool, format);
    for (const std::string& target :
         {bed.add_spool("spool-" + format, ""), make_maildir(bed, "maildir-" + format)}) {
      CAPTURE(format, target);
      const ToolOutcome planned = bed.call({"import", "-n", copy, target});
      CHECK(planned.out == target + ": would import 3 messages; 0 are there already\n");
      CHECK(bed.call({"list", target}).out.empty());
      const ToolOutcome done = bed.call({"import", copy, target});
      CHECK(done.status == ExitStatus::ok);
      CHECK(done.out == target + ": imported 3 messages; 0 are there already\n");
      CHECK(bed.call({"list", target}).out == listed);
      const ToolOutcome again = bed.call({"import", copy, target});
      CHECK(again.status == ExitStatus::ok);
      CHECK(again.out == target + ": imported 0 messages; 3 are there already\n");
      CHECK(bed.call({"list", target}).out == listed);
    }
  }
}

TEST_CASE("popspool import adds to the mail that is there", "[popspool][import]") {
  const PopspoolBed bed;
  const std::string source = bed.add_spool("jo", mail_of_three);
  const std::string copy = exported(bed, source, "mbox");
  const std::string other =
      "From c@example.org Thu Jan  1 00:00:20 1970\nX-UIDL: an-old-unique-id\nSubject: x\n\nx\n";
  const std::string target = bed.add_spool("target", other + "\n" + second);
  const ToolOutcome done = bed.call({"import", "--json", copy, target});
  // Its id is another message's, so a client is told of a new one.
  CHECK(done.status == ExitStatus::found);
  CHECK_THAT(done.out, Catch::Contains("\"imported\":2,\"there\":1,\"there_under_another_id\":0,"
                                       "\"ids_taken\":1,\"checked\":true"));
  CHECK(get_file(target).starts_with(other + "\n" + second));
  CHECK_THAT(bed.call({"import", "--json", copy, target}).out,
             Catch::Contains("\"imported\":0,\"there\":3,\"there_under_another_id\":1"));
}

TEST_CASE("popspool import refuses an export with a damaged octet", "[popspool][import]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", mail_of_three);
  const std::string target = bed.add_spool("target", second);
  for (const std::string format : {"mbox", "maildir", "tar"}) {
    CAPTURE(format);
    const std::string copy = exported(bed, spool, format);
    fs::path file = copy;
    if (format == "maildir") file = fs::directory_iterator {
        fs::path{copy} / "new"
        } -> path();
    std::string content = get_file(file);
    content[content.rfind("hello")] = 'H';
    put_file(file, content);
    const ToolOutcome refused = bed.call({"import", copy, target});
    CHECK(refused.status == ExitStatus::data);
    CHECK_THAT(refused.err, Catch::Contains("not what the manifest says; nothing was imported"));
    CHECK(get_file(target) == second);
  }
  const std::string copy = bed.path("copy-mbox").native();
  put_file(copy, mail_of_three + second);
  CHECK(bed.call({"import", copy, target}).status == ExitStatus::data);
  put_file(copy, first + second);
  CHECK(bed.call({"import", copy, target}).status == ExitStatus::data);
  for (const fs::directory_entry& each :
       fs::directory_iterator{fs::path{bed.path("copy-maildir")} / "cur"}) {
    fs::remove(each.path());
  }
  const ToolOutcome refused = bed.call({"import", bed.path("copy-maildir").native(), target});
  CHECK_THAT(refused.err, Catch::Contains("is missing"));
  CHECK(get_file(target) == second);
}

TEST_CASE("popspool import takes mail without a manifest", "[popspool][import]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", mail_of_three);
  const std::string listed = bed.call({"list", spool}).out;
  put_file(bed.path("plain"), mail_of_three);
  const std::string target = bed.add_spool("target", "");
  const ToolOutcome done = bed.call({"import", bed.path("plain").native(), target});
  CHECK(done.out ==
        target + ": imported 3 messages; 0 are there already (no manifest: not checked)\n");
  CHECK(bed.call({"list", target}).out == listed);
  const std::string maildir = make_maildir(bed, "maildir");
  put_file(fs::path{maildir} / "cur" / "10.b:2,S", "Subject: b\n\nFrom x\n");
  put_file(fs::path{maildir} / "new" / "9.a", "Subject: a\n\n");
  REQUIRE(bed.call({"import", maildir, target}).status == ExitStatus::ok);
  CHECK(get_file(target).ends_with(
      "From MAILER-DAEMON Thu Jan  1 00:00:09 1970\nSubject: a\n\n"
      "From MAILER-DAEMON Thu Jan  1 00:00:10 1970\nStatus: RO\nSubject: b\n\n>From x\n\n"));
  CHECK_THAT(bed.call({"import", maildir, target}).out, Catch::Contains("imported 0 messages; 2 "));
}

TEST_CASE("popspool import leaves out what another maildrop's servers noted",
          "[popspool][import]") {
  const PopspoolBed bed;
  put_file(bed.path("plain"),
           "From a@example.org Thu Jan  1 00:00:00 1970\nX-IMAPbase: 1 2\nX-UID: 1\n"
           "Content-Length: 6\nX-Keywords:\n folded\nStatus: O\nSubject: one\n\nhello\n\n");
  const std::string target = bed.add_spool("target", "");
  REQUIRE(bed.call({"import", bed.path("plain").native(), target}).status == ExitStatus::ok);
  CHECK(get_file(target) ==
        "From a@example.org Thu Jan  1 00:00:00 1970\nStatus: O\nSubject: one\n\nhello\n\n");
}

TEST_CASE("popspool import quotes only what would be a separator of an mbox",
          "[popspool][import]") {
  const PopspoolBed bed;
  const std::string harmless =
      "From a@example.org Thu Jan  1 00:00:00 1970\nSubject: one\n\nhello\nFrom me\n\n";
  const std::string body = "x\n\nFrom a@example.org Thu Jan  1 00:00:00 1970\nend\n";
  const std::string believed = "From a@example.org Thu Jan  1 00:00:00 1970\nContent-Length: " +
                               std::to_string(body.size()) + "\nSubject: two\n\n" + body + "\n";
  put_file(bed.path("plain"), harmless + believed);
  const std::string target = bed.add_spool("target", "");
  REQUIRE(bed.call({"import", bed.path("plain").native(), target}).status == ExitStatus::ok);
  CHECK(get_file(target) == harmless +
                                "From a@example.org Thu Jan  1 00:00:00 1970\nSubject: two\n\nx\n\n"
                                ">From a@example.org Thu Jan  1 00:00:00 1970\nend\n\n");
  CHECK_THAT(bed.call({"import", bed.path("plain").native(), target}).out,
             Catch::Contains("imported 0 messages; 2 "));
}

TEST_CASE("popspool import complains about what is no mail", "[popspool][import]") {
  const PopspoolBed bed;
  const std::string target = bed.add_spool("target", second);
  put_file(bed.path("text"), "no mail at all\n");
  CHECK(bed.call({"import", bed.path("text").native(), target}).status == ExitStatus::data);
  CHECK(bed.call({"import", bed.path("none").native(), target}).status == ExitStatus::no_input);
  CHECK(bed.call({"import", bed.spool_dir().native(), target}).status == ExitStatus::data);
  put_file(bed.path("plain"), first);
  put_file(bed.path("plain.manifest"), "popspool-export 2 mbox\n");
  CHECK(bed.call({"import", bed.path("plain").native(), target}).status == ExitStatus::data);
  CHECK(bed.call({"import", bed.path("plain").native(), "nobody-has-this-name"}).status ==
        ExitStatus::no_user);
  CHECK(get_file(target) == second);
}

}  // namespace
}  // namespace pop::test
