#include "tool/json.h"

#include <nlohmann/json.hpp>

namespace pop {
namespace {

using Target = nlohmann::ordered_json;

struct Convert {
  Target operator()(const Json::Array& array) const {
    Target made = Target::array();
    for (const Json& element : array) made.push_back(std::visit(*this, element.value));
    return made;
  }
  Target operator()(const Json::Object& object) const {
    Target made = Target::object();
    for (const auto& [key, element] : object) made[key] = std::visit(*this, element.value);
    return made;
  }
  template <class Plain>
  Target operator()(const Plain& plain) const {
    return Target(plain);
  }
};

}  // namespace

std::string to_text(const Json& json) {
  const Target made = std::visit(Convert{}, json.value);
  return made.dump(2, ' ', false, Target::error_handler_t::replace) + "\n";
}

}  // namespace pop
