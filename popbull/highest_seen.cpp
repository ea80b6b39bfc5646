#include "popbull/highest_seen.h"

#include <algorithm>

#include "base/text.h"
#include "popbull/users_numbers.h"

namespace pop {
namespace {

/// What was left out, in one line, however many users it is.
class Complaints {
 public:
  explicit Complaints(Terminal& terminal) : terminal_{terminal} {}
  Complaints(const Complaints&) = delete;
  Complaints& operator=(const Complaints&) = delete;
  ~Complaints() {
    if (count_ == 0) return;
    const std::string others = count_ > 1 ? "; and " + std::to_string(count_ - 1) + " more" : "";
    terminal_.complain(first_ + others + ": left out");
  }
  void add(std::string text) {
    if (count_++ == 0) first_ = std::move(text);
  }

 private:
  Terminal& terminal_;
  std::string first_;
  std::uint64_t count_ = 0;
};

}  // namespace

Result<std::uint64_t> highest_seen(const BulletinSite& site, const BelievableNumbers& believable,
                                   Terminal& terminal) {
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) return std::unexpected(numbers.error());
  const Result<std::vector<BulletinUser>> users = bulletin_users(site.settings, Whom::may_ever);
  if (!users) return std::unexpected(users.error());
  std::uint64_t highest = 0;
  Complaints complaints{terminal};
  const auto take = [&](const std::string& user, const SeenRecord& record) {
    if (believable.believes(record)) {
      highest = std::max(highest, record.highest);
    } else {
      complaints.add("the number of " + escaped(user) + ", " + std::to_string(record.highest) +
                     ", which was never given");
    }
  };
  if (const SeenDatabase::Records* records = numbers->records()) {
    for (const auto& [user, record] : *records) take(user, record);
  }
  for (const std::string& user : numbers->damaged()) {
    complaints.add("the number of " + escaped(user) + ", whose record is damaged");
  }
  for (const BulletinUser& user : *users) {
    const std::string& name = user.account.name;
    const Result<SeenFile> file = popbull_of(site, user);
    if (file) {
      take(name, file->record);
    } else {
      complaints.add("the number of " + escaped(name) + " (" + file.error().text + ")");
    }
  }
  return highest;
}

}  // namespace pop
