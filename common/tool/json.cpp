#include "tool/json.h"

#include <nlohmann/json.hpp>
#include <optional>

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

constexpr int deepest = 16;

/// nullopt: nothing that to_line() would have written.
std::optional<Json> read_back(const Target& read, int depth) {
  if (depth > deepest) return std::nullopt;
  if (read.is_null()) return Json{};
  if (read.is_boolean()) return Json{read.get<bool>()};
  if (read.is_number_unsigned()) return Json{read.get<std::uint64_t>()};
  if (read.is_string()) return Json{read.get<std::string>()};
  if (read.is_array()) {
    Json::Array array;
    for (const Target& element : read) {
      std::optional<Json> made = read_back(element, depth + 1);
      if (!made) return std::nullopt;
      array.push_back(std::move(*made));
    }
    return Json{std::move(array)};
  }
  if (!read.is_object()) return std::nullopt;
  Json::Object object;
  for (const auto& [key, element] : read.items()) {
    std::optional<Json> made = read_back(element, depth + 1);
    if (!made) return std::nullopt;
    object.emplace_back(key, std::move(*made));
  }
  return Json{std::move(object)};
}

}  // namespace

std::string to_text(const Json& json) {
  const Target made = std::visit(Convert{}, json.value);
  return made.dump(2, ' ', false, Target::error_handler_t::replace) + "\n";
}

std::string to_line(const Json& json) {
  return std::visit(Convert{}, json.value).dump(-1, ' ', false, Target::error_handler_t::replace);
}

Result<Json> parse_json(std::string_view text) {
  bool is_too_deep = false;
  const auto look = [&](int depth, Target::parse_event_t, Target&) {
    is_too_deep = is_too_deep || depth > deepest;
    return !is_too_deep;
  };
  const Target read = Target::parse(text, look, false);
  if (!is_too_deep && !read.is_discarded()) {
    if (std::optional<Json> json = read_back(read, 0)) return std::move(*json);
  }
  return fail(Errc::corrupt, "no JSON, or not of the form that is written here");
}

const Json* find_member(const Json& json, std::string_view key) {
  const auto* const object = std::get_if<Json::Object>(&json.value);
  if (object == nullptr) return nullptr;
  for (const auto& [name, member] : *object) {
    if (name == key) return &member;
  }
  return nullptr;
}

}  // namespace pop
