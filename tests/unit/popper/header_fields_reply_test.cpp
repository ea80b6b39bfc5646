#include "popper/header_fields_reply.h"

#include <algorithm>

#include "support/catch.h"

using namespace pop;

namespace {

/// Gives its text in pieces of so many octets.
class TextReader final : public MessageReader {
 public:
  TextReader(std::string text, std::size_t piece) : text_{std::move(text)}, piece_{piece} {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t size = std::min({piece_, buffer.size(), text_.size() - taken_});
    std::copy_n(text_.begin() + static_cast<std::ptrdiff_t>(taken_), size, buffer.begin());
    taken_ += size;
    return size;
  }
  [[nodiscard]] std::size_t taken() const { return taken_; }

 private:
  std::string text_;
  std::size_t piece_, taken_ = 0;
};

const std::string header =
    "Received: by a\n\tfor b\nX-UIDL: hidden\nFrom: maida <m@example.net>,\n jo\nfrom-x: no\n"
    "Subject: s\n\n";

}  // namespace

TEST_CASE("a header is read as TOP sends it, and no more of the message", "[popper]") {
  for (const std::size_t piece : {1U, 7U, 4096U}) {
    TextReader reader{header + std::string(100'000, 'b'), piece};
    const auto read = read_wire_header(reader);
    REQUIRE(read);
    CHECK(*read ==
          "Received: by a\r\n\tfor b\r\nFrom: maida <m@example.net>,\r\n jo\r\nfrom-x: no\r\n"
          "Subject: s\r\n\r\n");
    CHECK(reader.taken() <= header.size() + 4096);
  }
}

TEST_CASE("a message that is all header is read to a MiB", "[popper]") {
  TextReader reader{"Subject: " + std::string(9'000'000, 'x'), 4096};
  const auto read = read_wire_header(reader);
  REQUIRE(read);
  CHECK(read->size() < 1'100'000);
  CHECK(reader.taken() < 1'100'000);
}

TEST_CASE("the first field that begins so is found, with all its lines", "[popper]") {
  TextReader reader{header, 4096};
  const std::string read = read_wire_header(reader).value();
  CHECK(field_beginning_with(read, "rec") == "Received: by a\r\n\tfor b\r\n");
  CHECK(field_beginning_with(read, "FROM:") == "From: maida <m@example.net>,\r\n jo\r\n");
  CHECK(field_beginning_with(read, "from-") == "from-x: no\r\n");
  CHECK(field_beginning_with(read, "x-uidl").empty());
  CHECK(field_beginning_with(read, "to").empty());
}

TEST_CASE("a sender in a listing is short and without control characters", "[popper]") {
  CHECK(sender_for_listing("From: a\x1b[2J\tb\r\n c\r\n\r\n") == "a [2J b");
  CHECK(sender_for_listing("From: " + std::string(300, 'a') + "\r\n\r\n").size() == 128);
  CHECK(sender_for_listing("Subject: x\r\n\r\n").empty());
}
