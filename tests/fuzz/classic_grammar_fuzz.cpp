// A configuration file in the grammar of Qpopper: whatever it holds, complaints have their place,
// settings have passed their check, and what is written back reads the same.

#include "conf/classic_grammar.h"

#include <cstdint>
#include <cstdlib>

#include "conf/show_config.h"

namespace {

using namespace pop;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_complaints(const Complaints& complaints, std::size_t lines) {
  for (const Complaint& one : complaints) {
    require(one.place.line >= 1 && one.place.line <= lines);
    require(!one.what.empty() && one.what.size() < 1000);
    for (const char c : one.what) require(c >= 0x20 && c < 0x7f);
  }
}

void check_applied(std::string_view text, FileScope scope) {
  const FileReader read = [](const std::string& path) -> Result<std::string> {
    return fail(Errc::not_found, "open: " + std::to_string(path.size()));
  };
  Configuration configuration;
  if (!apply_text(configuration, text, "f", scope, read)) {
    require(differing_options(configuration.settings, Settings{}).empty());
    return;
  }
  Configuration again;
  require(apply_text(again, render_classic(configuration.settings), "g", FileScope::start_up, read)
              .has_value());
  require(differing_options(configuration.settings, again.settings).empty());
  require(apply_text(again, render_effective(configuration), "h", FileScope::start_up, read)
              .has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  std::size_t lines = 1;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  const ParsedText parsed = parse_classic(text, "f");
  check_complaints(parsed.complaints, lines);
  for (const Assignment& one : parsed.assignments) {
    require(check_value(*one.option, one.value).has_value());
    const ParsedText again = parse_classic(to_classic(*one.option, one.value), "g");
    require(again.assignments.size() == 1 && again.assignments[0].value == one.value);
  }
  check_applied(text, FileScope::start_up);
  check_applied(text, FileScope::home_file);
  return 0;
}
