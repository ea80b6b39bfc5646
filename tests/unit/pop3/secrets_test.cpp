// What a client sent as its password must not stay behind in memory.

#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "pop3/line_reader.h"
#include "pop3/login_dialogue.h"
#include "support/catch.h"
#include "support/freed_memory.h"

using namespace pop;

namespace {

constexpr std::string_view password = "correct horse battery staple, nowhere else";
constexpr std::string_view login =
    "USER jo\r\nPASS correct horse battery staple, nowhere else\r\nSTAT\r\nLIST\r\n";

// As the gate does it, down to the check; returns how many checks were asked for.
int log_in(std::string_view first, std::string_view second) {
  LineReader reader;
  LoginDialogue dialogue{{}, ""};
  int checks = 0;
  for (const std::string_view piece : {first, second, std::string_view{"NOOP\r\nNOOP\r\n"}}) {
    reader.feed(piece);
    while (const auto line = reader.next()) {
      for (const LoginAction& action : dialogue.on_line(line->text)) {
        if (const auto* const check = std::get_if<CheckPassword>(&action)) {
          checks += check->password.octets() == password ? 1 : 0;
        }
      }
    }
  }
  return checks;
}

}  // namespace

TEST_CASE("freed memory with a password in it is found", "[pop3][secret]") {
  const test::FreedMemory freed{password};
  { const auto careless = std::make_unique<std::string>(password); }
  CHECK(freed.blocks_with_marker() == 1);
}

TEST_CASE("no password stays in freed memory wherever the input is cut", "[pop3][secret]") {
  for (std::size_t cut = 0; cut <= login.size(); ++cut) {
    int checks = 0;
    std::size_t found = 0;
    {
      const test::FreedMemory freed{password};
      checks = log_in(login.substr(0, cut), login.substr(cut));
      found = freed.blocks_with_marker();
    }
    CAPTURE(cut);
    REQUIRE(checks == 1);
    REQUIRE(found == 0);
  }
}

TEST_CASE("a reader that grows leaves no password in its old memory", "[pop3][secret]") {
  const test::FreedMemory freed{password};
  {
    LineReader reader;
    reader.feed("PASS ");
    reader.feed(password);
    for (int i = 0; i < 900; ++i) reader.feed("x");
    reader.feed("\r\n");
    REQUIRE(reader.next()->text.size() == 905 + password.size());
    reader.wipe();
    for (int i = 0; i < 900; ++i) reader.feed("NOOP\r\n");
  }
  CHECK(freed.blocks_with_marker() == 0);
}

TEST_CASE("clear and take_rest leave no password in the reader", "[pop3][secret]") {
  const test::FreedMemory freed{password};
  {
    LineReader cleared, handed_over;
    for (LineReader* const reader : {&cleared, &handed_over}) {
      reader->feed(login);
      static_cast<void>(reader->next());
      static_cast<void>(reader->next());
    }
    cleared.clear();
    CHECK(handed_over.take_rest() == "STAT\r\nLIST\r\n");
  }
  CHECK(freed.blocks_with_marker() == 0);
}

TEST_CASE("a short password inside a Line is overwritten when the Line goes", "[pop3][secret]") {
  alignas(LineReader::Line) unsigned char memory[sizeof(LineReader::Line)]{};
  auto* const line = new (memory) LineReader::Line;
  line->text = "PASS geheim";
  const std::string_view content{reinterpret_cast<const char*>(memory), sizeof memory};
  REQUIRE(content.find("geheim") != std::string_view::npos);
  std::destroy_at(line);
  CHECK(content.find("geheim") == std::string_view::npos);
}
