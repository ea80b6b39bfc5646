#include "popbull/bulletin_site.h"

#include <algorithm>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::chrono::seconds patience{30};

std::string in_words(const std::string& number) {
  return "bulletin " + escaped(number);
}

}  // namespace

std::int64_t BulletinSite::now() const {
  return std::chrono::floor<std::chrono::seconds>(clock.wall()).time_since_epoch().count();
}

Result<BulletinLock> BulletinSite::lock() const {
  return directory.lock(clock, patience);
}

std::optional<BulletinName> find_retracted(const BulletinFiles& files, std::uint64_t number) {
  const auto found = std::ranges::find(files.retracted, number, &BulletinName::number);
  return found == files.retracted.end() ? std::nullopt : std::optional{*found};
}

Result<BulletinName> find_bulletin(const BulletinFiles& files, const std::string& number) {
  const std::optional<std::uint64_t> wanted = decimal(number);
  if (!wanted) return fail(Errc::usage, in_words(number) + ": not a number");
  const auto found = std::ranges::equal_range(files.bulletins, *wanted, {}, &BulletinName::number);
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    return fail(Errc::corrupt, in_words(number) + ": " + std::to_string(found.size()) +
                                   " files have that number; see check");
  }
  const bool was_retracted = find_retracted(files, *wanted).has_value();
  return fail(Errc::not_found,
              in_words(number) + (was_retracted ? ": was retracted" : ": there is none"));
}

}  // namespace pop
