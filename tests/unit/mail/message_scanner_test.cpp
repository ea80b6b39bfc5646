#include "mail/message_scanner.h"

#include <random>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/spool_scan.h"

using namespace pop;

namespace {

MessageFacts facts_of(std::string_view mail, const std::vector<std::size_t>& cuts = {},
                      UniqueIdRecipe recipe = UniqueIdRecipe::native) {
  MessageScanner scanner{recipe};
  std::size_t done = 0;
  for (const std::size_t cut : cuts) {
    scanner.feed(mail.substr(done, cut - done));
    done = cut;
  }
  scanner.feed(mail.substr(done));
  return scanner.finish();
}

bool same(const MessageFacts& a, const MessageFacts& b) {
  return a.wire == b.wire && a.fingerprint == b.fingerprint && a.stored_id == b.stored_id &&
         a.computed_id == b.computed_id;
}

WireOctets octets_sent(std::string_view mail) {
  std::vector<char> out(WireText::room_for(mail.size()) + 64);
  WireText text;
  const std::size_t used = text.convert(mail, out);
  (void)text.finish(std::span{out}.subspan(used));
  return text.octets();
}

std::string random_mail(std::mt19937& random) {
  const std::string long_value(900 + random() % 300, 'v');
  const std::vector<std::string> header{"Subject: x\n",
                                        "Message-Id: <a@b>\r\n",
                                        "X-UIDL: abc\n",
                                        "Status: RO\n",
                                        " more\n",
                                        "Content-Length: 9\r\n",
                                        "X-Keywords: k\n",
                                        "To: " + long_value + "\r\n",
                                        "X-UIDL: " + long_value + "\n",
                                        "no colon\n",
                                        "\r\r\n",
                                        ":\n"};
  const std::vector<std::string> body{
      "text\n", "\n", "\r\n", ".\n", "a\rb\r\n", "From me\n", std::string("\0\n", 2), "\r"};
  std::string mail;
  for (std::size_t i = random() % 6; i > 0; --i) mail += header[random() % header.size()];
  if (random() % 5 != 0) mail += random() % 2 == 0 ? "\n" : "\r\n";
  for (std::size_t i = random() % 5; i > 0; --i) mail += body[random() % body.size()];
  if (random() % 3 == 0) mail += "no line end";
  return mail;
}

}  // namespace

TEST_CASE("MessageScanner counts what RETR sends, wherever the input is cut", "[mail][message]") {
  std::mt19937 random{7};
  for (int turn = 0; turn < 150; ++turn) {
    const std::string mail = random_mail(random);
    CAPTURE(turn, mail);
    const MessageFacts whole = facts_of(mail);
    CHECK(whole.wire == octets_sent(mail));
    const std::size_t step = mail.size() > 600 ? 7 : 1;
    for (std::size_t cut = 0; cut <= mail.size(); cut += step) {
      if (!same(facts_of(mail, {cut}), whole)) FAIL("differs when cut at " << cut);
    }
    std::vector<std::size_t> all;
    for (std::size_t at = 1; at < mail.size(); ++at) all.push_back(at);
    CHECK(same(facts_of(mail, all), whole));
  }
}

TEST_CASE("MessageScanner gives a message the id and size that it has in an mbox",
          "[mail][message]") {
  std::mt19937 random{11};
  for (int turn = 0; turn < 300; ++turn) {
    const std::string mail = random_mail(random);
    CAPTURE(turn, mail);
    const test::Listing spool = test::scan("From a@example.org Thu Jan  1 00:00:00 1970\n" + mail);
    REQUIRE(spool.messages.size() == 1);
    const MessageFacts facts = facts_of(mail);
    CHECK(facts.wire == spool.messages[0].wire);
    CHECK(facts.stored_id == spool.messages[0].stored_id);
    if (facts.stored_id.empty()) CHECK(facts.computed_id == spool.messages[0].computed_id);
  }
}

TEST_CASE("MessageScanner tells what is hidden and how many line ends grow", "[mail][message]") {
  MessageScanner scanner{UniqueIdRecipe::native};
  scanner.feed("Subject: x\nX-UIDL: abc\r\nTo: y\r\n");
  CHECK(!scanner.knows_header());
  scanner.feed("\nbo\ndy\r\n");
  CHECK(scanner.knows_header());
  CHECK(scanner.hidden() == WireOctets{13});
  CHECK(scanner.bare_line_feeds() == 3);
  CHECK(scanner.finish().stored_id == "abc");
  scanner.begin();
  CHECK(!scanner.knows_header());
  CHECK(same(scanner.finish(), facts_of("")));
}

TEST_CASE("MessageScanner's fingerprint sees every byte but the last line end", "[mail][message]") {
  const std::string mail = "Status: O\nX-UIDL: abc\n\nbody\n";
  for (std::size_t at = 0; at + 1 < mail.size(); ++at) {
    std::string other = mail;
    other[at] ^= 1;
    CAPTURE(at);
    CHECK(facts_of(other).fingerprint != facts_of(mail).fingerprint);
  }
  CHECK(facts_of(mail.substr(0, mail.size() - 1)).fingerprint == facts_of(mail).fingerprint);
}
