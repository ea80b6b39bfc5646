#include "mail/incoming_text.h"

#include <string>
#include <vector>

#include "support/catch.h"

using namespace pop;

namespace {

struct Taken {
  std::string text, envelope;
  bool operator==(const Taken&) const = default;
};

Taken taken(std::initializer_list<std::string_view> pieces) {
  IncomingText incoming;
  Taken result;
  for (const std::string_view piece : pieces) incoming.feed(piece, result.text);
  incoming.finish(result.text);
  result.envelope = incoming.envelope();
  return result;
}

std::string quoted(std::initializer_list<std::string_view> pieces,
                   SpoolFormat format = SpoolFormat::mbox) {
  SeparatorQuoting quoting{format};
  std::string result;
  for (const std::string_view piece : pieces) quoting.feed(piece, result);
  quoting.finish(result);
  return result;
}

TEST_CASE("IncomingText makes of a message what a maildrop stores", "[mail][incoming]") {
  struct Case {
    std::string_view what, given, stored, envelope;
  };
  const Case cases[] = {
      {"nothing", "", "", ""},
      {"as it is", "A: b\n\nbody\n", "A: b\n\nbody\n", ""},
      {"a line end is missing", "A: b\n\nbody", "A: b\n\nbody\n", ""},
      {"a header that ends nowhere", "A: b", "A: b\n", ""},
      {"a From_ line", "From a@b Thu Jan  1 00:00:00 1970\nA: b\n\nx\n", "A: b\n\nx\n",
       "From a@b Thu Jan  1 00:00:00 1970"},
      {"a From_ line with CRLF", "From a@b\r\nA: b\r\n\r\nx\r\n", "A: b\n\nx\n", "From a@b"},
      {"a field named From", "From: a\nA: b\n\nx\n", "From: a\nA: b\n\nx\n", ""},
      {"a From_ line alone", "From a@b", "", "From a@b"},
      {"the second From_ line stays", "From a\nFrom b\n\nx\n", "From b\n\nx\n", "From a"},
      {"CRLF", "A: b\r\n\r\nbody\r\n\r\n", "A: b\n\nbody\n\n", ""},
      {"CRLF without the last", "A: b\r\n\r\nbody", "A: b\n\nbody\n", ""},
      {"CRLF and a bare CR", "A: b\r\n\r\nbo\rdy\r\r\n", "A: b\n\nbo\rdy\r\n", ""},
      {"CR at the very end", "A: b\n\nbody\r", "A: b\n\nbody\r\n", ""},
      {"a CRLF among LFs", "A: b\n\nbody\r\nmore\n", "A: b\n\nbody\r\nmore\n", ""},
      {"forged fields",
       "Status: RO\nX-Status: A\nA: b\nx-uidl: 1\n folded\n\tmore\nX-IMAPbase: 1 2\nX-IMAP: 1\n"
       "X-UID: 3\nX-Keywords: a\nContent-Length : 3\nLines: 3\n\nStatus: RO\n",
       "A: b\nLines: 3\n\nStatus: RO\n", ""},
      {"a forged field in front of everything", "Status: RO\r\n\r\nbody\r\n", "\nbody\n", ""},
      {"a continuation line in front", " x\nA: b\n\n", " x\nA: b\n\n", ""},
      {"no header", "\nbody\n", "\nbody\n", ""},
      {"a name like a forged one", "X-UIDLX: 1\nStatuses: 2\n\n", "X-UIDLX: 1\nStatuses: 2\n\n",
       ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const Taken whole = taken({c.given});
    CHECK(whole.text == c.stored);
    CHECK(whole.envelope == c.envelope);
    for (std::size_t cut = 0; cut <= c.given.size(); ++cut) {
      CAPTURE(cut);
      CHECK(taken({c.given.substr(0, cut), c.given.substr(cut)}) == whole);
    }
  }
}

TEST_CASE("IncomingText takes a long line for no From_ line", "[mail][incoming]") {
  const std::string line = "From " + std::string(3000, 'x') + "\n\nbody\n";
  CHECK(taken({line}) == Taken{line, ""});
  CHECK(taken({line.substr(0, 700), line.substr(700)}) == Taken{line, ""});
}

TEST_CASE("SeparatorQuoting quotes what another program could take for a separator",
          "[mail][incoming]") {
  const std::string_view text = "From a\nFrom: b\nFro\n\nFrom c\n>From d\n From e\nFrom";
  const std::string_view wanted = ">From a\nFrom: b\nFro\n\n>From c\n>From d\n From e\nFrom";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    CAPTURE(cut);
    CHECK(quoted({text.substr(0, cut), text.substr(cut)}) == wanted);
  }
  CHECK(quoted({"\1\1\1\1\nFrom a\n\1\1\1\n"}, SpoolFormat::mmdf) == ">\1\1\1\1\nFrom a\n\1\1\1\n");
}

}  // namespace
