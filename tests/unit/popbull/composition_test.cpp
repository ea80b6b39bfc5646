#include "popbull/composition.h"

#include "popbull/mime_composer.h"
#include "support/catch.h"

namespace pop {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

const Supplement plain{
    .host = "mail.example.org", .now = 1794000000, .fields = {}, .attachments = {}};

std::string body_of(const std::string& message) {
  return message.substr(message.find("\n\n") + 2);
}

std::string composed(const Notice& notice, const Supplement& supplement = plain) {
  const Result<Composition> made = compose(notice, supplement);
  INFO((made ? "" : made.error().text));
  REQUIRE(made);
  return made->message;
}

std::string adapted(std::string_view message, const Supplement& supplement = plain) {
  const Result<Composition> made = adapt(message, supplement);
  INFO((made ? "" : made.error().text));
  REQUIRE(made);
  return made->message;
}

std::string refused(std::string_view message) {
  const Result<Composition> made = adapt(message, plain);
  REQUIRE_FALSE(made);
  return made.error().text;
}

const std::string head = "From: Jo <jo@example.org>\nSubject: Notice\n";

TEST_CASE("A notice in ASCII needs no MIME", "[popbull][compose]") {
  const std::string message =
      composed({.subject = "Downtime", .sender = "Operator <ops>", .text = "Tonight.\n"});
  CHECK_THAT(message, Contains("From: Operator <ops@mail.example.org>\n"));
  CHECK_THAT(message, Contains("Subject: Downtime\n"));
  CHECK_THAT(message, Contains("\nDate: ") || StartsWith("Date: "));
  CHECK_THAT(message, Contains("\nMessage-ID: <"));
  CHECK_THAT(message, Contains("@mail.example.org>\n"));
  CHECK_THAT(message, Contains("To: undisclosed-recipients:;\n"));
  CHECK_THAT(message, !Contains("MIME-Version"));
  CHECK(body_of(message) == "Tonight.\n");
}

TEST_CASE("Characters beyond ASCII are encoded in header and body", "[popbull][compose]") {
  const std::string message =
      composed({.subject = "Wartung ab Fünf, für alle – und überhaupt immer "
                           "wieder, auch wenn die Zeile zu lang wird",
                .sender = "Jörg <joerg@example.org>",
                .text = "Schön, nicht wahr?\n"});
  CHECK(message.find_first_of("\x80\xc3\xe2") == std::string::npos);
  CHECK_THAT(message, Contains("\n =?UTF-8?"));
  CHECK_THAT(message, Contains("From: =?"));
  CHECK_THAT(message, Contains("Content-Type: text/plain; charset=utf-8\n"));
  CHECK_THAT(body_of(message), Contains("Sch=C3=B6n, nicht wahr?\n"));
  std::size_t begin = 0;
  while (begin < message.size()) {
    const std::size_t end = message.find('\n', begin);
    CHECK(end - begin <= 80);
    begin = end + 1;
  }
}

TEST_CASE("No line of a notice's body looks like a separator", "[popbull][compose]") {
  const std::string message = composed(
      {.subject = "x", .sender = "ops", .text = "one\n\nFrom a Thu Jan  1 00:00:00 1970\n"});
  CHECK_THAT(message, !Contains("\nFrom a"));
  CHECK_THAT(message, Contains("\n=46rom a"));
  CHECK_THAT(message, Contains("quoted-printable"));
}

TEST_CASE("A long line of a notice is encoded", "[popbull][compose]") {
  const std::string message =
      composed({.subject = "x", .sender = "ops", .text = std::string(5000, 'y')});
  CHECK_THAT(message, Contains("quoted-printable"));
  CHECK_THAT(message, !Contains(std::string(100, 'y')));
}

TEST_CASE("Attachments follow the text", "[popbull][compose]") {
  Supplement with = plain;
  with.attachments = {{.name = "plän.pdf", .content = std::string{"%PDF-1.4\0\n\xff", 11}}};
  with.fields = {{"Popper-Bulletin-Users", "jo"}};
  const std::string message = composed({.subject = "x", .sender = "ops", .text = "see\n"}, with);
  CHECK_THAT(message, Contains("Content-Type: multipart/mixed; boundary="));
  CHECK_THAT(message, Contains("Popper-Bulletin-Users: jo\n"));
  CHECK_THAT(message, Contains("JVBERi0xLjQACv8="));
  CHECK_THAT(message, Contains("Content-Disposition: attachment"));
  CHECK_THAT(message, Contains("\n\nsee\n"));
  CHECK(message.find_first_of("\x80\xc3") == std::string::npos);
}

TEST_CASE("Subjects and senders that cannot be are refused", "[popbull][compose]") {
  for (const std::string subject : {"", "  ", "a\nBcc: x", "\xff", "a\rb"}) {
    CAPTURE(subject);
    const Result<Composition> made =
        compose({.subject = subject, .sender = "ops", .text = "x"}, plain);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == Errc::usage);
  }
  for (const std::string sender : {"", "a@b, c@d", "<>", "group:;", "jo\n@example.org, x@y"}) {
    CAPTURE(sender);
    const Result<Composition> made =
        compose({.subject = "x", .sender = sender, .text = "x"}, plain);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == Errc::usage);
  }
}

TEST_CASE("A text that is no text is refused with its line", "[popbull][compose]") {
  const Result<Composition> binary =
      compose({.subject = "x", .sender = "ops", .text = std::string{"a\nb\0c\n", 6}}, plain);
  REQUIRE_FALSE(binary);
  CHECK_THAT(binary.error().text, StartsWith("line 2: a NUL"));
  const Result<Composition> latin =
      compose({.subject = "x", .sender = "ops", .text = "a\nb\nsch\xf6n\n"}, plain);
  REQUIRE_FALSE(latin);
  CHECK_THAT(latin.error().text, StartsWith("line 3: not UTF-8"));
}

TEST_CASE("A text that never came is not published", "[popbull][compose]") {
  const Result<Composition> made = compose({.subject = "x", .sender = "ops", .text = " \n"}, plain);
  REQUIRE_FALSE(made);
  CHECK(made.error().text == "the text is empty");
}

TEST_CASE("A message keeps its fields and its body", "[popbull][adapt]") {
  const std::string message = adapted(
      "From jo@example.org Thu Jan  1 00:00:00 1970\r\nStatus: RO\r\nX-UIDL: 1\r\n"
      "Received: from a\r\n\tby b\r\nDate: Wed, 9 Nov 1994 13:31:07 -0800 (PST)\r\n" +
      std::string{"From: Jo <jo@example.org>\r\nSubject: Notice\r\nBcc: boss@example.org\r\n"
                  "Message-ID: <1@a>\r\nTo: all@example.org\r\n\r\nHello\r\n"});
  CHECK(message ==
        "Date: Wed, 9 Nov 1994 13:31:07 -0800 (PST)\nFrom: Jo <jo@example.org>\nSubject: Notice\n"
        "Message-ID: <1@a>\nTo: all@example.org\n\nHello\n");
}

TEST_CASE("What a message lacks is supplied", "[popbull][adapt]") {
  const std::string message = adapted("From: ops\nSubject: Grüße\n\nSchön\n");
  CHECK_THAT(message, StartsWith("From: ops@mail.example.org\n"));
  CHECK_THAT(message, Contains("\nSubject: =?"));
  CHECK_THAT(message, Contains("\nDate: "));
  CHECK_THAT(message, Contains("\nMessage-ID: <"));
  CHECK_THAT(message, Contains("\nTo: undisclosed-recipients:;\n"));
  CHECK_THAT(message, Contains("\nMIME-Version: 1.0\n"));
  CHECK_THAT(message, Contains("\nContent-Type: text/plain; charset=utf-8\n"));
  CHECK_THAT(message, Contains("\nContent-Transfer-Encoding: 8bit\n"));
  CHECK(body_of(message) == "Schön\n");
}

TEST_CASE("A body that says seven bits and has eight says eight", "[popbull][adapt]") {
  const std::string message =
      adapted(head +
              "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n"
              "Content-Transfer-Encoding: 7bit\n\nsch\xf6n\n");
  CHECK_THAT(message, Contains("Content-Transfer-Encoding: 8bit\n"));
  CHECK_THAT(message, !Contains("7bit"));
  CHECK_THAT(message, EndsWith("\n\nsch\xf6n\n"));
}

TEST_CASE("Separators in a message's body are quoted", "[popbull][adapt]") {
  const std::string message = adapted(head + "\nFrom here on\nfrom there\n");
  CHECK(body_of(message) == ">From here on\nfrom there\n");
}

TEST_CASE("Fields that are given replace those of the message", "[popbull][adapt]") {
  Supplement with = plain;
  with.fields = {{"Popper-Bulletin-Users", "jo"}};
  const std::string message = adapted(head + "Popper-Bulletin-Users: everybody\n\nx\n", with);
  CHECK_THAT(message, Contains("\nPopper-Bulletin-Users: jo\n"));
  CHECK_THAT(message, !Contains("everybody"));
}

TEST_CASE("A message gets attachments and keeps its own parts", "[popbull][adapt]") {
  Supplement with = plain;
  with.attachments = {{.name = "a.txt", .content = "attached\n"}};
  const std::string message =
      adapted(head + "MIME-Version: 1.0\nContent-Type: text/html\n\n<b>x</b>\n", with);
  CHECK_THAT(message, Contains("multipart/mixed"));
  CHECK_THAT(message, Contains("\nContent-Type: text/html\n"));
  CHECK_THAT(message, Contains("<b>x</b>\n"));
  CHECK_THAT(message, Contains("YXR0YWNoZWQK"));
}

TEST_CASE("A message that can be no bulletin is refused with its line", "[popbull][adapt]") {
  CHECK(refused("") == "there is no header");
  CHECK(refused("\nbody\n") == "there is no header");
  CHECK_THAT(refused(head + "no field\n\nbody\n"), StartsWith("line 3: neither a header field"));
  CHECK_THAT(refused("From a Thu Jan  1 00:00:00 1970\n" + head + "no field\n\nbody\n"),
             StartsWith("line 4: "));
  CHECK_THAT(refused("X-UIDL: 1\n" + head + "\nbody\n" + std::string(999, 'x') + "\n"),
             StartsWith("line 6: longer than 998"));
  CHECK_THAT(refused(head + "Subject: another\n\nbody\n"), StartsWith("line 3: a second Subject"));
  CHECK_THAT(refused(head + "Date: yesterday\n\nbody\n"), StartsWith("line 3: Date: is no date"));
  CHECK_THAT(refused("From: a@b\nSubject:\n\nbody\n"), StartsWith("line 2: Subject: is empty"));
  CHECK_THAT(refused(head + std::string{"\nbo\0dy\n", 7}), StartsWith("line 4: a NUL"));
  CHECK_THAT(refused(head + "X-A: b\x01\n\n"), StartsWith("line 3: X-A: has control"));
  CHECK(refused("Subject: x\n\nbody\n") == "there is no From: field");
  CHECK(refused("From: a@b\n\nbody\n") == "there is no Subject: field");
  CHECK_THAT(refused("From: a@b, c@d\nSubject: x\n\nbody\n"), Contains("not one address"));
  CHECK_THAT(refused(head + "\nsch\xf6n\n"), Contains("no known set"));
  CHECK_THAT(refused("From: a@b\nSubject: sch\xf6n\n\nx\n"), Contains("header is not UTF-8"));
}

TEST_CASE("A file's name says what the subject says", "[popbull][compose]") {
  CHECK(ascii_of("Größe ändern") != "Größe ändern");
  CHECK(ascii_of("Ça va") == "Ca va");
  CHECK(ascii_of("plain") == "plain");
}

TEST_CASE("A CR at the end of some lines only does not stay in the header", "[popbull][adapt]") {
  const std::string message = adapted("X-A: b\nFrom: a@b\r\nSubject: x\r\n\r\nHello\r\n");
  CHECK(message.find('\r') == std::string::npos);
}

TEST_CASE("A blank before a colon goes, lest the field be a separator", "[popbull][adapt]") {
  CHECK_THAT(adapted("Subject : x\nFrom : a@b\n\nx\n"), StartsWith("Subject: x\nFrom: a@b\n"));
}

TEST_CASE("A header alone is a message", "[popbull][adapt]") {
  CHECK_THAT(adapted(head), EndsWith("\n\n"));
  CHECK_THAT(adapted(head + "\n"), EndsWith("\n\n"));
}

}  // namespace
}  // namespace pop
