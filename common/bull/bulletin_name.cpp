#include "bull/bulletin_name.h"

#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view retracted = "retracted.";

}  // namespace

std::optional<BulletinName> bulletin_name(std::string_view file) {
  if (file.ends_with('~')) return std::nullopt;
  const std::string_view number = file.substr(0, file.find_first_not_of(digits));
  const std::optional<std::uint64_t> value = decimal(number);
  if (!value || *value == 0 || *value > highest_bulletin_number) return std::nullopt;
  BulletinName name{*value, std::string{file}, {}};
  const std::size_t dot = file.find('.');
  if (dot == file.npos) return name;
  const std::string_view rest = file.substr(dot + 1);
  name.group = rest.substr(0, rest.find('.'));
  return name;
}

std::string retracted_name(const BulletinName& name) {
  return std::string{retracted} + name.file;
}

std::optional<BulletinName> name_before_retraction(std::string_view file) {
  if (!file.starts_with(retracted)) return std::nullopt;
  return bulletin_name(file.substr(retracted.size()));
}

}  // namespace pop
