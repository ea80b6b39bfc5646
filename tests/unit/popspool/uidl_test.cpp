#include <sys/stat.h>

#include <algorithm>

#include "popspool/id_listing.h"
#include "popspool/server_forms.h"
#include "popspool_bed.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

/// The ids of `popspool list`, in order.
Strings listed(const PopspoolBed& bed, const std::string& target) {
  Strings ids;
  const std::string out = bed.call({"list", target}).out;
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t end = out.find('\n', at);
    const std::string line = out.substr(at, end - at);
    ids.push_back(line.substr(line.rfind(' ') + 1));
    at = end + 1;
  }
  return ids;
}

std::string mail(int number) {
  const std::string n = std::to_string(number);
  return "Message-ID: <" + n + "@example.org>\nSubject: " + n + "\n\nhello\n";
}

std::string separated(int number, const std::string& fields = "") {
  return "From a@example.org Thu Jan  1 00:00:00 1970\n" + fields + mail(number) + "\n";
}

std::string add_maildir(const PopspoolBed& bed, const std::string& name, int count) {
  const fs::path path = bed.spool_dir() / name;
  for (const char* folder : {"new", "cur", "tmp"}) fs::create_directories(path / folder);
  for (int i = 1; i <= count; ++i) {
    put_file(path / "cur" / (std::to_string(1000 + i) + ".host:2,S"), mail(i));
  }
  return path;
}

std::string put(const PopspoolBed& bed, const std::string& name, const std::string& content) {
  put_file(bed.path(name), content);
  return bed.path(name);
}

/// `ids` as the export file of a server that has these messages, by their numbers.
std::string export_of(const PopspoolBed& bed, const std::string& target, const Strings& ids) {
  std::string text = bed.call({"uidl", "export", target}).out;
  std::size_t at = text.find("\t1\t");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string number = "\t" + std::to_string(i + 1) + "\t";
    at = text.find(number, at) + number.size();
    text.replace(at, text.find('\t', at) - at, ids[i]);
  }
  return text;
}

ListedId message(const std::string& id, std::uint64_t octets, const std::string& fingerprint) {
  return {id, octets, fingerprint};
}

using Pairs = std::vector<std::optional<std::size_t>>;

}  // namespace

TEST_CASE("messages are paired by content, never by number", "[popspool][uidl]") {
  const IdListing now{message("n0", 10, "a"), message("n1", 20, "b"), message("n2", 30, "c")};
  CHECK(paired(IdListing{message("o", 30, "c"), message("p", 10, "a")}, now) == Pairs{2, 0});
  CHECK(paired(IdListing{message("o", 31, "c")}, now) == Pairs{2});  // sizes are counted in ways
  CHECK(paired(IdListing{message("o", 10, "x")}, now) == Pairs{std::nullopt});
  CHECK(paired(IdListing{message("o", 0, "b")}, now) == Pairs{1});
}

TEST_CASE("equal messages are paired in order, and not at all where some are missing",
          "[popspool][uidl]") {
  const IdListing two{message("n0", 10, "a"), message("n1", 10, "a")};
  CHECK(paired(two, two) == Pairs{0, 1});
  const IdListing sizes{message("o0", 11, "a"), message("o1", 12, "a")};
  CHECK(paired(sizes, two) == Pairs{0, 1});
  CHECK(paired(IdListing{sizes[0]}, two) == Pairs{std::nullopt});
}

TEST_CASE("without headers only a size that one message has tells", "[popspool][uidl]") {
  const IdListing now{message("n0", 10, "a"), message("n1", 20, "b"), message("n2", 20, "c")};
  CHECK(paired(IdListing{message("o", 10, ""), message("p", 20, ""), message("q", 0, "")}, now) ==
        Pairs{0, std::nullopt, std::nullopt});
}

TEST_CASE("A size gives no id to a message whose content is known to be another",
          "[popspool][uidl]") {
  const IdListing now{message("n0", 10, "a"), message("n1", 20, "b")};
  CHECK(paired(IdListing{message("o", 10, "x"), message("p", 20, "")}, now) ==
        Pairs{std::nullopt, 1});
}

TEST_CASE("an export is read as it was written, and its damage told", "[popspool][uidl]") {
  const IdListing listing{message("a", 10, "f"), message("b", 0, "")};
  const std::string text = std::string{export_first_line} + export_lines("jo", listing) +
                           "# said by hand\n" + export_lines("ann", {});
  const Result<std::map<std::string, IdListing>> read = parse_export(text);
  REQUIRE(read);
  CHECK(read->at("jo") == listing);
  CHECK(read->at("ann").empty());
  CHECK(!parse_export("jo\t1\ta\t10\tf\n"));
  CHECK(!parse_export(text.substr(0, text.find("jo\t2"))));  // cut off
  CHECK(!parse_export(text + export_lines("jo", listing)));
  CHECK(!parse_export(std::string{export_first_line} + "jo\t2\ta\t10\tf\n"));
  CHECK(!parse_export(std::string{export_first_line} + "jo\t1\ta\tten\tf\n"));
}

TEST_CASE("an imported export is listed, and the mail stays as it is", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  const std::string maildir = add_maildir(bed, "ann", 3);
  for (const std::string& target : {spool, maildir}) {
    const std::string old = put(bed, "old", export_of(bed, target, {"o1", "o2", "o3"}));
    const ToolOutcome differs = bed.call({"uidl", "verify", "--from", old, target});
    CHECK(differs.status == ExitStatus::found);
    CHECK(differs.out.find("message 1: was o1, which no message has now; now it is ") == 0);
    CHECK(bed.call({"-n", "uidl", "import", "--from", old, target}).status == ExitStatus::ok);
    CHECK(listed(bed, target)[0] != "o1");
    const ToolOutcome done = bed.call({"uidl", "import", "--from", old, target});
    CHECK(done.err.empty());
    CHECK(done.status == ExitStatus::ok);
    CHECK(done.out == "3 of 3 messages have got the other server's unique-id\n");
    CHECK(listed(bed, target) == Strings{"o1", "o2", "o3"});
    CHECK(bed.call({"uidl", "verify", "--from", old, target}).status == ExitStatus::ok);
    CHECK(bed.call({"uidl", "import", "--from", old, target}).status == ExitStatus::ok);
    CHECK(listed(bed, target) == Strings{"o1", "o2", "o3"});
  }
  CHECK(get_file(spool) == small_spool(3));
}

TEST_CASE("what cannot be imported keeps its own id, and is told", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(5));
  const Strings own = listed(bed, spool);
  std::string text =
      export_of(bed, spool, {own[1], "same", "same", std::string(71, 'x'), "with\x80octet"});
  const std::string old = put(bed, "old", text);
  const ToolOutcome done = bed.call({"uidl", "import", "--from", old, spool});
  CHECK(done.status == ExitStatus::found);
  CHECK(done.out.find("2 of 5 messages") == 0);
  CHECK(done.out.find("3 keep their own") != std::string::npos);
  CHECK(done.err.find("\"same\" is not taken over: another message has it") != std::string::npos);
  CHECK(listed(bed, spool) == Strings{own[1], "same", own[2], own[3], own[4]});
}

TEST_CASE("a message whose own id another one has imported gets a number behind it",
          "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(2));
  const Strings own = listed(bed, spool);
  std::string text = export_of(bed, spool, {"x", own[0]});
  text.erase(text.find(spool + "\t1\t"), text.find(spool + "\t2\t") - text.find(spool + "\t1\t"));
  text.replace(text.find("\t-\t2\t"), 5, "\t-\t1\t");
  text.replace(text.find("\t2\t"), 3, "\t1\t");
  CHECK(bed.call({"uidl", "import", "--from", put(bed, "old", text), spool}).status ==
        ExitStatus::found);
  CHECK(listed(bed, spool) == Strings{own[0] + "-2", own[0]});
}

TEST_CASE("verify tells what moved, what went and what came", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  const Strings own = listed(bed, spool);
  const auto verify = [&](const Strings& ids) {
    const std::string old = put(bed, "old", export_of(bed, spool, ids));
    return bed.call({"uidl", "verify", "--from", old, spool});
  };
  CHECK(verify(own).out.empty());
  const ToolOutcome swapped = verify({own[1], own[0], own[2]});
  CHECK(swapped.status == ExitStatus::found);
  CHECK(swapped.out.find("message 1: was " + own[1] + ", which is message 2 now; now it is " +
                         own[0]) == 0);
  const std::string old = put(bed, "old", export_of(bed, spool, own));
  bed.add_spool("jo", small_spool(4));
  CHECK(bed.call({"uidl", "verify", "--from", old, spool}).status == ExitStatus::ok);
  bed.add_spool("jo", small_spool(2));
  const ToolOutcome gone = bed.call({"uidl", "verify", "--from", old, spool});
  CHECK(gone.status == ExitStatus::found);
  CHECK(gone.out.find("message 3: was " + own[2] +
                      ", which no message has now; there is no such message") == 0);
}

TEST_CASE("Verify does not pass over messages whose old id cannot be told", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(3));
  for (const char* form : {"uw", "cyrus", "dovecot", "mailutils"}) {
    const ToolOutcome outcome = bed.call({"uidl", "verify", "--format", form, spool});
    INFO(form << outcome.out);
    CHECK(outcome.status == ExitStatus::found);
    CHECK(outcome.out.find("of 3 messages the other server's unique-id cannot be told") !=
          std::string::npos);
  }
}

TEST_CASE("A pipe in the place of an export does not hold up the others", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(1));
  REQUIRE(::mkfifo(bed.path("old-jo").c_str(), 0600) == 0);
  const ToolOutcome outcome =
      bed.call({"uidl", "verify", "--from", bed.path("old-%s").native(), spool});
  CHECK(outcome.status != ExitStatus::ok);
  CHECK(outcome.err.find("no regular file") != std::string::npos);
}

TEST_CASE("ids of an mbox come from the fields that UW and Dovecot write", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool =
      bed.add_spool("jo", separated(1, "X-IMAPbase: 1139757617 0000000012\nX-UID: 10   \n") +
                              separated(2, "X-UID: 11\n") + separated(3, "X-UID: 4\n") +  // forged
                              separated(4, "X-UID: 13\n"));  // never given
  const auto ids = [&](const Strings& source) {
    Strings arguments{"uidl", "export"};
    arguments.insert(arguments.end(), source.begin(), source.end());
    arguments.push_back(spool);
    const Result<std::map<std::string, IdListing>> parsed = parse_export(bed.call(arguments).out);
    REQUIRE(parsed);
    Strings found;
    for (const ListedId& each : parsed->at(spool)) found.push_back(each.id);
    return found;
  };
  CHECK(ids({"--format", "dovecot"}) == Strings{"0000000a43ef5231", "0000000b43ef5231"});
  CHECK(ids({"--format", "uw"}) == Strings{"43ef52310000000a", "43ef52310000000b"});
  CHECK(ids({"--format", "cyrus"}) == Strings{"1139757617.10", "1139757617.11"});
  CHECK(ids({"--format", "cyrus-old"}) == Strings{"10", "11"});
  CHECK(ids({"--format", "dovecot", "--uidl-format", "%u-%v"}) ==
        Strings{"10-1139757617", "11-1139757617"});
  CHECK(ids({"--format", "popa3d"}).size() == 4);
  CHECK(ids({"--format", "tpop3d"}).size() == 4);
  CHECK(ids({"--format", "mailutils"}).empty());
  CHECK(ids({"--format", "qpopper"})[0].size() == 20);
  CHECK(ids({"--format", "qpopper-old"})[0].size() == 32);
}

TEST_CASE("the hidden first message of UW tells the UIDVALIDITY", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool(
      "jo",
      "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nFrom: Mail System Internal Data "
      "<x@example.org>\n"
      "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 16 0000000009\n\n"
      "text\n\n" +
          separated(1, "X-UID: 9\n"));
  CHECK(bed.call({"uidl", "export", "--format", "uw", spool}).out.find("\t1\t0000001000000009\t") !=
        std::string::npos);
}

TEST_CASE("Dovecot's list of a Maildir is read in both versions", "[popspool][uidl]") {
  const Result<FileList> third = parse_dovecot_uidlist(
      "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1 P%v.%u\n"
      "1 S10 W12 Pstored O7 Gguid :1001.host,S=10:2,S\n2 P :1002 with blank\n3 :1003\n");
  REQUIRE(third);
  CHECK(third->uidvalidity == 1275660208U);
  CHECK(third->uidl_format == "%v.%u");
  CHECK(third->entries.at("1001.host,S=10").id == "stored");
  CHECK(third->entries.at("1001.host,S=10").order == 7U);
  CHECK(third->entries.at("1001.host,S=10").guid == "guid");
  CHECK(third->entries.at("1002 with blank").id == "1002 with blank");
  CHECK(third->entries.at("1003").id.empty());
  const Result<FileList> first = parse_dovecot_uidlist("1 7 3\n1 1001.host:2,S\n2 1002\n");
  REQUIRE(first);
  CHECK(first->uidvalidity == 7U);
  CHECK(first->entries.at("1001.host").uid == 1U);
  for (const std::string_view wrong :
       {"", "2 7 3\n", "3 N1\n", "3 V1\n0 :a\n", "3 V1\nx :a\n", "3 V1\n1 Pfoo\n", "3 V1\n1 :\n"}) {
    INFO(wrong);
    CHECK(!parse_dovecot_uidlist(wrong));
  }
}

TEST_CASE("Courier's list is read in all its versions", "[popspool][uidl]") {
  const auto id = [](std::string_view content, std::string_view base) {
    const Result<FileList> list = parse_courier_sizelist(content);
    REQUIRE(list);
    return list->entries.at(std::string{base}).id;
  };
  CHECK(id("/3 9 1234\n1001.host:2,S 100 7:1234:1\n", "1001.host") == "UID7-1234");
  CHECK(id("/2 9 1234\n1001 host 100 7:1234\n", "1001 host") == "UID7-1234");
  CHECK(id("/2 9 0\n1001.host 100 7:0\n", "1001.host") == "UID7");
  CHECK(id("/2 9 0\n1001'host 100 0:0\n", "1001'host") == "1001+27host");
  CHECK(id("1001.host 100 7\n", "1001.host") == "UID7");
  CHECK(id("1001.host 100\n1002+host 100\n", "1002+host") == "1002+2Bhost");
  CHECK(!parse_courier_sizelist("/4 9 1\n"));
  CHECK(!parse_courier_sizelist("/3 9 1\n1001.host 100\n"));
}

TEST_CASE("courier-pop 1.0.16 listed a Maildir so", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string maildir = add_maildir(bed, "ann", 0);
  for (const char* name : {"900.z:2,", "1001.b:2,", "1002.a+c'd:2,", "1003.M1.host:2,S"}) {
    put_file(maildir + "/cur/" + name, mail(name[3] - '0'));
  }
  put_file(maildir + "/courierpop3dsizelist",
           "/3 5 1795307421\n900.z:2, 21 4:1795307421:0\n1001.b:2, 20 1:1795307421:0\n"
           "1002.a+c'd:2, 22 2:1795307421:0\n1003.M1.host:2,S 20 3:1795307421:0\n");
  CHECK(bed.call({"uidl", "import", "--format", "courier", maildir}).status == ExitStatus::ok);
  CHECK(listed(bed, maildir) ==
        Strings{"UID4-1795307421", "UID1-1795307421", "UID2-1795307421", "UID3-1795307421"});
}

TEST_CASE("a Maildir is listed as its old server did", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string maildir = add_maildir(bed, "ann", 3);
  put_file(maildir + "/dovecot-uidlist",
           "3 V5 N9\n2 :1003.host\n3 :1001.host\n4 O1 :1002.host:2,\n");
  CHECK(bed.call({"uidl", "import", "--format", "dovecot", maildir}).status == ExitStatus::ok);
  CHECK(listed(bed, maildir) ==
        Strings{"0000000400000005", "0000000200000005", "0000000300000005"});
  put_file(maildir + "/courierpop3dsizelist",
           "/2 9 7\n1003.host 1 1:7\n1001.host 1 2:7\n1002.host 1 3:7\n");
  CHECK(bed.call({"uidl", "import", "--format", "courier", maildir}).status == ExitStatus::ok);
  CHECK(listed(bed, maildir) == Strings{"UID2-7", "UID3-7", "UID1-7"});
  fs::last_write_time(maildir + "/cur/1001.host:2,S",
                      fs::file_time_type::clock::now() + std::chrono::hours{1});
  CHECK(bed.call({"uidl", "import", "--format", "qmail", maildir}).status == ExitStatus::ok);
  CHECK(listed(bed, maildir).back() == "1001.host");
}

TEST_CASE("ids are taken from the old maildrop beside the new one", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", separated(2) + separated(1) + separated(3));
  fs::create_directories(bed.path("old"));
  const std::string maildir = add_maildir(bed, "../old/jo", 3);
  put_file(maildir + "/dovecot-uidlist", "3 V5 N9\n1 :1001.host\n2 :1002.host\n3 :1003.host\n");
  const ToolOutcome done = bed.call(
      {"uidl", "import", "--format", "dovecot", "--from", bed.path("old/%s").native(), spool});
  CHECK(done.err.find("in another order") != std::string::npos);
  CHECK(done.status == ExitStatus::found);
  CHECK(listed(bed, spool) == Strings{"0000000200000005", "0000000100000005", "0000000300000005"});

  fs::create_directories(bed.path("cyrus"));
  for (int i = 1; i <= 3; ++i) {
    std::string crlf;
    for (const char c : mail(i)) crlf += c == '\n' ? "\r\n" : std::string(1, c);
    put_file(bed.path("cyrus") / (std::to_string(i + 4) + "."), crlf);
  }
  CHECK(bed.call({"uidl", "import", "--format", "cyrus", "--uidvalidity", "99", "--from",
                  bed.path("cyrus").native(), spool})
            .status == ExitStatus::found);
  CHECK(listed(bed, spool) == Strings{"99.6", "99.5", "99.7"});
}

TEST_CASE("guess tells which form explains how many ids", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool =
      bed.add_spool("jo", separated(1, "X-IMAPbase: 16 3\nX-UID: 1\n") +
                              separated(2, "X-UID: 2\n") + separated(3, "X-UID: 3\n"));
  const std::string old =
      put(bed, "old", export_of(bed, spool, {"0000001000000001", "0000001000000002", "else"}));
  const ToolOutcome guessed = bed.call({"uidl", "guess", "--from", old, spool});
  CHECK(guessed.status == ExitStatus::found);
  CHECK(guessed.out.find(" 66.6 %  2 of 3 ids  ") == 0);
  CHECK(guessed.out.find("uw (UW ipop3d") != std::string::npos);
  CHECK(guessed.out.find(" 33.3 %  1 of 3 ids  not explained") != std::string::npos);
}

TEST_CASE("popspool uidl refuses sources that contradict themselves", "[popspool][uidl]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(1));
  for (const Strings& source :
       std::initializer_list<Strings>{{},
                                      {"--format", "nonsense"},
                                      {"--format", "export"},
                                      {"--format", "uw", "--server", "localhost"},
                                      {"--from", "x", "--tls", "none"},
                                      {"--server", "localhost", "--tls", "nonsense"},
                                      {"--format", "uw", "--uidl-format", "%u"},
                                      {"--format", "dovecot", "--uidl-format", "%q"},
                                      {"--format", "cyrus", "--uidvalidity", "0"},
                                      {"--format", "dovecot", "--uidvalidity", "1"},
                                      {"--format", "cyrus", "--uidvalidity", "1"},
                                      {"--server", "localhost", "--stdin"}}) {
    Strings arguments{"uidl", "import"};
    arguments.insert(arguments.end(), source.begin(), source.end());
    arguments.push_back(spool);
    const ToolOutcome refused = bed.call(arguments);
    INFO((source.empty() ? "" : source.back()) << refused.err);
    CHECK(refused.status == ExitStatus::usage);
  }
  CHECK(bed.call({"uidl", "import", "--from", bed.path("none").native(), spool}).status ==
        ExitStatus::no_input);
  CHECK(bed.call({"uidl", "import", "--format", "qmail", spool}).status == ExitStatus::usage);
}

}  // namespace pop::test
