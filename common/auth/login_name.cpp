#include "auth/login_name.h"

#include <algorithm>
#include <utility>

#include "auth/saslprep.h"
#include "base/text.h"
#include "base/utf8.h"

namespace pop {
namespace {

constexpr std::size_t longest_folder = 128;
constexpr std::string_view text_suffix = "-no-mime";
constexpr std::string_view literal_suffix = "-mime";

bool is_of_folder(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet >= 0x20 && octet != 0x7f && c != '/';
}

/// A name that ends in -no-mime, and perhaps in any number of -mime behind that.
bool ends_as_if_for_text(std::string_view name) {
  while (name.ends_with(literal_suffix) && !name.ends_with(text_suffix)) {
    name.remove_suffix(literal_suffix.size());
  }
  return name.ends_with(text_suffix) && name.size() > text_suffix.size();
}

/// Cuts off what is no part of the name.
bool take_text_suffix(std::string& name) {
  if (!ends_as_if_for_text(name)) return false;
  const bool wants_text = name.ends_with(text_suffix);
  name.resize(name.size() - (wants_text ? text_suffix : literal_suffix).size());
  return wants_text;
}

// A blank would be part of no name, and what looks like nothing but blanks no name at all.
std::string prepared_name(std::string_view typed) {
  if (is_plain_ascii(typed)) return std::string{typed};
  std::string prepared{saslprep(Secret{typed}).octets()};
  return prepared.find(' ') == std::string::npos ? prepared : std::string{typed};
}

// The settings' parser has refused what does not compile.
std::optional<Pattern> pattern_of(const std::string& expression) {
  if (expression.empty()) return std::nullopt;
  Judged<Pattern> compiled = Pattern::compile(expression);
  if (!compiled) return std::nullopt;
  return *std::move(compiled);
}

}  // namespace

LoginNames::LoginNames(const Settings& settings)
    : downcase_{settings.downcase_user},
      trim_{settings.trim_domain},
      folder_{pattern_of(settings.folder)} {}

LoginName LoginNames::treat(std::string_view typed) const {
  const std::string prepared = prepared_name(typed);
  std::string name = downcase_ ? lower(prepared) : prepared;
  if (trim_) name.resize(std::min(name.find('@'), name.size()));
  const bool as_text = take_text_suffix(name);
  const std::optional<Pattern::Found> found = folder_ ? folder_->find(name) : std::nullopt;
  if (!found) return {std::move(name), {}, as_text};
  return {std::string{found->before}, std::string{found->group}, as_text};
}

bool LoginNames::stands_for(std::string_view typed, std::string_view owner) const {
  return treat(typed).user == (downcase_ ? lower(owner) : std::string{owner});
}

bool is_safe_folder(std::string_view folder) {
  if (folder.empty()) return true;
  if (folder.size() > longest_folder || folder.front() == '.' || folder.back() == '.') return false;
  return folder.find("..") == std::string_view::npos && std::ranges::all_of(folder, is_of_folder);
}

}  // namespace pop
