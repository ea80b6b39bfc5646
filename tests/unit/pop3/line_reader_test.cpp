#include "pop3/line_reader.h"

#include <random>
#include <string>
#include <vector>

#include "support/catch.h"

using namespace pop;

namespace {

// "!" stands for a line that was too long.
std::vector<std::string> taken(LineReader& reader) {
  std::vector<std::string> lines;
  while (const auto line = reader.next()) lines.push_back(line->too_long ? "!" : line->text);
  return lines;
}

std::vector<std::string> read_in_pieces(const std::vector<std::string_view>& pieces) {
  LineReader reader;
  std::vector<std::string> lines;
  for (const std::string_view piece : pieces) {
    reader.feed(piece);
    for (std::string& line : taken(reader)) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

TEST_CASE("LineReader takes LF and CRLF and keeps every other octet", "[pop3][line_reader]") {
  using namespace std::string_view_literals;
  CHECK(read_in_pieces({"USER jo\r\nPASS x\n\r\n\n"}) ==
        std::vector<std::string>{"USER jo", "PASS x", "", ""});
  CHECK(read_in_pieces({"a\rb\r\r\n"}) == std::vector<std::string>{"a\rb\r"});
  CHECK(read_in_pieces({"a\0\xff\r\n"sv}) == std::vector<std::string>{std::string{"a\0\xff"sv}});
  CHECK(read_in_pieces({"unfinished"}).empty());
  CHECK(read_in_pieces({""}).empty());
}

TEST_CASE("LineReader gives the same lines wherever the input is cut", "[pop3][line_reader]") {
  const std::string input = "USER jo\r\n\r\n" + std::string(longest_command_line - 2, 'k') +
                            "\r\n" + std::string(longest_command_line - 1, 'm') +
                            "\r\nSTAT\nQUIT\r\n" + std::string(3000, 'n') + "\n\nNOOP\r\ntail";
  const std::vector<std::string> whole = read_in_pieces({input});
  REQUIRE(whole == std::vector<std::string>{"USER jo", "",
                                            std::string(longest_command_line - 2, 'k'), "!", "STAT",
                                            "QUIT", "!", "", "NOOP"});
  const std::string_view view = input;
  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    CAPTURE(cut);
    REQUIRE(read_in_pieces({view.substr(0, cut), view.substr(cut)}) == whole);
  }
  std::vector<std::string_view> octets;
  for (std::size_t i = 0; i < input.size(); ++i) octets.push_back(view.substr(i, 1));
  CHECK(read_in_pieces(octets) == whole);
}

TEST_CASE("LineReader counts the line end into the limit", "[pop3][line_reader]") {
  for (const std::string_view line_end : {"\n", "\r\n"}) {
    const std::string longest(longest_command_line - line_end.size(), 'x');
    CHECK(read_in_pieces({longest + std::string{line_end}}) == std::vector<std::string>{longest});
    CHECK(read_in_pieces({longest + "x" + std::string{line_end}}) == std::vector<std::string>{"!"});
  }
}

TEST_CASE("LineReader reports an endless line once and at its limit", "[pop3][line_reader]") {
  LineReader reader;
  reader.feed(std::string(longest_command_line - 1, 'x'));
  CHECK(taken(reader).empty());
  reader.feed("x");
  CHECK(taken(reader) == std::vector<std::string>{"!"});
  for (int i = 0; i < 1000; ++i) {
    reader.feed(std::string(10'000, 'x'));
    REQUIRE(taken(reader).empty());
  }
  reader.feed("x\r\nNOOP\r\n");
  CHECK(taken(reader) == std::vector<std::string>{"NOOP"});
}

TEST_CASE("LineReader hands over what follows the last line taken", "[pop3][line_reader]") {
  LineReader reader;
  reader.feed("USER jo\r\nPASS secret\r\nSTAT\r\nQU");
  REQUIRE(reader.next()->text == "USER jo");
  REQUIRE(reader.next()->text == "PASS secret");
  CHECK(reader.take_rest() == "STAT\r\nQU");
  CHECK(taken(reader).empty());
  CHECK(reader.take_rest().empty());
  reader.feed("IT\r\n");
  CHECK(taken(reader) == std::vector<std::string>{"IT"});
}

TEST_CASE("LineReader splits a pipelined batch between two readers at any line",
          "[pop3][line_reader]") {
  const std::vector<std::string> lines{"a", "", "bc", "def", "g"};
  for (std::size_t first = 0; first <= lines.size(); ++first) {
    LineReader gate, session;
    for (const std::string& line : lines) gate.feed(line + "\r\n");
    for (std::size_t i = 0; i < first; ++i) REQUIRE(gate.next()->text == lines[i]);
    session.feed(gate.take_rest());
    CHECK(taken(session) ==
          std::vector<std::string>(lines.begin() + static_cast<long>(first), lines.end()));
  }
}

TEST_CASE("LineReader forgets what it read when told to", "[pop3][line_reader]") {
  LineReader reader;
  reader.feed("STLS\r\nUSER injected\r\nPASS");
  REQUIRE(reader.next()->text == "STLS");
  reader.clear();
  CHECK(taken(reader).empty());
  reader.feed("CAPA\r\n");
  CHECK(taken(reader) == std::vector<std::string>{"CAPA"});
  reader.feed(std::string(2000, 'x'));
  CHECK(taken(reader) == std::vector<std::string>{"!"});
  reader.clear();
  reader.feed("NOOP\r\n");
  CHECK(taken(reader) == std::vector<std::string>{"NOOP"});
}

TEST_CASE("LineReader keeps untaken input when it wipes", "[pop3][line_reader]") {
  LineReader reader;
  reader.feed("PASS secret\r\nSTAT\r\nLI");
  REQUIRE(reader.next()->text == "PASS secret");
  reader.wipe();
  reader.feed("ST\r\n");
  CHECK(taken(reader) == std::vector<std::string>{"STAT", "LIST"});
}

TEST_CASE("LineReader survives any mix of its calls", "[pop3][line_reader]") {
  std::mt19937 random{1};
  for (int round = 0; round < 200; ++round) {
    LineReader reader;
    std::string fed;
    std::vector<std::string> lines;
    for (int step = 0; step < 60; ++step) {
      std::string piece(random() % 40, 'x');
      for (char& c : piece) c = "ab\r\n"[random() % 4];
      fed += piece;
      reader.feed(piece);
      if (random() % 3 == 0) reader.wipe();
      while (random() % 4 != 0) {
        const auto line = reader.next();
        if (!line) break;
        lines.push_back(line->text);
      }
      if (random() % 8 == 0) {
        const std::string rest = reader.take_rest();
        reader.feed(rest);
      }
    }
    for (std::string& line : taken(reader)) lines.push_back(std::move(line));
    REQUIRE(lines == read_in_pieces({fed}));
  }
}
