#include "popbull/highest_seen.h"

#include <algorithm>

#include "base/text.h"
#include "popbull/users_numbers.h"

namespace pop {
namespace {

constexpr std::uint64_t believable_step = 100'000;

bool is_believable(std::uint64_t number, std::uint64_t highest_used) {
  return number <= highest_used || number - highest_used <= believable_step;
}

}  // namespace

Result<std::uint64_t> highest_seen(const BulletinSite& site, std::uint64_t highest_used,
                                   Terminal& terminal) {
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) return std::unexpected(numbers.error());
  std::uint64_t highest = 0;
  if (const SeenDatabase::Records* records = numbers->records()) {
    for (const auto& [user, record] : *records) highest = std::max(highest, record.highest);
  }
  const Result<std::vector<BulletinUser>> users = bulletin_users(site.settings);
  if (!users) return std::unexpected(users.error());
  for (const BulletinUser& user : *users) {
    const std::string name = escaped(user.account.name);
    const Result<SeenFile> file = popbull_of(site, user);
    if (!file) {
      terminal.complain(name + ": " + file.error().text + "; its number was not looked at");
    } else if (!is_believable(file->record.highest, std::max(highest_used, highest))) {
      terminal.complain(name + "'s .popbull says " + std::to_string(file->record.highest) +
                        ", a number that was never given; it was left out");
    } else {
      highest = std::max(highest, file->record.highest);
    }
  }
  return highest;
}

}  // namespace pop
