#include "popper/client_form.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/wire_text.h"
#include "support/catch.h"

namespace pop {
namespace {

constexpr ClientForm as_stored{};
constexpr ClientForm downgraded{.is_downgraded = true};
constexpr ClientForm with_header_end{.ends_header = true};

std::string on_the_wire(std::string_view stored) {
  WireText wire;
  std::string out(WireText::room_for(stored.size()), '\0');
  std::size_t size = wire.convert(stored, out);
  out.resize(size + WireText::room_for(0));
  size += wire.finish(std::span{out}.subspan(size));
  out.resize(size);
  return out;
}

/// Reads in small pieces.
class TextInPieces final : public MessageReader {
 public:
  explicit TextInPieces(std::string_view text) : rest_{text} {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t size = rest_.copy(buffer.data(), std::min<std::size_t>(buffer.size(), 7));
    rest_.remove_prefix(size);
    return size;
  }

 private:
  std::string_view rest_;
};

class OneMessage final : public Maildrop {
 public:
  OneMessage(std::string_view text, HeaderKind header)
      : text_{text},
        info_{{.size = {on_the_wire(text).size()}, .unique_id = "1", .header = header}} {}

  std::span<const MessageInfo> messages() const override { return info_; }
  std::size_t hidden() const override { return 0; }
  const FilePlace* retrievals() const override { return nullptr; }
  Result<std::unique_ptr<MessageReader>> open(MessageNumber) override {
    ++opened;
    return std::make_unique<TextInPieces>(text_);
  }
  Result<std::size_t> add(const OwnMail&) override { return 0; }
  Result<void> list_again() override { return {}; }
  Result<void> commit(const SessionOutcome&) override { return {}; }

  int opened = 0;

 private:
  std::string_view text_;
  std::vector<MessageInfo> info_;
};

std::string sent(OneMessage& maildrop, const ClientForm& form) {
  const Result<std::unique_ptr<MessageReader>> reader =
      open_for_client(maildrop, MessageNumber{1}, form);
  REQUIRE(reader);
  std::string stored;
  std::array<char, 16> piece;
  while (true) {
    const Result<std::size_t> read = (*reader)->read(piece);
    REQUIRE(read);
    if (*read == 0) return on_the_wire(stored);
    stored.append(piece.data(), *read);
  }
}

void check_size(OneMessage& maildrop, const ClientForm& form) {
  const Result<WireOctets> size = size_for_client(maildrop, MessageNumber{1}, form);
  REQUIRE(size);
  CHECK(size->count == sent(maildrop, form).size());
}

constexpr HeaderKind plain{}, in_utf8{.may_have_utf8 = true}, unended{.is_unended = true},
    unended_in_utf8{.may_have_utf8 = true, .is_unended = true};

}  // namespace

TEST_CASE("The size that is told is that of what is sent, in every form", "[popper][language]") {
  const std::string long_header =
      "Subject: \xc3\xbc\nX: " + std::string(20'000, 'x') + "\n\nbody\n";
  for (const std::string_view text :
       {std::string_view{"Subject: \xc3\xbc\nX-UIDL: 1\n\nbody\n"}, std::string_view{long_header},
        std::string_view{"Subject: \xc3\xbc\r\n \xc3\xbc\r\n\r\n\r\nbody"},
        std::string_view{"Status: \xc3\xbc\n\n"},
        std::string_view{"no field \xc3\xbc\n\nbody\n"}}) {
    OneMessage maildrop{text, in_utf8};
    for (const ClientForm& form : {as_stored, downgraded, with_header_end})
      check_size(maildrop, form);
  }
  for (const std::string_view text :
       {"Subject: \xc3\xbc", "Subject: \xc3\xbc\n", "A: b\r\n", "A: b", ""}) {
    OneMessage maildrop{text, unended_in_utf8};
    for (const ClientForm& form :
         {as_stored, downgraded, with_header_end,
          ClientForm{.is_downgraded = true, .has_no_nul = true, .ends_header = true}}) {
      check_size(maildrop, form);
    }
  }
}

TEST_CASE("A message that a form does not concern is not read for its size", "[popper][language]") {
  OneMessage maildrop{"Subject: x\n\nbody\n", plain};
  CHECK(size_for_client(maildrop, MessageNumber{1}, {true, true, true})->count ==
        maildrop.messages()[0].size.count);
  CHECK(maildrop.opened == 0);
}

TEST_CASE("A header gets its end once, whatever its last line has", "[popper][language]") {
  for (const std::string_view text : {"A: b\n", "A: b"}) {
    OneMessage maildrop{text, unended};
    CHECK(sent(maildrop, as_stored) == "A: b\r\n");
    CHECK(sent(maildrop, with_header_end) == "A: b\r\n\r\n");
  }
}

TEST_CASE("A NUL is replaced in header and body", "[popper][language]") {
  using namespace std::string_literals;
  const std::string text = "A: \0\n\n\0b\0\n"s;
  OneMessage maildrop{text, plain};
  CHECK(sent(maildrop, {.has_no_nul = true}) ==
        "A: \x80\r\n\r\n\x80"
        "b\x80\r\n");
  CHECK(sent(maildrop, as_stored) == "A: \0\r\n\r\n\0b\0\r\n"s);
}

}  // namespace pop
