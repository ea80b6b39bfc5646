#include "conf/option_value.h"

#include <limits>

#include "support/catch.h"

using namespace pop;

namespace {

std::string complaint_about(std::string_view option, std::string_view text,
                            Quoting quoting = Quoting::bare) {
  const Judged<Value> value = read_value(option_named(option), text, quoting);
  return value ? "" : value.error();
}

}  // namespace

TEST_CASE("Booleans are true, false, 1 and 0 in any case", "[conf][value]") {
  const Option& option = option_named("server-mode");
  for (const char* text : {"true", "TRUE", "True", "1"})
    CHECK(read_value(option, text) == Value{true});
  for (const char* text : {"false", "FALSE", "0"}) CHECK(read_value(option, text) == Value{false});
  for (const char* text : {"yes", "on", "", "2", "-1", "truee", "tru", "01"}) {
    CHECK(complaint_about("server-mode", text) ==
          "server-mode wants true, false, 1 or 0, not \"" + std::string{text} + "\"");
  }
  CHECK(complaint_about("server-mode", "true", Quoting::quoted) ==
        "server-mode wants true or false");
}

TEST_CASE("Integers are read in C notation", "[conf][value]") {
  const Option& option = option_named("mail-lock-check");
  struct Row {
    const char* text;
    std::int64_t value;
  };
  for (const Row& row : {Row{"1", 1},
                         {"5000", 5000},
                         {"+7", 7},
                         {"0x1f", 31},
                         {"0X1F", 31},
                         {"010", 8},
                         {"00000000000000000001", 1},
                         {"1000000000", 1000000000}}) {
    CAPTURE(row.text);
    CHECK(read_value(option, row.text) == Value{row.value});
  }
  for (const char* text : {"", "x", "1x", "0x", "0xg", "08", "1.5", " 1", "1 ", "--1", "+-1", "-",
                           "+", "1e3", "0b1", "1_000"}) {
    CHECK(complaint_about("mail-lock-check", text) ==
          "mail-lock-check wants an integer, not \"" + std::string{text} + "\"");
  }
  CHECK(read_value(option_named("announce-expire"), "-1") == Value{std::int64_t{-1}});
  CHECK(read_value(option_named("announce-expire"), "-0x1") == Value{std::int64_t{-1}});
}

TEST_CASE("Integers outside the range are refused with the range", "[conf][value]") {
  CHECK(complaint_about("timeout", "0") == "timeout must be from 1 to 604800, not 0");
  CHECK(complaint_about("timeout", "-5") == "timeout must be from 1 to 604800, not -5");
  CHECK(complaint_about("hash-spool", "3") == "hash-spool must be from 0 to 2, not 3");
  CHECK(complaint_about("timeout", "99999999999999999999999") ==
        "timeout must be from 1 to 604800, not 99999999999999999999999");
  CHECK(complaint_about("tls-options", "-1") == "tls-options must be at least 0, not -1");
  CHECK(complaint_about("timeout", "600", Quoting::quoted) == "timeout wants an integer");
}

TEST_CASE("Mnemonics match in any case and name their neighbours", "[conf][value]") {
  Settings settings;
  const Option& option = option_named("log-facility");
  for (const Mnemonic& word : option.words) {
    const Judged<Value> value = read_value(option, word.word);
    REQUIRE(value);
    store_value(settings, option, *value);
    CHECK(static_cast<std::uint8_t>(settings.log_facility) == word.value);
    CHECK(load_value(settings, option) == Value{std::string{word.word}});
  }
  CHECK(read_value(option, "LOCAL3").has_value());
  CHECK(read_value(option, "local3", Quoting::quoted).has_value());
  CHECK(complaint_about("log-facility", "locl3") ==
        "\"locl3\" is no value of log-facility; did you mean local3");
  CHECK(complaint_about("uid-format", "zzzzzzzzzzzzzzz") ==
        "\"zzzzzzzzzzzzzzz\" is no value of uid-format; values are native, qpopper");
  CHECK(complaint_about("uid-format", std::string(1000000, 'q')).size() < 300);
}

TEST_CASE("a misspelt mechanism was taken in silence", "[conf][value]") {
  CHECK(complaint_about("sasl-mechanisms", "") == "");
  CHECK(complaint_about("sasl-mechanisms", "scram-sha-256, PLAIN,LOGIN  cram-md5") == "");
  CHECK(complaint_about("sasl-mechanisms", "PLAIN SCRAM-SHA256") ==
        "\"SCRAM-SHA256\" is no value of sasl-mechanisms; did you mean SCRAM-SHA-256");
  CHECK(complaint_about("sasl-mechanisms", "cram-md4") ==
        "\"cram-md4\" is no value of sasl-mechanisms; did you mean CRAM-MD5");
  CHECK(complaint_about("sasl-mechanisms", "something-else")
            .starts_with("\"something-else\" is no value of sasl-mechanisms; values are SCRAM-"));
  for (const Mnemonic& word : option_named("sasl-mechanisms").words) {
    CHECK((complaint_about("sasl-mechanisms", word.word) == "") == (word.ready == Ready::now));
  }
}

TEST_CASE("Texts must have their form", "[conf][value]") {
  struct Row {
    const char* option;
    std::string text;
    const char* complaint;
  };
  const Row rows[] = {
      {"spool-dir", "/var/spool/mail", ""},
      {"spool-dir", "var/mail", "spool-dir must begin with a slash, not be \"var/mail\""},
      {"spool-dir", "", "spool-dir must begin with a slash, not be \"\""},
      {"temp-dir", "", ""},
      {"temp-dir", "x", "temp-dir must begin with a slash, not be \"x\""},
      {"temp-name", "%s.tmp", ""},
      {"temp-name", ".pop", "temp-name must be a file name with one %s, not \".pop\""},
      {"temp-name", "%s%s", "temp-name must be a file name with one %s, not \"%s%s\""},
      {"temp-name", "%d", "temp-name must be a file name with one %s, not \"%d\""},
      {"temp-name", "../%s", "temp-name must be a file name with one %s, not \"../%s\""},
      {"temp-name", "%s%n", "temp-name must be a file name with one %s, not \"%s%n\""},
      {"home-dir-mail", ".mail", ""},
      {"home-dir-mail", "Mail/inbox", ""},
      {"home-dir-mail", "/etc/passwd",
       "home-dir-mail must stay below the directory, not be \"/etc/passwd\""},
      {"home-dir-mail", "a/../../b",
       "home-dir-mail must stay below the directory, not be \"a/../../b\""},
      {"pam-service", "", "pam-service must be one word, not \"\""},
      {"pam-service", "a b", "pam-service must be one word, not \"a b\""},
      {"spool-dir", "/a\nb", "spool-dir may not hold control characters: \"/a\\x0ab\""},
      {"config-file", "", "config-file may not be empty"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.option, row.text);
    CHECK(complaint_about(row.option, row.text) == row.complaint);
  }
}

TEST_CASE("What comes later may only keep its default", "[conf][value]") {
  for (const Option& option : all_options()) {
    if (option.ready == Ready::now) continue;
    CAPTURE(option.name);
    CHECK(check_value(option, load_value(Settings{}, option)).has_value());
    Value other;
    switch (option.type()) {
      case ValueType::boolean:
        other = !std::get<bool>(load_value(Settings{}, option));
        break;
      case ValueType::integer:
      case ValueType::seconds:
        other = load_value(Settings{}, option) == Value{option.range.least} ? option.range.least + 1
                                                                            : option.range.least;
        break;
      case ValueType::mnemonic:
        other = std::string{option.words.back().word};
        break;
      default:
        other = std::string{option.form == Form::takeover ? "always" : "/other"};
    }
    const Judged<void> refused = check_value(option, other);
    REQUIRE(!refused);
    CHECK(refused.error() == std::string{option.name} + " is not available in this version");
  }
}

TEST_CASE("Repeated tls-options add up, other integers are replaced", "[conf][value]") {
  Settings settings;
  store_value(settings, option_named("tls-options"), std::int64_t{4});
  store_value(settings, option_named("tls-options"), std::int64_t{1});
  store_value(settings, option_named("tls-options"), std::int64_t{4});
  CHECK(settings.tls_options == 5);
  store_value(settings, option_named("hash-spool"), std::int64_t{1});
  store_value(settings, option_named("hash-spool"), std::int64_t{2});
  CHECK(settings.hash_spool == 2);
}

TEST_CASE("Every option can be stored, loaded and reset", "[conf][value]") {
  for (const Option& option : all_options()) {
    if (std::holds_alternative<std::monostate>(option.target)) continue;
    CAPTURE(option.name);
    std::vector<Value> values;
    switch (option.type()) {
      case ValueType::boolean:
        values = {true, false};
        break;
      case ValueType::integer:
      case ValueType::seconds:
        values = {option.range.most, option.range.least};
        break;
      case ValueType::mnemonic:
        for (const Mnemonic& word : option.words) values.emplace_back(std::string{word.word});
        break;
      default:
        values = {std::string{"/a b\\\"'`#"}, std::string{}};
    }
    for (const Value& value : values) {
      Settings settings;
      store_value(settings, option, value);
      if (option.type() != ValueType::mnemonic) CHECK(load_value(settings, option) == value);
      reset_value(settings, option);
      CHECK(load_value(settings, option) == load_value(Settings{}, option));
    }
  }
}

TEST_CASE("A value of the wrong type is named for what is wanted", "[conf][value]") {
  const auto complaint = [](std::string_view option, const Value& value) {
    const Judged<void> fine = check_value(option_named(option), value);
    return fine ? std::string{} : fine.error();
  };
  CHECK(complaint("shy", std::int64_t{1}) == "shy wants true or false");
  CHECK(complaint("timeout", true) == "timeout wants an integer");
  CHECK(complaint("uid-format", true) == "uid-format wants a word in quotes");
  CHECK(complaint("spool-dir", std::int64_t{1}) == "spool-dir wants a text in quotes");
}
