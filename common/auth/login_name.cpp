#include "auth/login_name.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t longest_folder = 128;

bool is_of_folder(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet >= 0x20 && octet != 0x7f && c != '/';
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
  std::string name = downcase_ ? lower(typed) : std::string{typed};
  if (trim_) name.resize(std::min(name.find('@'), name.size()));
  const std::optional<Pattern::Found> found = folder_ ? folder_->find(name) : std::nullopt;
  if (!found) return {std::move(name), {}};
  return {std::string{found->before}, std::string{found->group}};
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
