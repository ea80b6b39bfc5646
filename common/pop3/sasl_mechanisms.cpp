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

}  // namespace pop
