// A popserv.conf: whatever it holds, complaints and remarks have their place, settings have passed
// their check, and what is applied reads back the same.

#include "conf/popserv_grammar.h"

#include <cstdint>
#include <cstdlib>

#include "conf/show_config.h"

namespace {

using namespace pop;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_lines(const Complaints& complaints, std::size_t lines) {
  for (const Complaint& one : complaints) {
    require(one.place.line >= 1 && one.place.line <= lines && one.place.column <= 1 << 20);
    require(!one.what.empty() && one.what.size() < 1000);
    for (const char c : one.what) require(c >= 0x20 && c < 0x7f);
  }
}

void check_applied(std::string_view text) {
  const FileReader read = [text](const std::string&) -> Result<std::string> {
    return std::string{text};
  };
  Configuration configuration;
  if (!apply_popserv_file(configuration, {"f", {"command line"}}, read)) {
    require(differing_options(configuration.settings, Settings{}).empty());
    require(configuration.listeners.empty() && configuration.remarks.empty());
    return;
  }
  require(configuration.listeners.size() == 1);
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
  // Compiling an expression of many thousand octets takes long, and is the C library's matter.
  if (size > 1 << 14) return 0;
  std::size_t lines = 1;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  const ParsedText parsed = parse_popserv(text, "f");
  check_lines(parsed.complaints, lines);
  check_lines(parsed.remarks, lines);
  for (const Assignment& one : parsed.assignments) {
    require(check_value(*one.option, one.value).has_value());
  }
  check_applied(text);
  return 0;
}
