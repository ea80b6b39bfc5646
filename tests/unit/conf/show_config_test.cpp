#include "conf/show_config.h"

#include <random>

#include "support/catch.h"

using namespace pop;

namespace {

/// Settings with a random, permitted value in every option that this version can set.
Settings random_settings(std::mt19937& random) {
  const std::string_view letters = "ab \\\"'`#=%,;$\xc3\xa9";
  const auto text = [&](std::size_t most) {
    std::string result;
    for (std::size_t n = random() % (most + 1); n > 0; --n) {
      result += letters[random() % letters.size()];
    }
    return result;
  };
  Settings settings;
  for (const Option& option : all_options()) {
    if (std::holds_alternative<std::monostate>(option.target)) continue;
    Value value;
    switch (option.type()) {
      case ValueType::boolean:
        value = random() % 2 == 0;
        break;
      case ValueType::integer:
      case ValueType::seconds:
        value = std::uniform_int_distribution{option.range.least, option.range.most}(random);
        break;
      case ValueType::mnemonic:
        value = std::string{option.words[random() % option.words.size()].word};
        break;
      default:
        switch (option.form) {
          case Form::absolute:
          case Form::absolute_or_none:
            value = "/" + text(20);
            break;
          case Form::user_pattern:
            value = "x%s";
            break;
          case Form::word:
            value = "x\\\"'";
            break;
          default:
            value = text(20);
        }
    }
    if (check_value(option, value)) store_value(settings, option, value);
  }
  return settings;
}

}  // namespace

TEST_CASE("render_classic is read back to equal settings", "[conf][show]") {
  std::mt19937 random{42};
  for (int round = 0; round < 500; ++round) {
    const Settings settings = random_settings(random);
    Configuration read;
    const Checked<void> applied =
        apply_text(read, render_classic(settings), "rendered", FileScope::start_up, FileReader{});
    REQUIRE(applied);
    CHECK(differing_options(settings, read.settings).empty());
  }
  CHECK(!differing_options(random_settings(random), Settings{}).empty());
}

TEST_CASE("The defaults can be handed on as well", "[conf][show]") {
  Configuration read;
  REQUIRE(
      apply_text(read, render_classic(Settings{}), "rendered", FileScope::start_up, FileReader{}));
  CHECK(differing_options(Settings{}, read.settings).empty());
}

TEST_CASE("The effective configuration tells where values come from", "[conf][show]") {
  Configuration configuration;
  REQUIRE(apply_text(configuration,
                     "timeout = 5\nspool-dir = \"/a b\"\n[[listen]]\naddress = \"[::1]:8110\"\n",
                     "/etc/popper/popper.toml", FileScope::start_up, FileReader{}));
  const std::string shown = render_effective(configuration);
  const auto has = [&](std::string_view line) { return shown.find(line) != std::string::npos; };
  CHECK(has("\nset timeout = 5                                 # /etc/popper/popper.toml:1\n"));
  CHECK(has("\nset spool-dir = \"/a b\"                          # /etc/popper/popper.toml:2\n"));
  CHECK(has("\nset shy = false                                 # default\n"));
  CHECK(has("\n# listen [::1]:8110\n"));
  Configuration again;
  REQUIRE(apply_text(again, shown, "shown", FileScope::start_up, FileReader{}));
  CHECK(differing_options(configuration.settings, again.settings).empty());
}

TEST_CASE("Every stored option is shown once", "[conf][show]") {
  const std::string shown = render_effective(Configuration{});
  for (const Option& option : all_options()) {
    if (std::holds_alternative<std::monostate>(option.target)) continue;
    CAPTURE(option.name);
    const std::string line = "set " + std::string{option.name} + " = ";
    CHECK(shown.find(line) != std::string::npos);
    CHECK(shown.find(line) == shown.rfind(line));
  }
}

TEST_CASE("A passphrase is handed on but not shown", "[conf][show]") {
  Configuration configuration;
  configuration.settings.tls_passphrase = "sesame";
  CHECK(render_effective(configuration).find("sesame") == std::string::npos);
  CHECK(render_effective(configuration).find("# set tls-passphrase = (not shown)") !=
        std::string::npos);
  CHECK(render_classic(configuration.settings).find("set tls-passphrase = sesame\n") !=
        std::string::npos);
}

TEST_CASE("Passwords and secrets of other services are not shown", "[conf][show]") {
  Configuration configuration;
  configuration.settings.loginfo_password = "hidden-1";
  configuration.settings.logudp_secret = "hidden-2";
  const std::string text = render_effective(configuration);
  CHECK(text.find("hidden") == std::string::npos);
  CHECK(text.find("# set loginfo-password = (not shown)") != std::string::npos);
}
