#include "pop3/sasl_mechanisms.h"

#include <algorithm>

#include "base/text.h"

namespace pop {

const SaslMechanism* find_sasl_mechanism(std::string_view name) {
  const auto* const found = std::ranges::find_if(
      sasl_mechanisms,
      [name](const SaslMechanism& mechanism) { return equal_ignoring_case(mechanism.name, name); });
  return found == sasl_mechanisms.end() ? nullptr : found;
}

std::uint32_t sasl_set_of(std::span<const std::string_view> names) {
  std::uint32_t set = 0;
  for (std::size_t i = 0; i < sasl_mechanisms.size(); ++i) {
    if (std::ranges::find(names, sasl_mechanisms[i].name) != names.end()) {
      set |= std::uint32_t{1} << i;
    }
  }
  return set;
}

std::vector<std::string_view> sasl_names_in(std::uint32_t set) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < sasl_mechanisms.size(); ++i) {
    if ((set >> i & 1) != 0) names.push_back(sasl_mechanisms[i].name);
  }
  return names;
}

}  // namespace pop
