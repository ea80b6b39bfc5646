#include "mail/server_ids.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <utility>

#include "base/hex.h"
#include "base/text.h"
#include "mail/bookkeeping.h"

namespace pop {
namespace {

constexpr std::size_t md5_octets = 16;

std::array<unsigned char, md5_octets> md5_of(std::string_view text) {
  std::array<unsigned char, md5_octets> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
    throw std::runtime_error{"libcrypto offers no MD5"};
  }
  return digest;
}

/// Calls `take` for each line without its line end, up to the empty one.
void for_each_line(std::string_view header, const std::function<void(std::string_view)>& take) {
  while (!header.empty()) {
    const std::size_t end = std::min(header.find('\n'), header.size());
    std::string_view line = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return;
    take(line);
  }
}

bool is_continuation(std::string_view line) {
  return line.front() == ' ' || line.front() == '\t';
}

/// The lines that popa3d looks at: the first Received: with all its lines, each Delivered-To: and
/// X-Delivery-ID:, and Date: and Message-ID: as long as no Received: was seen.
class ChosenLines {
 public:
  /// popa3d wants the first letter of X-Delivery-ID: as it is here, Dovecot takes a small one, too.
  enum class SmallX : std::uint8_t { counts, is_another };
  ChosenLines(SmallX small_x, std::function<void(std::string_view)> take)
      : small_x_{small_x}, take_{std::move(take)} {}

  void see(std::string_view line) {
    if (is_continuation(line)) {
      if (in_chosen_) take_(line);
      return;
    }
    in_chosen_ = is_chosen(field_name(line));
    if (in_chosen_) take_(line);
  }

 private:
  bool is_chosen(std::string_view name) {
    if (equal_ignoring_case(name, "Received")) return !std::exchange(received_, true);
    if (equal_ignoring_case(name, "Delivered-To")) return true;
    if (equal_ignoring_case(name, "X-Delivery-ID")) {
      return small_x_ == SmallX::counts || name.starts_with('X');
    }
    return !received_ &&
           (equal_ignoring_case(name, "Date") || equal_ignoring_case(name, "Message-ID"));
  }

  SmallX small_x_;
  std::function<void(std::string_view)> take_;
  bool received_ = false, in_chosen_ = false;
};

/// Behind the colon and one blank that follows it; a continuation line as it is.
std::string_view value_of_line(std::string_view line) {
  if (is_continuation(line)) return line;
  line.remove_prefix(std::min(line.find(':') + 1, line.size()));
  if (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
  return line;
}

}  // namespace

std::string md5_in_hex(std::string_view text) {
  return in_hex(md5_of(text));
}

std::string popa3d_id(std::string_view header) {
  std::string text;
  ChosenLines chosen{ChosenLines::SmallX::is_another,
                     [&](std::string_view line) { (text += line) += '\n'; }};
  for_each_line(header, [&](std::string_view line) { chosen.see(line); });
  std::array<unsigned char, md5_octets> digest = md5_of(text);
  std::reverse(digest.begin(), digest.begin() + 4);
  std::reverse(digest.begin() + 4, digest.begin() + 8);
  return in_hex(std::span{digest}.first(8));
}

std::string dovecot_header_md5(std::string_view header) {
  std::string text;
  ChosenLines chosen{ChosenLines::SmallX::counts,
                     [&](std::string_view line) { text += value_of_line(line); }};
  for_each_line(header, [&](std::string_view line) { chosen.see(line); });
  return md5_in_hex(text);
}

std::string courier_escaped(std::string_view base) {
  std::string text;
  for (const char c : base) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x21 || octet > 0x7e || c == '\'' || c == '"' || c == '+') {
      constexpr std::string_view digits = "0123456789ABCDEF";
      text += '+';
      text += digits[octet >> 4];
      text += digits[octet & 15];
    } else {
      text += c;
    }
  }
  return text;
}

std::string recipe_id(UniqueIdRecipe recipe, std::string_view separator, std::string_view header) {
  UniqueIdMaker maker{recipe};
  maker.begin(separator);
  for_each_line(header, [&](std::string_view line) { maker.header_line(line); });
  return maker.finish();
}

std::optional<std::string> first_value(std::string_view header, std::string_view name) {
  std::optional<std::string> value;
  for_each_line(header, [&](std::string_view line) {
    if (value || is_continuation(line) || !equal_ignoring_case(field_name(line), name)) return;
    value = std::string{trimmed(line.substr(line.find(':') + 1))};
  });
  return value;
}

// Templates

Result<UidlTemplate> UidlTemplate::parse(std::string_view text) {
  UidlTemplate parsed;
  std::string literal;
  while (!text.empty()) {
    if (!text.starts_with('%') || text.starts_with("%%")) {
      literal += text.front();
      text.remove_prefix(text.starts_with('%') ? 2 : 1);
      continue;
    }
    if (!literal.empty()) {
      parsed.parts_.emplace_back().text = std::exchange(literal, {});
    }
    text.remove_prefix(1);
    const Result<std::size_t> used =
        text.starts_with('{') ? parsed.parse_braces(text) : parsed.parse_letter(text);
    if (!used) return std::unexpected(used.error());
    text.remove_prefix(*used);
  }
  if (!literal.empty()) parsed.parts_.emplace_back().text = std::move(literal);
  return parsed;
}

/// "08Xu" of "%08Xu".
Result<std::size_t> UidlTemplate::parse_letter(std::string_view rest) {
  Part part;
  std::size_t at = 0;
  const auto next = [&] { return at < rest.size() ? rest[at] : '\0'; };
  if (next() == '0') {
    part.fill = '0';
    ++at;
  }
  for (; next() >= '0' && next() <= '9'; ++at) {
    part.width = part.width * 10 + static_cast<std::size_t>(next() - '0');
    if (part.width > longest_unique_id) return fail(Errc::usage, "a width is too large");
  }
  for (bool more = true; more;) {
    switch (next()) {
      case 'X':
        part.filters.push_back({Filter::Kind::hex});
        break;
      case 'U':
        part.filters.push_back({Filter::Kind::upper});
        break;
      case 'L':
        part.filters.push_back({Filter::Kind::lower});
        break;
      case 'M':
        part.filters.push_back({Filter::Kind::md5});
        break;
      default:
        more = false;
    }
    if (more) ++at;
  }
  part.variable = next();
  if (part.variable == '\0' || !std::string_view{"uvmfg"}.contains(part.variable)) {
    return fail(Errc::usage,
                "\"%" + escaped(rest.substr(0, at + 1)) + "\" is none of %u, %v, %m, %f and %g");
  }
  parts_.push_back(std::move(part));
  return at + 1;
}

/// "{uid|hex(8)}"
Result<std::size_t> UidlTemplate::parse_braces(std::string_view rest) {
  const std::size_t end = rest.find('}');
  if (end == rest.npos) return fail(Errc::usage, "a \"%{\" has no \"}\"");
  std::string_view inside = rest.substr(1, end - 1);
  const auto take_word = [&inside] {
    const std::size_t bar = std::min(inside.find('|'), inside.size());
    const std::string_view word = trimmed(inside.substr(0, bar));
    inside.remove_prefix(std::min(bar + 1, inside.size()));
    return word;
  };
  const std::string_view name = take_word();
  Part part;
  constexpr std::array<std::pair<std::string_view, char>, 5> names{
      {{"uid", 'u'}, {"uidvalidity", 'v'}, {"md5", 'm'}, {"filename", 'f'}, {"guid", 'g'}}};
  for (const auto& [known, letter] : names) {
    if (name == known) part.variable = letter;
  }
  if (part.variable == 0) return fail(Errc::usage, "\"" + escaped(name) + "\" is no variable");
  while (!inside.empty()) {
    const std::string_view word = take_word();
    if (word == "upper") {
      part.filters.push_back({Filter::Kind::upper});
    } else if (word == "lower") {
      part.filters.push_back({Filter::Kind::lower});
    } else if (word == "md5") {
      part.filters.push_back({Filter::Kind::md5});
    } else if (word == "hex") {
      part.filters.push_back({Filter::Kind::hex});
    } else if (word.starts_with("hex(") && word.ends_with(')')) {
      const std::optional<std::uint64_t> width = decimal(word.substr(4, word.size() - 5));
      if (!width || *width > longest_unique_id) {
        return fail(Errc::usage, "\"" + escaped(word) + "\" has no width");
      }
      part.filters.push_back({Filter::Kind::hex, static_cast<std::size_t>(*width)});
    } else {
      return fail(Errc::usage, "\"" + escaped(word) + "\" is none of hex, upper, lower and md5");
    }
  }
  parts_.push_back(std::move(part));
  return end + 1;
}

std::optional<std::string> UidlTemplate::value_of(const Part& part,
                                                  const UidlVariables& variables) {
  const auto in_digits = [](std::optional<std::uint32_t> number) -> std::optional<std::string> {
    return number ? std::optional{std::to_string(*number)} : std::nullopt;
  };
  std::optional<std::string> value;
  switch (part.variable) {
    case 'u':
      value = in_digits(variables.uid);
      break;
    case 'v':
      value = in_digits(variables.uidvalidity);
      break;
    case 'm':
      value = variables.md5;
      break;
    case 'f':
      value = variables.filename;
      break;
    default:
      value = variables.guid;
  }
  if (!value) return std::nullopt;
  for (const Filter& filter : part.filters) {
    switch (filter.kind) {
      case Filter::Kind::hex: {
        const std::optional<std::uint64_t> number = decimal(*value);
        if (!number) return std::nullopt;
        std::string digits;
        for (std::uint64_t rest = *number; rest > 0; rest >>= 4) {
          digits.insert(digits.begin(), "0123456789abcdef"[rest & 15]);
        }
        if (digits.empty()) digits = "0";
        if (digits.size() < filter.width) digits.insert(0, filter.width - digits.size(), '0');
        value = std::move(digits);
        break;
      }
      case Filter::Kind::upper:
        std::ranges::transform(*value, value->begin(), [](char c) {
          return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
        });
        break;
      case Filter::Kind::lower:
        value = lower(*value);
        break;
      case Filter::Kind::md5:
        value = md5_in_hex(*value);
    }
  }
  if (value->size() < part.width) value->insert(0, part.width - value->size(), part.fill);
  return value;
}

std::optional<std::string> UidlTemplate::apply(const UidlVariables& variables) const {
  std::string text;
  for (const Part& part : parts_) {
    if (part.variable == 0) {
      text += part.text;
      continue;
    }
    const std::optional<std::string> value = value_of(part, variables);
    if (!value) return std::nullopt;
    text += *value;
  }
  return text;
}

}  // namespace pop
