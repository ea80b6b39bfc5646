#include "mail/wire_text.h"

#include <random>

#include "support/catch.h"
#include "support/spool_scan.h"

using namespace pop;
using pop::test::to_wire;

namespace {

std::string random_message(std::mt19937& random) {
  constexpr std::string_view parts[] = {
      "Subject: x\n",
      "X-UIDL: abc\n",
      " more\n",
      "\n",
      "\n",
      "\r\n",
      ".\n",
      "..",
      ".",
      "\r",
      "X-IMAP: 1\r\n",
      "text",
      "content-length : 5\n",
      "Status: RO\n",
      "\t.\n",
      "X-UIDL",
      "A-name-that-is-longer-than-thirty-two-bytes: x\n",
      ".X-UIDL: x\n",
      "X-Keywords:",
      "line of a body that is a bit longer, so that blocks of sixty-four bytes are filled\n"};
  std::string message;
  for (std::size_t i = random() % 12; i > 0; --i) message += parts[random() % std::size(parts)];
  if (random() % 8 == 0) message[message.empty() ? 0 : random() % message.size()] = '\0';
  return message;
}

/// Line by line, from the RFC.
std::string wire_naively(std::string_view message, std::optional<std::uint64_t> top) {
  std::string wire;
  bool in_header = true, hidden = false;
  std::uint64_t body_lines = 0;
  while (!message.empty()) {
    if (!in_header && top && body_lines == *top) break;
    const std::size_t lf = message.find('\n');
    std::string_view line = message.substr(0, lf);
    message.remove_prefix(lf == message.npos ? message.size() : lf + 1);
    if (lf != message.npos && line.ends_with('\r')) line.remove_suffix(1);
    if (in_header && !(line.starts_with(' ') || line.starts_with('\t'))) {
      hidden = hidden_from_client(bookkeeping_name(line));
    }
    if (!in_header) ++body_lines;
    if (!in_header || !hidden) {
      if (line.starts_with('.')) wire += '.';
      wire += line;
      wire += "\r\n";
    }
    if (line.empty() && lf != message.npos) in_header = false;
  }
  return wire;
}

std::uint64_t leading_dots(std::string_view wire) {
  std::uint64_t dots = wire.starts_with('.') ? 1 : 0;
  for (std::size_t at = 0; (at = wire.find("\n.", at)) != wire.npos; ++at) ++dots;
  return dots;
}

}  // namespace

TEST_CASE("WireText sends what RFC 1939 says", "[mail][wire]") {
  struct Row {
    std::string_view name, stored, wire;
    std::optional<LineCount> top;
  };
  const Row row = GENERATE(
      Row{"plain", "A: 1\n\nx\n", "A: 1\r\n\r\nx\r\n"},
      Row{"CRLF", "A: 1\r\n\r\nx\r\n", "A: 1\r\n\r\nx\r\n"},
      Row{"dots", ".A: 1\n\n.\n..\na.\n.", "..A: 1\r\n\r\n..\r\n...\r\na.\r\n..\r\n"},
      Row{"dot after a bare CR", "\n\r.\n", "\r\n\r.\r\n"},
      Row{"bare CR", "A: 1\n\na\rb\r\r\nc\r", "A: 1\r\n\r\na\rb\r\r\nc\r\r\n"},
      Row{"hidden", "X-UIDL: 1\n 2\nA: 1\nContent-Length: 5\nX-IMAPbase: 1\n\nX-UIDL: x\n",
          "A: 1\r\n\r\nX-UIDL: x\r\n"},
      Row{"shown", "Status: RO\nX-Status: A\nLines: 1\n\n",
          "Status: RO\r\nX-Status: A\r\nLines: 1\r\n\r\n"},
      Row{"header without an end", "A: 1\n", "A: 1\r\n"},
      Row{"header without a line end", "A: 1", "A: 1\r\n"},
      Row{"hidden field without a line end", "A: 1\nX-UIDL: 1", "A: 1\r\n"},
      Row{"all hidden", "X-UIDL: 1", ""}, Row{"empty", "", ""},
      Row{"empty header", "\nbody", "\r\nbody\r\n"},
      Row{"first line is a continuation", " X-UIDL: 1\n\n", " X-UIDL: 1\r\n\r\n"},
      Row{"half a name", "X-UIDL", "X-UIDL\r\n"},
      Row{"TOP 0", "A: 1\n\nx\ny\n", "A: 1\r\n\r\n", LineCount{0}},
      Row{"TOP 1", "A: 1\n\nx\ny\n", "A: 1\r\n\r\nx\r\n", LineCount{1}},
      Row{"TOP all", "A: 1\n\nx\ny", "A: 1\r\n\r\nx\r\ny\r\n", LineCount{2}},
      Row{"TOP more", "A: 1\n\nx\ny", "A: 1\r\n\r\nx\r\ny\r\n", LineCount{99}},
      Row{"TOP of a header without an end", "A: 1\nB: 2", "A: 1\r\nB: 2\r\n", LineCount{0}});
  CAPTURE(row.name);
  const auto sent = to_wire(row.stored, row.top);
  CHECK(sent.text == row.wire);
  CHECK(sent.octets == row.wire.size() - leading_dots(row.wire));
  for (std::size_t cut = 0; cut <= row.stored.size(); ++cut) {
    CAPTURE(cut);
    CHECK(to_wire(row.stored, row.top, {cut}).text == row.wire);
  }
}

TEST_CASE("WireText is satisfied as soon as TOP has its lines", "[mail][wire]") {
  std::array<char, 300> out{};
  WireText none{LineCount{0}};
  (void)none.convert("A: 1\n", out);
  CHECK_FALSE(none.satisfied());
  (void)none.convert("\n", out);
  CHECK(none.satisfied());
  CHECK(none.convert("body\n", out) == 0);
  CHECK(none.finish(out) == 0);
  WireText two{LineCount{2}};
  (void)two.convert("\na\nb", out);
  CHECK_FALSE(two.satisfied());
  (void)two.convert("\nc\n", out);
  CHECK(two.satisfied());
  WireText all;
  (void)all.convert("\nx\n", out);
  CHECK_FALSE(all.satisfied());
}

TEST_CASE("Any message goes out as a line-wise reading says, wherever it is cut", "[mail][wire]") {
  std::mt19937 random{4};
  for (int round = 0; round < 5000; ++round) {
    const std::string message = random_message(random);
    std::optional<LineCount> top;
    if (random() % 2 == 0) top = LineCount{random() % 4};
    CAPTURE(message, top.has_value());
    const auto expected = wire_naively(message, top ? std::optional{top->value} : std::nullopt);
    const auto sent = to_wire(message, top);
    REQUIRE(sent.text == expected);
    REQUIRE(sent.octets == expected.size() - leading_dots(expected));
    for (const std::size_t step : {1UL, 2UL, 7UL, 33UL}) {
      const auto chunked = to_wire(message, top, test::cuts_every(step, 0, message.size()));
      REQUIRE(chunked.text == expected);
      REQUIRE(chunked.octets == sent.octets);
    }
  }
}

TEST_CASE("WireText stays within the room it asks for", "[mail][wire]") {
  for (const std::string_view worst : {"\n", ".\n", "\n."}) {
    std::string message;
    while (message.size() < 1000) message += worst;
    std::string out(WireText::room_for(message.size()) + 1, '#');
    WireText wire;
    CHECK(wire.convert(message, std::span{out}.first(out.size() - 1)) <= out.size() - 1);
    CHECK(out.back() == '#');
  }
  WireText wire;  // 32 held bytes at most come out at the end
  std::array<char, 64> last{};
  std::array<char, 200> out{};
  CHECK(wire.convert("................................"
                     ".",
                     out) > 0);
  WireText held;
  CHECK(held.convert(".xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", out) == 0);
  CHECK(held.finish(last) == 34);
}
