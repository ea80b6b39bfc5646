#include "mail/mbox_scanner.h"

#include <random>

#include "mail/from_line.h"
#include "mail/header_scanner.h"
#include "support/catch.h"
#include "support/spool_scan.h"

using namespace pop;
using pop::test::cuts_every;
using pop::test::Listing;
using pop::test::same_listing;
using pop::test::same_message;
using pop::test::scan;
using pop::test::to_wire;
using namespace std::string_literals;

namespace {

const std::string from_a = "From a@example.org Thu Jan  1 00:00:00 1970\n";
const std::string from_b = "From b@example.org Thu Jan  1 00:00:01 1970\n";
const std::string from_c = "From c@example.org Thu Jan  1 00:00:02 1970\n";
const std::string mmdf = "\1\1\1\1\n";

std::string crlf(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') result += '\r';
    result += c;
  }
  return result;
}

/// The message proper, [header, content_end).
std::string content(std::string_view spool, const ScannedMessage& m) {
  return std::string{spool.substr(m.header.count, m.content_end.count - m.header.count)};
}
std::vector<std::string> contents(std::string_view spool) {
  std::vector<std::string> result;
  for (const ScannedMessage& m : scan(spool).messages) result.push_back(content(spool, m));
  return result;
}
using Texts = std::vector<std::string>;

/// Spools that have broken one server or another.
std::vector<std::string> awkward_spools() {
  const std::string two = from_a + "Subject: one\n\nhi\n\n" + from_b + "\nsee\nFrom me\n";
  std::vector<std::string> spools{
      "",
      "\n",
      "x",
      "\1",
      from_a,
      from_a.substr(0, from_a.size() - 1),
      two,
      crlf(two),
      from_a + "\n" + from_b + "\n" + from_c + "\n",
      from_a + from_b + "\n" + from_c,
      from_a + "A: 1\n" + from_b + "B: 2\n\nbody\n" + from_c + "\n\n" + from_b,
      from_a + "\n\n\n" + from_b.substr(0, from_b.size() - 1),
      from_a + "A: 1\r\n\nx\r\n\r\n" + from_b + "B: 1\n\r\nbare\rCR\r\r\n\r\n" + from_c + "\r",
      from_a + "X-UIDL: abc\n def\nStatus: RO\nX-UIDL: second\nContent-Length: 3\n\nab\n\n" +
          from_b,
      from_a + "Content-Length: 51\n\n" + "x\n\n" + from_b + "\n\n" + from_c + "\nend",
      from_a + "Content-Length: 47\n\n" + "x\n\n" + from_b + "\n",
      from_a + "Content-Length: 18446744073709551615\n\nx\n\n" + from_b + "\n",
      from_a + "A\0: x\nX-UIDL\0: y\n\n\0\0\n\n"s + from_b + "\n",
      mmdf + "A: 1\n\nbody\n" + mmdf + mmdf + from_a + "B: 1\n\n\1\1\1\n" + mmdf,
      mmdf + mmdf + mmdf + "A: 1\n" + mmdf + "\n\nlost: opening\n\nx\n" + mmdf + "\n" + mmdf + "z",
      crlf(mmdf + "A: 1\n\nbody\n" + mmdf + mmdf + from_a + "B: 1\n\n" + mmdf),
      mmdf.substr(0, 4),
      from_a +
          "From: Mail System Internal Data\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER "
          "INTERNAL DATA\nX-IMAP: 1 2\n\ntext\n\n" +
          two,
  };
  for (const std::size_t k : {1UL, 2UL}) {
    for (std::size_t near = k * 1024 - 2; near <= k * 1024 + 2; ++near) {
      spools.push_back(from_a + "\n" + std::string(near, 'x') + from_b + "\n" + from_c + "\n");
      spools.push_back(from_a + "A: " + std::string(near - 3, 'x') + from_b + "\n");
      spools.push_back(from_a + "X-UIDL: " + std::string(near - 8, 'x') + "\r\nB: 1\n\n.");
      spools.push_back(from_a + "\n\nFrom " + std::string(near - from_b.size(), 'x') +
                       from_b.substr(5) + "\n");
    }
  }
  return spools;
}

/// A random spool from parts that only just are, or are not, what they look like.
std::string random_spool(std::mt19937& random) {
  const std::string parts[] = {from_a,
                               from_b,
                               "\n" + from_c,
                               "\n\n" + from_a,
                               "\n",
                               "\n",
                               "\r\n",
                               "\r",
                               "text\n",
                               ".\n",
                               "From me\n",
                               "From ",
                               "From a Thu Jan  1 00:00:00 1970",
                               "A: 1\n",
                               "X-UIDL: u\n",
                               "Status: O\n",
                               " more\n",
                               "X-UID: 3\r\n",
                               "Content-Length: 0\n",
                               "Content-Length: 5\n",
                               "Content-Length: 46\n",
                               mmdf,
                               "\1\1\1",
                               std::string(1, '\0'),
                               std::string(70, 'y') + "\n",
                               "F",
                               "\nF"};
  std::string spool = random() % 4 == 0 ? mmdf : from_a;
  for (std::size_t i = random() % 15; i > 0; --i) spool += parts[random() % std::size(parts)];
  return spool;
}

void check_partition(std::string_view spool, const Listing& listing) {
  std::uint64_t expected = 0;
  for (const ScannedMessage& m : listing.messages) {
    REQUIRE(m.separator.count >= expected);
    if (expected != 0) REQUIRE(m.separator.count == expected);
    REQUIRE(m.separator <= m.header);
    REQUIRE(m.header <= m.body);
    REQUIRE(m.body <= m.content_end);
    REQUIRE(m.content_end <= m.end);
    expected = m.end.count;
    const std::string message = content(spool, m);
    REQUIRE(to_wire(message).octets == m.wire.count);
    const std::string body = message.substr(m.body.count - m.header.count);
    const auto lf = static_cast<std::uint64_t>(std::ranges::count(body, '\n'));
    REQUIRE(m.body_lines.value == lf + (!body.empty() && !body.ends_with('\n') ? 1 : 0));
    REQUIRE(m.stored_id.empty() != m.computed_id.empty());
    bool hidden = false, status = false;
    for (const HeaderField& f : header_fields(message)) {
      hidden = hidden || hidden_from_client(bookkeeping_name(message.substr(f.begin)));
      status = status || bookkeeping_name(message.substr(f.begin)) == "Status";
    }
    REQUIRE(m.has_hidden_fields == hidden);
    REQUIRE(m.has_status == status);
  }
  if (listing.error.empty() && !spool.empty()) REQUIRE(expected == spool.size());
}

/// Offsets of the From_ lines, found line by line; for spools without Content-Length.
std::vector<std::uint64_t> separators_naively(std::string_view spool) {
  std::vector<std::uint64_t> found;
  bool after_empty = true;
  for (std::size_t at = 0; at < spool.size();) {
    const std::size_t lf = spool.find('\n', at);
    std::string_view line = spool.substr(at, lf == spool.npos ? lf : lf - at);
    if (lf != spool.npos && line.ends_with('\r')) line.remove_suffix(1);
    if (after_empty && is_from_line(line)) found.push_back(at);
    after_empty = line.empty();
    at = lf == spool.npos ? spool.size() : lf + 1;
  }
  return found;
}

}  // namespace

TEST_CASE("MboxScanner tells where a message's parts lie", "[mail][mbox]") {
  const std::string spool = from_a + "Subject: one\n\nhi\n\n" + from_b + "\nsee\nFrom me\n";
  const Listing listing = scan(spool);
  REQUIRE(listing.error.empty());
  CHECK(listing.format == SpoolFormat::mbox);
  REQUIRE(listing.messages.size() == 2);  // "From me" follows a line that is not empty
  const ScannedMessage& first = listing.messages[0];
  CHECK(first.separator.count == 0);
  CHECK(first.header.count == from_a.size());
  CHECK(first.body.count == from_a.size() + 14);
  CHECK(first.content_end == first.end);
  CHECK(first.end == listing.messages[1].separator);
  CHECK(first.wire.count == std::string_view{"Subject: one\r\n\r\nhi\r\n\r\n"}.size());
  CHECK(first.body_lines.value == 2);  // the empty line before the separator is the message's
  CHECK(content(spool, listing.messages[1]) == "\nsee\nFrom me\n");
}

TEST_CASE("MboxScanner finds the same messages wherever the input is cut", "[mail][mbox]") {
  for (const std::string& spool : awkward_spools()) {
    for (const UniqueIdRecipe recipe : {UniqueIdRecipe::native, UniqueIdRecipe::qpopper}) {
      const ScanOptions options{.recipe = recipe, .uw_kluge = recipe == UniqueIdRecipe::qpopper};
      const Listing whole = scan(spool, {}, options);
      CAPTURE(spool);
      check_partition(spool, whole);
      for (std::size_t cut = 0; cut <= spool.size(); ++cut) {
        CAPTURE(cut);
        REQUIRE(same_listing(scan(spool, {cut}, options), whole));
      }
      for (const std::size_t step : {1UL, 2UL, 3UL, 7UL, 64UL}) {
        CAPTURE(step);
        REQUIRE(same_listing(scan(spool, cuts_every(step, 0, spool.size()), options), whole));
      }
    }
  }
}

TEST_CASE("MboxScanner resumes at any message", "[mail][mbox]") {
  for (const std::string& spool : awkward_spools()) {
    const Listing whole = scan(spool);
    CAPTURE(spool);
    for (std::size_t i = 1; i < whole.messages.size(); ++i) {
      const std::size_t start = whole.messages[i].separator.count;
      const Listing rest =
          scan(spool, cuts_every(5, start, spool.size()), {}, 0, start, whole.format);
      CAPTURE(i);
      REQUIRE(rest.error.empty());
      REQUIRE(rest.messages.size() == whole.messages.size() - i);
      for (std::size_t j = i; j < whole.messages.size(); ++j) {
        REQUIRE(same_message(rest.messages[j - i], whole.messages[j]));
      }
    }
  }
}

TEST_CASE("Random spools: every cut, every start, every byte accounted for", "[mail][mbox]") {
  std::mt19937 random{5};
  for (int round = 0; round < 3000; ++round) {
    const std::string spool = random_spool(random);
    const Listing whole = scan(spool);
    CAPTURE(spool);
    check_partition(spool, whole);
    for (const std::size_t step : {1UL, 2UL, 5UL, 13UL}) {
      REQUIRE(same_listing(scan(spool, cuts_every(step, 0, spool.size())), whole));
    }
    for (std::size_t i = 1; i < whole.messages.size(); ++i) {
      const Listing rest = scan(spool, {}, {}, 0, whole.messages[i].separator.count, whole.format);
      REQUIRE(rest.messages.size() == whole.messages.size() - i);
      REQUIRE(same_message(rest.messages[0], whole.messages[i]));
    }
    if (whole.format != SpoolFormat::mbox || spool.find("Content-Length") != spool.npos) continue;
    std::vector<std::uint64_t> separators;
    for (const ScannedMessage& m : whole.messages) separators.push_back(m.separator.count);
    REQUIRE(separators == separators_naively(spool));
  }
}

TEST_CASE("Corner cases of mbox are decided so", "[mail][mbox]") {
  SECTION("an empty line that ends a header also stands before a separator") {
    CHECK(contents(from_a + "A: 1\n\n" + from_b + "\n") == Texts{"A: 1\n\n", "\n"});
  }
  SECTION("a separator's line end is enough of a message") {
    CHECK(contents(from_a) == Texts{""});
    CHECK(contents(from_a.substr(0, from_a.size() - 1)) == Texts{""});
    CHECK(scan(from_a).messages[0].wire.count == 0);
  }
  SECTION("a From_ line right behind a separator is a header line") {
    CHECK(contents(from_a + from_b + "\n") == Texts{from_b + "\n"});
  }
  SECTION("a From_ line inside a header is a header line") {
    CHECK(contents(from_a + "A: 1\n" + from_b + "\n") == Texts{"A: 1\n" + from_b + "\n"});
  }
  SECTION("a header without an end has no body") {
    const Listing listing = scan(from_a + "A: 1");
    CHECK(listing.messages[0].body == listing.messages[0].content_end);
    CHECK(listing.messages[0].wire.count == 6);
  }
  SECTION("a blank is not an empty line") {
    CHECK(contents(from_a + "\nx\n \n" + from_b).size() == 1);
    CHECK(contents(from_a + "\nx\n\r\r\n" + from_b).size() == 1);
    CHECK(contents(from_a + "\nx\n\r\n" + from_b).size() == 2);
  }
  SECTION("a separator may be the file's last bytes, without line end") {
    CHECK(contents(from_a + "\nx\n\n" + from_b.substr(0, from_b.size() - 1)) ==
          Texts{"\nx\n\n", ""});
  }
}

TEST_CASE("A spool of no known format is corrupt, and the text shows why", "[mail][mbox]") {
  CHECK(scan("").error.empty());
  CHECK(scan("").format == SpoolFormat::empty);
  CHECK(scan("\n\n").error ==
        "byte 0: neither a From_ line nor an MMDF line of four ^A, but an empty line");
  CHECK(scan("\n" + from_a).error ==
        "byte 0: neither a From_ line nor an MMDF line of four ^A, but an empty line");
  CHECK(scan("Subject: \x1b[2J\n").error ==
        "byte 0: neither a From_ line nor an MMDF line of four ^A, but \"Subject: \\x1b[2J\"");
  CHECK(scan("\1\1\1\n").error.find("\\x01\\x01\\x01\"") != std::string::npos);
  CHECK(scan("From me\n").messages.empty());
  CHECK(scan(std::string(100000, 'x')).error.size() < 200);
  const Listing resumed =
      scan(from_a + "x\n", {}, {}, 5000000000, from_a.size(), SpoolFormat::mbox);
  CHECK(resumed.error.starts_with("byte 5000000044: "));
}

TEST_CASE("Content-Length is believed only where it leads to a From_ line or the end",
          "[mail][mbox]") {
  const std::string inner = "one\n\n" + from_b + "\ntwo\n";
  const std::string next = from_c + "\nthree\n";
  const auto spool = [&](const std::string& value, const std::string& gap,
                         const std::string& rest) {
    return from_a + "Content-Length: " + value + "\n\n" + inner + gap + rest;
  };
  const std::string right = std::to_string(inner.size());
  SECTION("right") {
    CHECK(contents(spool(right, "\n", next)).size() == 2);
    CHECK(contents(spool(right, "\r\n", next)).size() == 2);
    CHECK(contents(spool(right, "", next)).size() == 2);  // no empty line before the separator
    CHECK(contents(spool(right, "", "")).size() == 1);
    CHECK(contents(spool(right, "\n", "")).size() == 1);
    CHECK(contents(spool(" \t" + right + " ", "\n", next)).size() == 2);
    CHECK(contents(spool("000" + right, "\n", next)).size() == 2);
    CHECK(contents(spool(right + "\nCONTENT-LENGTH : " + right, "\n", next)).size() == 2);
    const std::string text = spool(right, "\n", next);
    CHECK(content(text, scan(text).messages[0]).ends_with("two\n\n"));
  }
  SECTION("right, and the body lacks its last line end") {
    const std::string text = from_a + "Content-Length: 6\n\none\n\nx\n" + next;
    CHECK(contents(text) == Texts{"Content-Length: 6\n\none\n\nx\n", "\nthree\n"});
  }
  SECTION("wrong") {
    for (const std::size_t wrong : {inner.size() - 2, inner.size() - 1, inner.size() + 2,
                                    inner.size() + 20, std::size_t{0}, std::size_t{4}}) {
      CAPTURE(wrong);
      CHECK(contents(spool(std::to_string(wrong), "\n", next)).size() == 3);
    }
    for (const char* wrong : {"", "x", "-5", "0x10", "99999999999", "18446744073709551615",
                              "18446744073709551616", "99999999999999999999999999"}) {
      CAPTURE(wrong);
      CHECK(contents(spool(wrong, "\n", next)).size() == 3);
    }
    CHECK(contents(spool(right + "x", "\n", next)).size() == 3);
    CHECK(contents(spool(right + "\nContent-Length: 5", "\n", next)).size() == 3);
    CHECK(contents(spool("5\nContent-Length: " + right, "\n", next)).size() == 3);
  }
  SECTION("right, but nobody to look ahead") {
    MboxScanner scanner{{}, nullptr};
    scanner.feed(spool(right, "\n", next));
    REQUIRE(scanner.finish());
    std::size_t count = 0;
    while (scanner.next()) ++count;
    CHECK(count == 3);
  }
  SECTION("it leads into a line") {
    const std::string text = from_a + "Content-Length: 2\n\nxx" + from_b + "\n\n" + from_c;
    CHECK(contents(text).size() == 2);
  }
}

TEST_CASE("Content-Length of a message without body leads to the separator at once",
          "[mail][mbox]") {
  const std::string header = "Content-Length: 0\n\n";
  CHECK(contents(from_a + header + from_b + header) == Texts{header, header});
}

// qpopper 2.53 and 3.0 took what followed byte 1023 of a line for a new line.
TEST_CASE("CVE-2000-0320: a line's continuation is never a separator", "[mail][mbox][regression]") {
  for (const std::size_t k : {1UL, 2UL, 4UL, 8UL, 64UL}) {
    for (std::size_t length = k * 1024 - 2; length <= k * 1024 + 2; ++length) {
      for (const std::string& tail : {from_b, "\r" + from_b, std::string{".\n"}}) {
        const std::string text =
            from_a + "\n" + std::string(length, 'x') + tail + "\nX-UIDL: forged\n\n";
        for (const std::size_t step : {std::size_t{1023}, std::size_t{1024}, std::size_t{4096},
                                       from_a.size() + 1 + length, text.size()}) {
          CAPTURE(length, step);
          const Listing listing = scan(text, cuts_every(step, 0, text.size()));
          REQUIRE(listing.messages.size() == 1);
          REQUIRE(listing.messages[0].stored_id.empty());
        }
      }
    }
  }
}

// Dovecot crashed on a NUL in a header name.
TEST_CASE("A NUL anywhere keeps counts and cuts right", "[mail][mbox][regression]") {
  const std::string spool =
      from_a + "X-UIDL: abc\nStatus: RO\nSubject: x\n\nbody\n\n" + from_b + "\n\n";
  for (std::size_t i = 0; i < spool.size(); ++i) {
    std::string damaged = spool;
    damaged[i] = '\0';
    CAPTURE(i);
    const Listing whole = scan(damaged);
    check_partition(damaged, whole);
    CHECK(same_listing(scan(damaged, {i}), whole));
    CHECK(same_listing(scan(damaged, {i + 1}), whole));
  }
}

TEST_CASE("MMDF messages stand between lines of ^A", "[mail][mmdf]") {
  SECTION("the usual form") {
    const std::string spool =
        mmdf + "A: 1\n\nx\n\n" + from_b + "\n" + mmdf + mmdf + "B: 1\n" + mmdf;
    const Listing listing = scan(spool);
    CHECK(listing.format == SpoolFormat::mmdf);
    CHECK(contents(spool) == Texts{"A: 1\n\nx\n\n" + from_b + "\n", "B: 1\n"});
    CHECK(listing.messages[0].content_end + FileBytes{5} == listing.messages[0].end);
    CHECK(listing.messages[1].end.count == spool.size());
  }
  SECTION("a From_ line behind the opening line belongs to it") {
    CHECK(contents(mmdf + from_a + "A: 1\n\n" + mmdf) == Texts{"A: 1\n\n"});
    CHECK(contents(mmdf + from_a + from_b + "\n" + mmdf) == Texts{from_b + "\n"});
  }
  SECTION("only a whole line of exactly four counts") {
    const std::string body = "\n\1\1\1\n\1\1\1\1\1\n\1\1\1\1x\nx\1\1\1\1\n";
    CHECK(contents(mmdf + body + mmdf) == Texts{body});
  }
  SECTION("a lost opening or closing line costs no mail") {
    CHECK(contents(mmdf + "A: 1\n" + mmdf + "B: 1\n" + mmdf + mmdf + "C: 1\n" + mmdf) ==
          Texts{"A: 1\n", "B: 1\n", "C: 1\n"});
    CHECK(contents(mmdf + "A: 1\n\nx") == Texts{"A: 1\n\nx"});
    CHECK(contents(mmdf) == Texts{""});
    CHECK(contents(mmdf + mmdf) == Texts{""});
  }
  SECTION("empty lines between messages belong to none") {
    const std::string spool = mmdf + "A: 1\n" + mmdf + "\n\r\n" + mmdf + "B: 1\n" + mmdf + "\n";
    const Listing listing = scan(spool);
    CHECK(contents(spool) == Texts{"A: 1\n", "B: 1\n"});
    CHECK(listing.messages[0].end == listing.messages[1].separator);
    CHECK(listing.messages[1].end.count == spool.size());
  }
  SECTION("Content-Length says nothing here") {
    CHECK(contents(mmdf + "Content-Length: 20\n\n1\n" + mmdf + mmdf + "B: 1\n" + mmdf).size() == 2);
  }
}

TEST_CASE("The stored id is the first valid X-UIDL", "[mail][uid]") {
  struct Row {
    std::string header, id;
  };
  const Row row = GENERATE(
      Row{"X-UIDL: abc\n", "abc"}, Row{"x-uidl :\t abc \t\r\n", "abc"},
      Row{"X-UIDL: 0123456789abcdef0123456789abcdef\n", "0123456789abcdef0123456789abcdef"},
      Row{"X-UIDL: a b\nX-UIDL: second\nX-UIDL: third\n", "second"}, Row{"X-UIDL:\n folded\n", ""},
      Row{"X-UIDL: " + std::string(70, 'x') + "\n", std::string(70, 'x')},
      Row{"X-UIDL: " + std::string(71, 'x') + "\n", ""}, Row{"A: 1\n X-UIDL: abc\n", ""},
      Row{"\nX-UIDL: in the body\n", ""});
  CAPTURE(row.header);
  const Listing listing = scan(from_a + row.header + "\n");
  REQUIRE(listing.messages.size() == 1);
  CHECK(listing.messages[0].stored_id == row.id);
  CHECK(listing.messages[0].computed_id.empty() == !row.id.empty());
}

TEST_CASE("Status and hidden fields are told", "[mail][mbox]") {
  const auto flags = [](const std::string& header) {
    const ScannedMessage m = scan(from_a + header + "\n\n").messages.at(0);
    return std::string{m.retrieved ? "R" : "-"} + (m.has_status ? "S" : "-") +
           (m.has_hidden_fields ? "H" : "-");
  };
  CHECK(flags("Status: RO\n") == "RS-");
  CHECK(flags("Status: O\n") == "-S-");
  CHECK(flags("Status: O\nstatus:xR\n") == "RS-");
  CHECK(flags("X-Status: R\n") == "---");
  CHECK(flags("A: 1\n Status: R\n") == "---");
  CHECK(flags("X-Keywords:\n") == "--H");
  CHECK(flags("Lines: 1\n") == "---");
  CHECK(flags("\nStatus: RO\nX-UIDL: x\n") == "---");
}

TEST_CASE("Only the first message can be folder-internal", "[mail][mbox]") {
  const std::string data = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n";
  const std::string from = "From: Mail System Internal Data <MAILER-DAEMON@x>\n";
  const std::string imap = "X-IMAP: 0915034433 0000000004\n";
  const auto internal = [](const std::string& header, bool kluge) {
    const std::string spool = from_a + header + "\n\n" + from_b + header + "\n";
    const Listing listing = scan(spool, {}, {.uw_kluge = kluge});
    REQUIRE(listing.messages.size() == 2);
    CHECK_FALSE(listing.messages[1].folder_internal);
    const Listing rest = scan(spool, {}, {.uw_kluge = kluge}, 0,
                              listing.messages[1].separator.count, SpoolFormat::mbox);
    CHECK_FALSE(rest.messages.at(0).folder_internal);
    return listing.messages[0].folder_internal;
  };
  CHECK(internal(data + imap, false));
  CHECK(internal("X-IMAPbase: 1 2\n" + data, false));
  CHECK_FALSE(internal(data, false));
  CHECK_FALSE(internal(imap, false));
  CHECK_FALSE(internal(data + from, false));
  CHECK(internal(data + from, true));
  CHECK(internal(from + imap, true));
  CHECK(internal("Subject: DO NOT DELETE\n" + imap, true));
  CHECK_FALSE(internal(data, true));
  CHECK_FALSE(internal(from, true));
  CHECK_FALSE(internal("A: 1\n" + imap, true));
}

TEST_CASE("A fingerprint survives rewriting and what a delivery adds", "[mail][fingerprint]") {
  const auto print = [](const std::string& spool) {
    return scan(spool).messages.at(0).fingerprint;
  };
  const Fingerprint plain = print(from_a + "A: 1\n\nbody\n");
  CHECK(print(from_a + "A: 1\n\nbody\n\n" + from_b) == plain);
  CHECK(print(from_a + "A: 1\n\nbody") == plain);
  CHECK(print(from_a + "X-UIDL: x\n y\nA: 1\nStatus: RO\n\nbody\n") == plain);
  CHECK(print(from_a + "Content-Length: 5\nA: 1\nX-UID: 4\nLines: 1\n\nbody\n\n" + from_b) ==
        plain);
  CHECK(print(from_a + updated_header("A: 1\n\n", {.unique_id = "x", .mark_seen = true}) +
              "body\n") == plain);
  CHECK(print(from_a + "A: 1\n\nbodY\n") != plain);
  CHECK(print(from_a + "A: 2\n\nbody\n") != plain);
  CHECK(print(from_b + "A: 1\n\nbody\n") != plain);
  CHECK(print(from_a + "A: 1\n\nbody\n\n\n") != plain);

  const Fingerprint header_only = print(from_a + "A: 1");
  CHECK(print(from_a + "A: 1\n") == header_only);
  CHECK(print(from_a + "A: 1\n\n" + from_b) == header_only);
  CHECK(print(from_a + "A: 1\nStatus: U\n\n" + from_b) == header_only);
  CHECK(print(from_a) == print(from_a + "\n" + from_b));
  CHECK(print(crlf(from_a + "A: 1\n\nbody\n")) ==
        print(crlf(from_a + "A: 1\n\nbody\n\n" + from_b)));
}

TEST_CASE("Offsets beyond 4 GiB are right", "[mail][mbox]") {
  const std::string spool =
      from_a + "Content-Length: 50\n\nx\n\n" + from_b + "\n\n\n" + from_c + "\nend\n";
  const Listing low = scan(spool);
  REQUIRE(low.messages.size() > 1);
  for (const std::uint64_t base :
       {std::uint64_t{4294967295}, std::uint64_t{4294967296} * 5 + 17, std::uint64_t{1} << 62}) {
    const Listing high =
        scan(spool, cuts_every(11, 0, spool.size()), {}, base, 0, SpoolFormat::mbox);
    REQUIRE(high.messages.size() == low.messages.size());
    for (std::size_t i = 0; i < high.messages.size(); ++i) {
      ScannedMessage shifted = low.messages[i];
      for (FileBytes* offset : {&shifted.separator, &shifted.header, &shifted.body,
                                &shifted.content_end, &shifted.end}) {
        offset->count += base;
      }
      CHECK(same_message(high.messages[i], shifted));
    }
  }
}

TEST_CASE("A message beyond 4 GiB is counted in 64 bits", "[mail][mbox]") {
  MboxScanner scanner{{}, nullptr};
  const std::string piece(std::size_t{1} << 20, 'x');
  scanner.feed(from_a + "A: ");
  constexpr std::uint64_t pieces = 4097;
  for (std::uint64_t i = 0; i < pieces; ++i) scanner.feed(piece);
  scanner.feed("\n\nbody");
  REQUIRE(scanner.finish());
  const auto message = scanner.next();
  REQUIRE(message);
  CHECK(message->wire.count == 3 + (pieces << 20) + 2 + 2 + 6);
  CHECK(message->end.count == from_a.size() + 3 + (pieces << 20) + 2 + 4);
  CHECK(message->body_lines.value == 1);
}

TEST_CASE("Header lines of 100 MB pass through, visible or hidden", "[mail][mbox]") {
  const std::string piece(std::size_t{1} << 20, 'x');
  for (const std::string_view name : {"Subject: ", "X-Keywords: "}) {
    MboxScanner scanner{{}, nullptr};
    scanner.feed(from_a);
    scanner.feed(name);
    for (int i = 0; i < 100; ++i) scanner.feed(piece);
    scanner.feed("\r\nStatus: R\n\nbody\n");
    REQUIRE(scanner.finish());
    const auto message = scanner.next();
    REQUIRE(message);
    const bool visible = name == "Subject: ";
    const std::uint64_t rest = std::string_view{"Status: R\r\n\r\nbody\r\n"}.size();
    CHECK(message->wire.count == rest + (visible ? name.size() + 100 * piece.size() + 2 : 0));
    CHECK(message->retrieved);
  }
}

TEST_CASE("Hostile claims and near-separators cost no more than their bytes", "[mail][mbox]") {
  /// Counts what the scanner asks for.
  class Counting : public LookAhead {
   public:
    explicit Counting(std::string_view spool) : spool_{spool} {}
    [[nodiscard]] FileBytes size() const override { return {spool_.size()}; }
    [[nodiscard]] std::string_view bytes(FileBytes offset, std::size_t count) override {
      asked += count;
      return spool_.substr(offset.count, count);
    }
    std::uint64_t asked = 0;

   private:
    std::string_view spool_;
  };
  std::string spool;
  std::uint64_t messages = 0;
  while (spool.size() < 1000000) {
    spool += from_a + "Content-Length: 500000\nContent-Length: 500000\n\nFrom x\n\n";
    ++messages;
  }
  Counting look_ahead{spool};
  MboxScanner scanner{{}, &look_ahead};
  scanner.feed(spool);
  REQUIRE(scanner.finish());
  CHECK(look_ahead.asked <= messages * 2048);
}
