#include "conf/option_documents.h"

#include "conf/configuration.h"
#include "conf/show_config.h"
#include "support/catch.h"

using namespace pop;

namespace {

/// The sample with each option's "#" taken away. Comments have a blank after theirs.
std::string uncommented(const std::string& sample) {
  std::string result;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const bool line_begins = i == 0 || sample[i - 1] == '\n';
    const bool is_option = i + 1 < sample.size() && sample[i + 1] != ' ' && sample[i + 1] != '\n';
    if (line_begins && sample[i] == '#' && is_option) continue;
    result += sample[i];
  }
  return result;
}

void check_sample(const std::string& sample) {
  const ParsedText as_it_is = parse_configuration_text(sample, "sample");
  CHECK(as_it_is.complaints.empty());
  CHECK(as_it_is.assignments.empty());
  Configuration configuration;
  const FileReader read = [](const std::string&) -> Result<std::string> { return ""; };
  const ParsedText parsed = parse_configuration_text(uncommented(sample), "sample");
  CHECK(parsed.complaints == Complaints{});
  CHECK(parsed.assignments.size() == all_options().size());
  REQUIRE(apply_text(configuration, uncommented(sample), "sample", FileScope::start_up, read));
  CHECK(differing_options(configuration.settings, Settings{}).empty());
}

}  // namespace

TEST_CASE("The samples set nothing, and uncommented they set the defaults", "[conf][documents]") {
  check_sample(sample_toml());
  check_sample(sample_classic());
  const ParsedText parsed = parse_configuration_text(uncommented(sample_toml()), "s");
  REQUIRE(parsed.listeners.size() == 2);
  CHECK(parsed.listeners[0] == ListenAddress{});
  CHECK(parsed.listeners[1].old_devices.has_value());  // which must say all that it wants
}

TEST_CASE("The manual has an entry for every option, word and alias", "[conf][documents]") {
  const std::string manual = manual_options_section();
  const auto has = [&](const std::string& text) { return manual.find(text) != std::string::npos; };
  for (const Option& option : all_options()) {
    CAPTURE(option.name);
    CHECK(has(".It Cm " + std::string{option.name} + " No = "));
    for (const std::string_view alias : aliases_of(option)) {
      CHECK(has(".Cm " + std::string{alias} + " ."));
    }
    for (const Mnemonic& word : option.words) CHECK(has(".It Cm " + std::string{word.word} + "\n"));
  }
}
