#include "bull/bulletin.h"

#include <stdlib.h>
#include <time.h>

#include "mail/unique_id.h"
#include "support/catch.h"

namespace pop {
namespace {

const std::string from_line = "From qpop Wed Nov  9 13:31:08 1994\n";
const std::string header =
    "Date: Wed, 9 Nov 1994 13:31:07 -0800 (PST)\n"
    "To: user@localhost\n"
    "From: POP Administrator <postmaster@localhost>\n"
    "Subject: Example bulletin\n";
const std::string body = "The system will be down.\n";
const BulletinName name = *bulletin_name("23.down");

Bulletin sound(const std::string& octets) {
  BulletinReading reading = read_bulletin(octets);
  INFO(reading.what_breaks());
  REQUIRE(reading.bulletin);
  return *reading.bulletin;
}

std::string breaks(const std::string& octets) {
  const BulletinReading reading = read_bulletin(octets);
  CHECK_FALSE(reading.bulletin);
  return reading.what_breaks();
}

std::string message_of(const std::string& octets) {
  return message_for(sound(octets), name, "jo", "pop.example.org");
}

std::string id_line(const std::string& octets) {
  return "X-UIDL: " + bulletin_id(sound(octets), name) + "\n";
}

TEST_CASE("The manual's example is a bulletin without a defect", "[bull][bulletin]") {
  const BulletinReading reading = read_bulletin(from_line + header + "\n" + body);
  CHECK(reading.defects.empty());
  REQUIRE(reading.bulletin);
  CHECK(reading.bulletin->from_line + "\n" == from_line);
  CHECK(reading.bulletin->header == header);
  CHECK(reading.bulletin->body == body);
}

TEST_CASE("A message is the bulletin with another To: and an identity", "[bull][bulletin]") {
  const std::string octets = from_line + header + "\n" + body;
  CHECK(message_of(octets) ==
        "Date: Wed, 9 Nov 1994 13:31:07 -0800 (PST)\n"
        "To: jo@pop.example.org\n"
        "From: POP Administrator <postmaster@localhost>\n"
        "Subject: Example bulletin\n" +
            id_line(octets) + "\n" + body);
}

TEST_CASE("A virtual user's name with its domain is not given another one", "[bull][bulletin]") {
  const Bulletin bulletin = sound(from_line + header + "\n" + body);
  CHECK(message_for(bulletin, name, "jo@example.org", "pop.example.net")
            .find("\nTo: jo@example.org\n") != std::string::npos);
}

TEST_CASE("A folded To: is replaced as a whole", "[bull][bulletin]") {
  const std::string octets = from_line +
                             "Subject: x\nto : a@example.org,\n\tb@example.org,\n c@example.org\n"
                             "X-Folded: a\n b\nTo: second@example.org\n\n" +
                             body;
  CHECK(message_of(octets) ==
        "Subject: x\nTo: jo@pop.example.org\nX-Folded: a\n b\n" + id_line(octets) + "\n" + body);
}

TEST_CASE("Bookkeeping and the terms are nobody's business", "[bull][bulletin]") {
  const std::string octets = from_line +
                             "Status: RO\nX-UIDL: abc\nX-Status: A\nContent-Length: 7\n"
                             "Popper-Bulletin-Users: jo,\n ann\nSubject: x\nstatus: O\n\n" +
                             body;
  CHECK(message_of(octets) == "Subject: x\n" + id_line(octets) + "\n" + body);
}

TEST_CASE("A body is passed on as it is", "[bull][bulletin]") {
  const std::string mime =
      "--b\nContent-Type: text/plain\n\n>From me\n\n.\n..\n\xc3\xa9\r\n\n--b--\n\n\n";
  const std::string octets = from_line + header + "\n" + mime;
  CHECK(message_of(octets).ends_with("\n\n" + mime));
}

TEST_CASE("CRLF becomes LF, and a last line end is supplied", "[bull][bulletin]") {
  std::string octets;
  for (const char c : from_line + header + "\n" + body)
    octets += c == '\n' ? "\r\n" : std::string{c};
  octets.resize(octets.size() - 2);
  CHECK(message_of(octets) == message_of(from_line + header + "\n" + body));
}

TEST_CASE("Each defect that breaks a bulletin is told with its line", "[bull][bulletin]") {
  CHECK(breaks("") == "it is empty");
  CHECK(
      breaks(header + "\n" + body).starts_with("line 1: it does not start with a valid \"From \""));
  CHECK(breaks("From me\n" + header + "\n" + body).starts_with("line 1: it does not start"));
  CHECK(breaks(from_line) == "line 2: it has no header");
  CHECK(breaks(from_line + "\n" + body) == "line 2: it has no header");
  CHECK(breaks(from_line + header + body) ==
        "line 6: \"The system will be down.\" is no header field; an empty line must end the "
        "header");
  CHECK(breaks(from_line + " folded\n" + header + "\n").starts_with("line 2: \" folded\" is no"));
  CHECK(breaks(from_line + header + "\n" + body + "\n" + from_line + header + "\n" + body) ==
        "line 9: it would begin another message: write \">From\"");
  CHECK(breaks(from_line + header + "\na" + std::string{'\0'} + "b\n") ==
        "line 7: it holds a NUL octet");
  CHECK(breaks(from_line + header + "Popper-Bulletin-Start: tomorrow\n\n" + body) ==
        "line 6: Popper-Bulletin-Start: \"tomorrow\" is no time such as 2026-12-24 or 2026-12-24 "
        "18:00 +0100");
  CHECK(breaks(from_line + "Popper-Bulletin-User: jo\n" + header + "\n" + body) ==
        "line 2: Popper-Bulletin-User: there are Start, End, Users and Pattern");
  CHECK(breaks(from_line + "Popper-Bulletin-Pattern: (\n" + header + "\n" + body)
            .starts_with("line 2: Popper-Bulletin-Pattern: "));
}

TEST_CASE("A CR does not hide that a line would begin another message", "[bull][bulletin]") {
  const std::string separator = from_line.substr(0, from_line.size() - 1);
  const std::string_view complaint = "would begin another message";
  CHECK(breaks(from_line + header + "\n" + separator + "\r\nSubject: y\n").find(complaint) !=
        std::string::npos);
  CHECK(breaks(from_line + header + "\na\n\r\n" + separator + "\nSubject: y\n").find(complaint) !=
        std::string::npos);
}

TEST_CASE("A line of four ^A does not cut a bulletin in two in an MMDF spool", "[bull][bulletin]") {
  const std::string start = from_line + header + "\n" + body;
  CHECK(breaks(start + "\1\1\1\1\nmore\n") ==
        "line 8: four ^A would end the message in an MMDF spool");
  CHECK(breaks(start + "\1\1\1\1\r\nmore\n").starts_with("line 8: four ^A"));
  CHECK(breaks(start + "\1\1\1\1").starts_with("line 8: four ^A"));
  CHECK(sound(start + "\1\1\1\n >\1\1\1\1\n").body == body + "\1\1\1\n >\1\1\1\1\n");
}

TEST_CASE("Lesser defects are told, and do no harm", "[bull][bulletin]") {
  const BulletinReading reading =
      read_bulletin(from_line + "Subject: x\nSubject: y\n\nsee\nFrom me to you\n");
  REQUIRE(reading.bulletin);
  std::vector<std::string> texts;
  for (const BulletinDefect& defect : reading.defects) {
    CHECK(defect.weight == BulletinDefect::Weight::warns);
    texts.push_back(std::to_string(defect.line) + " " + defect.text);
  }
  CHECK(texts == std::vector<std::string>{
                     "0 it has no From: field", "0 it has no Date: field",
                     "0 it has more than one Subject: field",
                     "6 some mail programs take it for the beginning of another message: write "
                     "\">From\""});
}

TEST_CASE("An identity is a unique-id and that of one text only", "[bull][bulletin]") {
  const Bulletin one = sound(from_line + header + "\n" + body);
  const Bulletin other = sound(from_line + header + "X-A: b\n\n" + body);
  CHECK(is_valid_unique_id(bulletin_id(one, *bulletin_name("9223372036854775807.x"))));
  CHECK(bulletin_id(one, name) == bulletin_id(one, *bulletin_name("0023.renamed")));
  CHECK(bulletin_id(one, name) != bulletin_id(one, *bulletin_name("24.down")));
  CHECK(bulletin_id(one, name) != bulletin_id(other, name));
}

TEST_CASE("Terms name users by list, wildcard and pattern", "[bull][bulletin][terms]") {
  const Bulletin bulletin = sound(from_line +
                                  "Popper-Bulletin-Users: jo, ann\n *@example.org\n"
                                  "popper-bulletin-pattern: s[0-9]+|mary\n" +
                                  header + "\n" + body);
  for (const std::string user : {"jo", "ann", "x@example.org", "s1", "mary"}) {
    CAPTURE(user);
    CHECK(bulletin.terms.are_for(user));
  }
  for (const std::string user : {"j", "joe", "x@example.com", "xs1", "maryx", ""}) {
    CAPTURE(user);
    CHECK_FALSE(bulletin.terms.are_for(user));
  }
  CHECK(BulletinTerms{}.are_for("anybody"));
}

TEST_CASE("Times are read in their zone or in the machine's", "[bull][terms]") {
  const char* const before = ::getenv("TZ");
  const std::string zone_before = before == nullptr ? "" : before;
  ::setenv("TZ", "UTC-2", 1);  // two hours east
  ::tzset();
  CHECK(bulletin_time("1970-01-02", WholeDay::begins) == 86400 - 7200);
  CHECK(bulletin_time("1970-01-02", WholeDay::ends) == 2 * 86400 - 1 - 7200);
  CHECK(bulletin_time("1970-01-02 03:04", WholeDay::ends) == 86400 + 3 * 3600 + 240 - 7200);
  CHECK(bulletin_time("1970-01-02T03:04:05Z", WholeDay::ends) == 86400 + 3 * 3600 + 245);
  CHECK(bulletin_time("1970-01-02 03:04:05 +0130", WholeDay::ends) ==
        86400 + 3 * 3600 + 245 - 5400);
  CHECK(bulletin_time("1970-01-02 03:04 -01:00", WholeDay::ends) == 86400 + 4 * 3600 + 240);
  for (const std::string_view text :
       {"", "1970", "1970-1-2", "1970-02-30", "1970-13-01", "1970-01-02 ", "1970-01-02 24:00",
        "1970-01-02 3:04", "1970-01-02 03:04 CET", "1970-01-02 03:04 +01", "1970-01-02 03:04Zx"}) {
    CAPTURE(text);
    CHECK_FALSE(bulletin_time(text, WholeDay::begins));
  }
  before == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", zone_before.c_str(), 1);
  ::tzset();
}

}  // namespace
}  // namespace pop
