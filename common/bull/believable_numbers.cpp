#include "bull/believable_numbers.h"

#include <algorithm>
#include <utility>

namespace pop {
namespace {

// Numbers may be dates, and the files of those that users have seen may be gone.
constexpr std::uint64_t believable_at_first = 1'000'000'000'000;
constexpr std::uint64_t believable_step = 100'000;

}  // namespace

SeenRecord BelievableNumbers::bounded(SeenRecord record) const {
  if (believes(record)) return record;
  record.highest = highest_used;
  std::erase_if(record.owed, [&](std::uint64_t number) { return number > highest_used; });
  return record;
}

Result<BelievableNumbers> believable_numbers(const BulletinDirectory& directory,
                                             const BulletinFiles& files) {
  const Result<std::uint64_t> used = directory.highest_used(files);
  if (!used) return std::unexpected(used.error());
  const std::uint64_t highest = std::min(*used, highest_bulletin_number);
  const std::uint64_t limit =
      directory.has_note() ? highest + believable_step : std::max(highest, believable_at_first);
  return BelievableNumbers{highest, limit};
}

}  // namespace pop
