#include "popbull/highest_seen.h"

#include <algorithm>

#include "base/text.h"
#include "popbull/users_numbers.h"

namespace pop {
namespace {

// Numbers may be dates, and the files of those that users have seen may be gone.
constexpr std::uint64_t believable_at_first = 1'000'000'000'000;
constexpr std::uint64_t believable_step = 100'000;

/// Up to which number a user's own file is believed.
std::uint64_t highest_believable(const BulletinSite& site, std::uint64_t known) {
  const FilePlace note = site.directory.place(".last-number");
  const bool has_published = site.disk.status(note.directory(), note.name).has_value();
  return has_published ? known + believable_step : std::max(known, believable_at_first);
}

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

Result<std::uint64_t> highest_seen(const BulletinSite& site, std::uint64_t highest_used,
                                   Terminal& terminal) {
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) return std::unexpected(numbers.error());
  std::uint64_t highest = 0;
  if (const SeenDatabase::Records* records = numbers->records()) {
    for (const auto& [user, record] : *records) highest = std::max(highest, record.highest);
  }
  const Result<std::vector<BulletinUser>> users = bulletin_users(site.settings, Whom::may_ever);
  if (!users) return std::unexpected(users.error());
  const std::uint64_t believable = highest_believable(site, std::max(highest_used, highest));
  Complaints complaints{terminal};
  for (const BulletinUser& user : *users) {
    const std::string name = escaped(user.account.name);
    const Result<SeenFile> file = popbull_of(site, user);
    if (!file) {
      complaints.add("the number of " + name + " (" + file.error().text + ")");
    } else if (file->record.highest > believable) {
      complaints.add("the number of " + name + ", " + std::to_string(file->record.highest) +
                     ", which was never given");
    } else {
      highest = std::max(highest, file->record.highest);
    }
  }
  return highest;
}

}  // namespace pop
