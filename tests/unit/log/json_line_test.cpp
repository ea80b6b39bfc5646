// What a JSON reader makes of our lines, whatever goes into them. The reader is this test's own and
// knows just what RFC 8259 says about strings in one flat object.
#include <map>
#include <optional>
#include <random>

#include "base/text.h"
#include "log/log_line.h"
#include "support/catch.h"

using namespace pop;

namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_{text} {}

  /// The members of the whole text; nullopt when it is no object of strings.
  std::optional<std::map<std::string, std::string>> object() {
    std::map<std::string, std::string> members;
    if (!take('{')) return std::nullopt;
    do {
      const std::optional<std::string> key = string();
      if (!key || !take(':')) return std::nullopt;
      std::optional<std::string> value = string();
      if (!value || !members.emplace(*key, std::move(*value)).second) return std::nullopt;
    } while (take(','));
    if (!take('}') || !text_.empty()) return std::nullopt;
    return members;
  }

 private:
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::optional<std::string> string() {
    if (!take('"')) return std::nullopt;
    std::string value;
    while (!text_.empty()) {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') return value;
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) break;
      if (c != '\\') {
        value += c;
      } else if (text_.starts_with('"') || text_.starts_with('\\')) {
        value += text_.front();
        text_.remove_prefix(1);
      } else {
        break;  // no other escape is ours
      }
    }
    return std::nullopt;
  }

  std::string_view text_;
};

}  // namespace

TEST_CASE("a JSON line is an object whatever bytes its values have", "[log][json][property]") {
  std::mt19937 random{11};
  for (int round = 0; round < 5000; ++round) {
    std::string value(random() % 700, '\0');
    for (char& c : value) {
      c = random() % 2 ? "\"\\{},:\n\r\0\x1f\x7f\xc3\xed\xff"[random() % 14]
                       : static_cast<char>(random());
    }
    const std::string line =
        json_line(Severity::info, "login", {{"id", "1"}}, {{"user", value}, {"text", value}});
    CAPTURE(line);
    const auto members = Reader{line}.object();
    REQUIRE(members);
    REQUIRE(members->size() == 5);
    REQUIRE(members->at("user") == escaped(value, 512));
    REQUIRE(members->at("text") == escaped(value, 1536));
  }
}
