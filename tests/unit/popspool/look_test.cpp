#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

#include "popspool/mime_text.h"
#include "popspool/size_record.h"
#include "popspool/spool_report.h"
#include "popspool/text_search.h"
#include "popspool_bed.h"

namespace pop {
namespace {

using namespace std::string_literals;
using test::PopspoolBed;
using test::small_spool;

const std::string encoded_mail =
    "From a@example.org Fri Nov 20 10:00:00 2026\n"
    "From: =?iso-8859-1?Q?J=F6?= <Jo@Example.ORG>\n"
    "Subject: =?utf-8?B?R3LDvMOfZQ==?=\n =?utf-8?Q?_aus_K=C3=B6ln?=\n"
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=xx\n\n"
    "--xx\nContent-Type: text/plain; charset=iso-8859-1\n"
    "Content-Transfer-Encoding: quoted-printable\n\nsch=F6ner=\n Text\n"
    "--xx\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    "dmVyc3RlY2t0ZXIgU2NoYXR6Cg==\n"
    "--xx\nContent-Type: application/zip; name=\"a.zip\"\nContent-Transfer-Encoding: base64\n\n"
    "AAAA\n--xx--\n\n";

const std::string hostile_mail =
    "From a@example.org Fri Nov 20 10:00:00 2026\nSubject: \x1b]0;owned\a evil\n\n\x1b[2Jbody\n\n";

TEST_CASE("MIME is decoded to UTF-8", "[popspool][mime]") {
  const DecodedMessage message = decode_message(encoded_mail.substr(encoded_mail.find('\n') + 1));
  REQUIRE(message.fields.size() == 4);
  CHECK(message.fields[0].value == "J\xC3\xB6 <Jo@Example.ORG>");
  CHECK(message.fields[1].value ==
        "Gr\xC3\xBC\xC3\x9F"
        "e aus K\xC3\xB6ln");
  REQUIRE(message.parts.size() == 3);
  CHECK(message.parts[0].text == "sch\xC3\xB6ner Text");
  CHECK(message.parts[1].text == "versteckter Schatz\n");
  CHECK(message.parts[2].type == "application/zip");
  CHECK(message.parts[2].file_name == "a.zip");
  CHECK(message.parts[2].octets == 3);
  CHECK(address_of(message.fields[0].value) == "jo@example.org");
}

TEST_CASE("What is no MIME is text, and always UTF-8", "[popspool][mime]") {
  for (const std::string& stored :
       {std::string{}, std::string{"\n"}, std::string{"no header"}, std::string{"A: b"},
        std::string{"Content-Type: text/plain; charset=nonsense\n\n\xff\xfe"},
        std::string{"Content-Type: multipart/mixed; boundary=\n\n--\n"},
        "Subject: =?utf-8?B?////?= =?x-none?Q?=FF?=\n\n\0x\n"s}) {
    CAPTURE(stored);
    const DecodedMessage message = decode_message(stored);
    for (const DecodedPart& part : message.parts) {
      CHECK(TextSearch::make("", TextSearch::Kind::fixed, TextSearch::Case::matters)
                ->matches(part.text));
    }
  }
  CHECK(address_of("nobody at all").find('@') == std::string::npos);
  CHECK(address_of("").empty());
}

TEST_CASE("Messages nested without end do no harm", "[popspool][mime]") {
  std::string deep;
  for (int i = 0; i < 20'000; ++i) {
    deep += "Content-Type: message/rfc822\n\n";
  }
  (void)decode_message(deep);
  std::string parts;
  for (int i = 0; i < 5'000; ++i) {
    const std::string boundary = "b" + std::to_string(i);
    parts += "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n--" + boundary + "\n";
  }
  (void)decode_message(parts);
}

TEST_CASE("popspool show prints a message as a person reads it", "[popspool][show]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(2) + encoded_mail);
  const test::ToolOutcome outcome = bed.call({"show", spool, "3"});
  CHECK(outcome.err.empty());
  CHECK(outcome.out.starts_with("message 3 ("));
  CHECK(outcome.out.find("Subject: Gr\xC3\xBC\xC3\x9F"
                         "e aus K\xC3\xB6ln\n") != std::string::npos);
  CHECK(outcome.out.find("\nsch\xC3\xB6ner Text\n") != std::string::npos);
  CHECK(outcome.out.find("[application/zip a.zip, 3 octets]") != std::string::npos);
  const std::string json = bed.call({"show", "--json", spool, "3"}).out;
  CHECK(json.find("{\"name\":\"From\",\"value\":\"J\xC3\xB6 <Jo@Example.ORG>\"}") !=
        std::string::npos);
  CHECK(json.find("\"file\":\"a.zip\",\"text\":null,\"octets\":3") != std::string::npos);
}

TEST_CASE("Messages are chosen by number, range and unique-id", "[popspool][show]") {
  const PopspoolBed bed;
  const std::string spool =
      bed.add_spool("jo", small_spool(4) +
                              "From a@example.org Thu Jan  1 00:00:00 1970\nX-UIDL: own\n"
                              "Subject: number 5\n\nhello\n\n");
  const auto subjects = [&](std::vector<std::string> choice) {
    choice.insert(choice.begin(), {"headers", spool});
    std::string found;
    const std::string out = bed.call(choice).out;
    for (std::size_t at = out.find("number "); at != out.npos; at = out.find("number ", at + 1)) {
      found += out[at + 7];
    }
    return found;
  };
  CHECK(subjects({}) == "12345");
  CHECK(subjects({"2"}) == "2");
  CHECK(subjects({"4-", "1"}) == "145");
  CHECK(subjects({"2-3", "3"}) == "23");
  CHECK(subjects({"own"}) == "5");
  for (const char* wrong : {"0", "6", "3-9", "5-4", "other"}) {
    CAPTURE(wrong);
    CHECK(bed.call({"headers", spool, wrong}).status == ExitStatus::no_input);
  }
}

TEST_CASE("popspool cat prints what is stored", "[popspool][cat]") {
  const PopspoolBed bed;
  const std::string text = small_spool(2) + encoded_mail + hostile_mail;
  const std::string spool = bed.add_spool("jo", text);
  CHECK((bed.call({"cat", spool}).out == text));
  CHECK((bed.call({"cat", spool, "1"}).out == small_spool(1)));
  CHECK(bed.call({"cat", "--json", spool}).status == ExitStatus::usage);
}

TEST_CASE("popspool grep finds decoded text", "[popspool][grep]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(2) + encoded_mail);
  CHECK(bed.call({"grep", "Schatz", spool}).out == "3:versteckter Schatz\n");
  CHECK(bed.call({"grep", "K\xC3\xB6ln$", spool}).out ==
        "3:Subject: Gr\xC3\xBC\xC3\x9F"
        "e aus K\xC3\xB6ln\n");
  CHECK(bed.call({"grep", "-i", "SCH\xC3\x96NER", spool}).out == "3:sch\xC3\xB6ner Text\n");
  CHECK(bed.call({"grep", "SCH\xC3\x96NER", spool}).out.empty());
  CHECK(bed.call({"grep", "-c", "^hel+o$", spool}).out == "2\n");
  CHECK(bed.call({"grep", "-c", "-F", "hel+o", spool}).out == "0\n");
  const std::string listed = bed.call({"grep", "-l", "hello", spool}).out;
  CHECK(std::ranges::count(listed, '\n') == 2);
  CHECK(listed.starts_with("1:"));
  const std::string other = bed.add_spool("al", small_spool(1));
  CHECK(bed.call({"grep", "hello", other, spool}).out.starts_with(other + ":1:hello\n" + spool));
  const std::string json = bed.call({"grep", "--json", "Schatz", spool}).out;
  CHECK(json.find("\"matching\":1,\"messages\":[{\"number\":3,") != std::string::npos);
  CHECK(json.find("\"lines\":[\"versteckter Schatz\"]") != std::string::npos);
}

TEST_CASE("popspool grep refuses a wrong expression and survives a costly one",
          "[popspool][grep]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool(
      "jo", "From a@example.org Thu Jan  1 00:00:00 1970\n\n" + std::string(5000, 'a') + "\n");
  CHECK(bed.call({"grep", "(", spool}).status == ExitStatus::usage);
  const test::ToolOutcome outcome = bed.call({"grep", "^(a|a)*(a|a)*(a|a)*b$", spool});
  CHECK((outcome.status == ExitStatus::ok || outcome.status == ExitStatus::data));
}

TEST_CASE("Hostile headers do not reach the terminal", "[popspool][show]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", hostile_mail);
  for (const char* verb : {"show", "headers", "list", "stat"}) {
    CAPTURE(verb);
    const std::string out = bed.call({verb, spool}).out;
    CHECK_FALSE(out.empty());
    CHECK(out.find('\x1b') == std::string::npos);
    CHECK(out.find('\a') == std::string::npos);
  }
  CHECK(bed.call({"grep", "evil", spool}).out.find('\x1b') == std::string::npos);
  CHECK(bed.call({"show", "--json", spool}).out.find('\x1b') == std::string::npos);
}

TEST_CASE("popspool stat tells of mail, index and locks", "[popspool][stat]") {
  const PopspoolBed bed;
  const std::string spool = bed.add_spool("jo", small_spool(2) + encoded_mail);
  const std::string text = bed.call({"stat", spool}).out;
  CHECK(text.find("messages    3 (3 unread)\n") != std::string::npos);
  CHECK(text.find("oldest      message 1, ") != std::string::npos);
  CHECK(text.find("newest      message 3, ") != std::string::npos);
  CHECK(text.find("2026-11-20T10:00:00Z\n") != std::string::npos);
  CHECK(text.find("index       missing\n") != std::string::npos);
  CHECK(text.find("lock ") == std::string::npos);
  const Fd drop{::open((bed.spool_dir() / ".jo.pop").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  REQUIRE(::flock(drop.get(), LOCK_EX) == 0);
  const std::string json = bed.call({"stat", "--json", spool}).out;
  CHECK(json.find("\"format\":\"mbox\",\"messages\":3,\"unread\":3,\"hidden\":0,") !=
        std::string::npos);
  CHECK(json.find("{\"lock\":\"session\",\"holder\":\"process " + std::to_string(::getpid())) !=
        std::string::npos);
}

TEST_CASE("popspool top lists the largest and what they grew", "[popspool][top]") {
  const PopspoolBed bed;
  bed.add_spool("small.one", small_spool(1));
  const std::string large = bed.add_spool("large.one", small_spool(9));
  const std::string state = bed.path("sizes");
  const test::ToolOutcome first = bed.call({"top", "--state", state, "-q"});
  CHECK(first.err.empty());
  CHECK(first.out == "           630  " + large + "\n            70  " + bed.spool_dir().native() +
                         "/small.one\n");
  bed.add_spool("small.one", small_spool(10));
  bed.add_spool("third.one", small_spool(1));
  const std::string second = bed.call({"top", "--state", state, "--growth", "-c", "2", "-q"}).out;
  CHECK(second == "           701          +631  " + bed.spool_dir().native() +
                      "/small.one\n            70           new  " + bed.spool_dir().native() +
                      "/third.one\n");
  CHECK(bed.call({"top", "--growth"}).status == ExitStatus::usage);
  CHECK(bed.call({"top", "-c", "0"}).status == ExitStatus::usage);
  CHECK(bed.call({"top", "--state", large}).status == ExitStatus::data);
  CHECK((bed.call({"cat", large}).out == small_spool(9)));
}

TEST_CASE("A record of sizes is read back as it was written", "[popspool][top]") {
  SizeRecord record{.taken = 5, .sizes = {}};
  record.set("a\nb c", 7);
  record.set("", 8);
  const auto read = SizeRecord::parse(record.serialised());
  REQUIRE(read);
  CHECK(read->taken == 5);
  CHECK(read->growth_of("a\nb c", 5) == std::optional<std::int64_t>{-2});
  CHECK(read->growth_of("", 9) == std::optional<std::int64_t>{1});
  CHECK(read->growth_of("x", 9) == std::nullopt);
  for (const char* wrong :
       {"", "popspool sizes 1 x\n", "popspool sizes 2 5\n", "popspool sizes 1 5\n7\n",
        "popspool sizes 1 5\nx y\n", "popspool sizes 1 5\n7 torn"}) {
    CAPTURE(wrong);
    CHECK_FALSE(SizeRecord::parse(wrong));
  }
}

TEST_CASE("The page of a report escapes what mail brings", "[popspool][report]") {
  SpoolReport report{.made = 0};
  const std::string hostile = "<script>alert('x')</script>&\"\x1b";
  report.maildrops.push_back(
      {.target = hostile, .messages = 1, .unread = 1, .bytes = 10, .growth = -3});
  report.earlier = 0;
  report.senders[hostile] = {1, 10};
  report.failed.push_back(hostile);
  const std::string page = html_of(report);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("\x1b") == std::string::npos);
  CHECK(page.find("&lt;script&gt;") != std::string::npos);
  CHECK(page.find("http://") == std::string::npos);
  CHECK(page.find("https://") == std::string::npos);
}

TEST_CASE("Sizes and ages have their classes", "[popspool][report]") {
  CHECK(size_class(0) == 0);
  CHECK(size_class(4096) == 0);
  CHECK(size_class(4097) == 1);
  CHECK(size_class(~std::uint64_t{0}) == size_classes.size() - 1);
  CHECK(age_class(-5) == 0);
  CHECK(age_class(86400) == 0);
  CHECK(age_class(86401) == 1);
  CHECK(age_class(std::int64_t{1} << 40) == age_classes.size() - 1);
}

TEST_CASE("popspool report writes a page and remembers sizes", "[popspool][report]") {
  const PopspoolBed bed;
  bed.add_spool("one", small_spool(3) + encoded_mail);
  const std::string page = bed.path("page.html"), state = bed.path("sizes");
  CHECK(bed.call({"report"}).status == ExitStatus::usage);
  REQUIRE(bed.call({"report", "--html", page, "--state", state}).status == ExitStatus::ok);
  bed.add_spool("one", small_spool(30));
  REQUIRE(bed.call({"report", "--html", page, "--state", state}).status == ExitStatus::ok);
  std::ifstream stream{page};
  const std::string text{std::istreambuf_iterator<char>{stream}, {}};
  CHECK(text.find("Growth since ") != std::string::npos);
  CHECK(text.find("<b>30</b>messages") != std::string::npos);
  CHECK(text.find("Messages by age") != std::string::npos);
  CHECK(text.find("older</text>") != std::string::npos);
}

}  // namespace
}  // namespace pop
