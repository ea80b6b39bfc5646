#include "pop3/mangle_request.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::array<std::string_view, 3> prefixes{"x-mangle", "xmangle", "mangle"};
constexpr std::uint64_t widest_wrap = 998;    // RFC 5322 section 2.1.1
constexpr std::size_t longest_language = 35;  // RFC 5646 section 4.4.1

std::string_view prefix_of(std::string_view word) {
  const auto* const found = std::ranges::find_if(prefixes, [word](std::string_view prefix) {
    return starts_with_ignoring_case(word, prefix);
  });
  return found == prefixes.end() ? std::string_view{} : *found;
}

bool is_short_for(std::string_view text, std::string_view name) {
  return !text.empty() && name.starts_with(text);
}

bool set_text(MangleRequest& request, std::string_view value) {
  using enum MangleRequest::Text;
  if (is_short_for(value, "html")) {
    request.text = html;
    return true;
  }
  request.text = plain;
  return is_short_for(value, "plain") || is_short_for(value, "enriched");
}

bool set_charset(MangleRequest& request, std::string_view value) {
  const auto* const found = std::ranges::find(mangle_charsets, value);
  request.charset = found == mangle_charsets.end() ? mangle_charsets.front() : *found;
  return true;
}

bool set_headers(MangleRequest& request, std::string_view value) {
  request.headers.clear();
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(','), value.size());
    if (end > 0) request.headers.emplace_back(value.substr(0, end));
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return true;
}

bool set_language(MangleRequest& request, std::string_view value) {
  const bool is_tag = value.size() <= longest_language && std::ranges::all_of(value, [](char c) {
                        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                      });
  if (is_tag) request.language = value;
  return is_tag;
}

bool set_wrap(MangleRequest& request, std::string_view value) {
  const std::optional<std::uint64_t> columns = decimal(value);
  if (!columns || *columns > widest_wrap) return false;
  request.wrap = static_cast<std::uint32_t>(*columns);
  return true;
}

struct Attribute {
  std::string_view name;
  bool (*set)(MangleRequest&, std::string_view value);
};
constexpr std::array attributes{
    Attribute{"text", set_text},       Attribute{"charset", set_charset},
    Attribute{"headers", set_headers}, Attribute{"lang", set_language},
    Attribute{"wrap", set_wrap},
};

bool set_attribute(MangleRequest& request, std::string_view name, std::string_view value) {
  const auto* const found = std::ranges::find_if(attributes, [name](const Attribute& attribute) {
    return is_short_for(name, attribute.name);
  });
  return found != attributes.end() && found->set(request, value);
}

}  // namespace

bool is_mangle_word(std::string_view word) {
  return !prefix_of(word).empty();
}

std::expected<MangleRequest, MangleFault> parse_mangle_request(std::string_view word) {
  const std::string text = lower(word);
  std::string_view rest = text;
  rest.remove_prefix(prefix_of(rest).size());
  MangleRequest request;
  if (rest.empty()) return request;
  if (rest.size() < 2 || rest.front() != '(' || rest.back() != ')') {
    return std::unexpected(MangleFault::form);
  }
  rest = rest.substr(1, rest.size() - 2);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.empty()) continue;
    const std::size_t sign = pair.find('=');
    if (sign == std::string_view::npos) return std::unexpected(MangleFault::form);
    if (!set_attribute(request, pair.substr(0, sign), pair.substr(sign + 1))) {
      return std::unexpected(MangleFault::value);
    }
  }
  return request;
}

}  // namespace pop
