#include "auth/group_names.h"

#include <grp.h>

#include <cerrno>
#include <optional>
#include <utility>

namespace pop {
namespace {

std::optional<std::string> group_name(gid_t number) {
  constexpr std::size_t enough = std::size_t{1} << 20;  // for members of large groups
  group entry{};
  group* found = nullptr;
  for (std::vector<char> text(4096); text.size() <= enough; text.resize(4 * text.size())) {
    const int status = ::getgrgid_r(number, &entry, text.data(), text.size(), &found);
    if (status == ERANGE) continue;
    if (status != 0 || found == nullptr) return std::nullopt;
    return std::string{entry.gr_name};
  }
  return std::nullopt;
}

}  // namespace

std::vector<gid_t> group_numbers(const std::string& user, gid_t primary) {
  int count = 32;
  std::vector<gid_t> numbers(static_cast<std::size_t>(count));
  while (::getgrouplist(user.c_str(), primary, numbers.data(), &count) < 0) {
    numbers.resize(static_cast<std::size_t>(count));
  }
  numbers.resize(static_cast<std::size_t>(count));
  return numbers;
}

std::vector<std::string> group_names(const std::string& user, gid_t primary) {
  return group_names(group_numbers(user, primary));
}

std::vector<std::string> group_names(const std::vector<gid_t>& numbers) {
  std::vector<std::string> names;
  for (const gid_t number : numbers) {
    if (std::optional<std::string> name = group_name(number)) names.push_back(std::move(*name));
  }
  return names;
}

}  // namespace pop
