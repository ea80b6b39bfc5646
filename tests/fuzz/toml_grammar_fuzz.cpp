// A configuration file in TOML: whatever it holds, complaints have their place and settings have
// passed their check.

#include "conf/toml_grammar.h"

#include <cstdint>
#include <cstdlib>

#include "conf/show_config.h"

namespace {

using namespace pop;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const ParsedText parsed = parse_toml(text, "f");
  for (const Complaint& one : parsed.complaints) {
    require(!one.what.empty() && one.what.size() < 2100);
    for (const char c : one.what) require(c >= 0x20 && c < 0x7f);
  }
  Settings settings;
  for (const Assignment& one : parsed.assignments) {
    require(check_value(*one.option, one.value).has_value());
    require(one.place.line >= 1);
    store_value(settings, *one.option, one.value);
  }
  for (const ListenAddress& listener : parsed.listeners) {
    const Judged<ListenAddress> again = parse_listen_address(to_string(listener));
    require(again.has_value() && is_same_place(*again, listener));
  }
  return 0;
}
