#include "log/log.h"

#include <algorithm>
#include <random>
#include <type_traits>

#include "base/secret.h"
#include "support/catch.h"
#include "support/recording_sink.h"

using namespace pop;

namespace {

// A secret must not find its way into a log line by itself.
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_constructible_v<std::string, Secret>);
static_assert(!std::is_constructible_v<std::string_view, const Secret&>);
static_assert(!std::is_assignable_v<decltype(LogField::value)&, Secret>);

struct Recorded {
  test::RecordingSink::Lines lines;
  Log log;

  explicit Recorded(Severity least = Severity::debug, LineFormat format = LineFormat::text)
      : log{std::make_unique<test::RecordingSink>(lines), least, format} {}
  [[nodiscard]] std::string last() const { return lines.empty() ? "" : lines.back().second; }
};

std::string value_shown(std::string value) {
  Recorded recorded;
  recorded.log.event(Severity::info, "e", {{"k", std::move(value)}});
  return recorded.last().substr(4);
}

}  // namespace

TEST_CASE("an event is its name and its fields", "[log]") {
  Recorded recorded;
  recorded.log.event(Severity::notice, "login", {{"user", "jo"}, {"address", "192.0.2.1"}});
  recorded.log.event(Severity::error, "drain", {});
  REQUIRE(recorded.lines.size() == 2);
  CHECK(recorded.lines[0] ==
        std::pair{Severity::notice, std::string{"login user=jo address=192.0.2.1"}});
  CHECK(recorded.lines[1] == std::pair{Severity::error, std::string{"drain"}});
}

TEST_CASE("a value is quoted where it could be taken for more than one", "[log]") {
  using namespace std::string_literals;
  CHECK(value_shown("plain") == "plain");
  CHECK(value_shown("") == "\"\"");
  CHECK(value_shown("a b") == "\"a b\"");
  CHECK(value_shown("a=b") == "\"a=b\"");
  CHECK(value_shown("\"") == "\"\\x22\"");
  CHECK(value_shown("x\" user=root \"") == "\"x\\x22 user=root \\x22\"");
  CHECK(value_shown("a\\") == "a\\x5c");
  CHECK(value_shown("a\nb\0\x7f\xff"s) == "a\\x0ab\\x00\\x7f\\xff");
  CHECK(value_shown("%n%s%p") == "%n%s%p");
}

TEST_CASE("an event stays one line and its fields can be told apart", "[log][property]") {
  std::mt19937 random{3};
  for (int round = 0; round < 3000; ++round) {
    std::string value(random() % 30, '\0');
    for (char& c : value)
      c = random() % 2 ? "\n\r \"=\\"[random() % 6] : static_cast<char>(random());
    const std::string shown = value_shown(value);
    CAPTURE(shown);
    REQUIRE(std::ranges::all_of(shown, [](char c) { return c >= 0x20 && c < 0x7f; }));
    if (shown.starts_with('"')) {
      REQUIRE(shown.size() >= 2);
      REQUIRE(shown.find('"', 1) == shown.size() - 1);
    } else {
      REQUIRE(shown.find_first_of(" \"=") == std::string::npos);
    }
  }
}

TEST_CASE("a value of any length is cut", "[log]") {
  CHECK(value_shown(std::string(512, 'x')) == std::string(512, 'x'));
  CHECK(value_shown(std::string(100'000, 'x')) == std::string(512, 'x') + "...");
}

TEST_CASE("a sentence keeps its blanks and stays one line", "[log]") {
  Recorded recorded;
  recorded.log.sentence(Severity::notice, "Stats: jo 1 2 3 4 host\n[AUTH] 192.0.2.1");
  CHECK(recorded.last() == "Stats: jo 1 2 3 4 host\\x0a[AUTH] 192.0.2.1");
}

TEST_CASE("a failure says what was done and takes its severity from the code", "[log]") {
  for (const Consequence& consequence : consequences) {
    Recorded recorded;
    recorded.log.failure("serve jo", {consequence.code, "open x: no"});
    REQUIRE(recorded.lines.size() == 1);
    CHECK(recorded.lines[0] ==
          std::pair{consequence.severity, std::string{"serve jo: open x: no"}});
  }
}

TEST_CASE("quieter events than wanted are not logged", "[log]") {
  Recorded recorded{Severity::warning};
  recorded.log.event(Severity::notice, "e", {});
  recorded.log.sentence(Severity::debug, "s");
  recorded.log.failure("d", {Errc::busy, "t"});  // info
  CHECK(recorded.lines.empty());
  CHECK_FALSE(recorded.log.wants(Severity::notice));
  CHECK(recorded.log.wants(Severity::warning));
  recorded.log.event(Severity::warning, "e", {});
  recorded.log.sentence(Severity::critical, "s");
  CHECK(recorded.lines.size() == 2);
}

TEST_CASE("in JSON an event is one object", "[log][json]") {
  Recorded recorded{Severity::debug, LineFormat::json};
  recorded.log.event(Severity::notice, "login", {{"id", "1.2"}, {"user", "jo \"x\" \\"}});
  CHECK(recorded.last() == R"({"event":"login","severity":"notice","id":"1.2",)"
                           R"("user":"jo \"x\" \\x5c"})");
  recorded.log.event(Severity::debug, "drain", {});
  CHECK(recorded.last() == R"({"event":"drain","severity":"debug"})");
}

TEST_CASE("in JSON sentences and failures are tied to their connection", "[log][json]") {
  Recorded recorded{Severity::debug, LineFormat::json};
  recorded.log.sentence(Severity::notice, "Stats: jo 1 2 3 4\n", {{"id", "1.2"}});
  CHECK(recorded.last() == R"({"event":"sentence","severity":"notice","id":"1.2",)"
                           R"("text":"Stats: jo 1 2 3 4\\x0a"})");
  recorded.log.failure("serve jo", {Errc::io, "open x: no"}, {{"id", "1.2"}});
  CHECK(recorded.last() == R"({"event":"failure","severity":"error","id":"1.2",)"
                           R"("doing":"serve jo","why":"open x: no"})");
}

TEST_CASE("in text the lines of one connection could not be told from others'", "[log]") {
  Recorded recorded;
  recorded.log.sentence(Severity::notice, "Stats: jo", {{"id", "1.2"}});
  CHECK(recorded.last() == "Stats: jo");  // a shape that must end so
  recorded.log.sentence(Severity::notice, "jo: -ERR id=9", {{"id", "1.2"}}, SentenceEnd::open);
  CHECK(recorded.last() == "jo: -ERR id=9 id=1.2");
  recorded.log.failure("serve jo", {Errc::io, std::string(9'000, 'x')}, {{"id", "1.2"}});
  CHECK(recorded.last().ends_with(" id=1.2"));  // however much was cut
  recorded.log.failure("serve jo", {Errc::io, "no"});
  CHECK(recorded.last() == "serve jo: no");
}

TEST_CASE("a trace hears everything, and as text", "[log][trace]") {
  Recorded recorded{Severity::notice, LineFormat::json};
  test::RecordingSink::Lines traced;
  CHECK_FALSE(recorded.log.wants(Severity::debug));
  recorded.log.set_trace(std::make_unique<test::RecordingSink>(traced));
  CHECK(recorded.log.wants(Severity::debug));
  recorded.log.event(Severity::debug, "command", {{"verb", "STAT"}});
  CHECK(recorded.lines.empty());
  recorded.log.sentence(Severity::notice, "Stats: jo");
  recorded.log.failure("serve jo", {Errc::io, "no"});
  CHECK(recorded.lines.size() == 2);
  REQUIRE(traced.size() == 3);
  CHECK(traced[0] == std::pair{Severity::debug, std::string{"command verb=STAT"}});
  CHECK(traced[1].second == "Stats: jo");
  CHECK(traced[2].second == "serve jo: no");
  recorded.log.set_trace(nullptr);
  recorded.log.event(Severity::debug, "command", {});
  CHECK(traced.size() == 3);
}

TEST_CASE("a name in a sentence is one word that ends nothing", "[log]") {
  CHECK(name_in_sentence("jo.doe@example.org") == "jo.doe@example.org");
  CHECK(name_in_sentence("a b") == "a%20b");
  CHECK(name_in_sentence("\"(x)\"") == "%22%28x%29%22");
  CHECK(name_in_sentence(std::string(10'000, 'x')) == std::string(128, 'x') + "...");
  Recorded recorded;
  recorded.log.sentence(Severity::info, "login of " + name_in_sentence("a \n\xff"));
  CHECK(recorded.last() == "login of a%20\\x0a\\xff");
}
