#include "mail/line_blocks.h"

#include <random>
#include <string>
#include <vector>

#include "support/catch.h"

using namespace pop;

namespace {

std::string random_body(std::mt19937& random, std::size_t size) {
  constexpr std::string_view dense = "\n\n\r\nF.\1a";
  const bool sparse = random() % 2 == 0;
  std::string body;
  for (std::size_t i = 0; i < size; ++i) {
    body += sparse && random() % 16 != 0 ? 'x' : dense[random() % dense.size()];
  }
  return body;
}

constexpr std::size_t steps[] = {1, 3, 63, 64, 65, 1000};

struct Tallied {
  std::vector<std::size_t> stops;
  BodyContext context;
  LineTally tally;
};

/// The same, one byte after the other.
Tallied tally_naively(std::string_view body, Seek seek) {
  Tallied result{.context = {.after_lf = true, .after_empty = true}};
  std::size_t line_begin = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    BodyContext& c = result.context;
    const bool stop = (seek == Seek::from_line && c.after_empty && body[i] == 'F') ||
                      (seek == Seek::mmdf_line && c.after_lf && body[i] == '\1');
    if (stop) result.stops.push_back(i);
    const std::string_view line = body.substr(line_begin, i + 1 - line_begin);
    c = {.after_lf = body[i] == '\n',
         .after_cr = body[i] == '\r',
         .after_first_cr = line == "\r",
         .after_crlf = line.ends_with("\r\n"),
         .after_empty = line == "\n" || line == "\r\n"};
    result.tally.line_ends += c.after_lf ? 1 : 0;
    result.tally.crlf_ends += c.after_crlf ? 1 : 0;
    if (c.after_lf) line_begin = i + 1;
  }
  return result;
}

Tallied tally(const LineBlocks& blocks, std::string_view body, Seek seek, std::size_t step) {
  Tallied result{.context = {.after_lf = true, .after_empty = true}};
  std::size_t done = 0;
  while (done < body.size()) {
    const std::string_view piece = body.substr(done, step - done % step);
    const std::size_t taken =
        blocks.tally(piece.data(), piece.size(), seek, result.context, result.tally);
    done += taken;
    if (taken == piece.size()) continue;
    result.stops.push_back(done);
    REQUIRE(blocks.tally(body.data() + done, 1, Seek::nothing, result.context, result.tally) == 1);
    ++done;
  }
  return result;
}

std::string wire_naively(std::string_view body) {
  std::string wire;
  char last = '\n';
  for (const char c : body) {
    if (c == '\n' && last != '\r') wire += '\r';
    if (c == '.' && last == '\n') wire += '.';
    wire += last = c;
  }
  return wire;
}

std::string wire(const LineBlocks& blocks, std::string_view body, std::size_t step) {
  WireContext context;
  std::string result;
  for (std::size_t done = 0; done < body.size(); done += step) {
    const std::string_view piece = body.substr(done, step);
    std::string out(2 * piece.size() + 64, '?');
    out.resize(blocks.to_wire(piece.data(), piece.size(), out.data(), context));
    result += out;
  }
  CHECK(context.doubled_dots == result.size() - [&] {
    std::string undotted;
    WireContext again;
    for (const char c : body) {
      if (c == '\n' && again.last != '\r') undotted += '\r';
      undotted += again.last = c;
    }
    return undotted.size();
  }());
  return result;
}

}  // namespace

TEST_CASE("Every instruction set tallies a body like a byte-wise loop", "[mail][blocks]") {
  std::mt19937 random{1};
  for (int round = 0; round < 300; ++round) {
    const std::string body = random_body(random, random() % 400);
    for (const Seek seek : {Seek::nothing, Seek::from_line, Seek::mmdf_line}) {
      const Tallied expected = tally_naively(body, seek);
      for (const LineBlocks* blocks : usable_line_blocks()) {
        for (const std::size_t step : steps) {
          const Tallied found = tally(*blocks, body, seek, step);
          CAPTURE(body, step);
          REQUIRE(found.stops == expected.stops);
          REQUIRE(found.context == expected.context);
          REQUIRE(found.tally.line_ends == expected.tally.line_ends);
          REQUIRE(found.tally.crlf_ends == expected.tally.crlf_ends);
        }
      }
    }
  }
}

TEST_CASE("Every instruction set writes wire lines like a byte-wise loop", "[mail][blocks]") {
  std::mt19937 random{2};
  for (int round = 0; round < 300; ++round) {
    const std::string body = random_body(random, random() % 400);
    const std::string expected = wire_naively(body);
    for (const LineBlocks* blocks : usable_line_blocks()) {
      for (const std::size_t step : steps) {
        CAPTURE(body, step);
        REQUIRE(wire(*blocks, body, step) == expected);
      }
    }
  }
}
