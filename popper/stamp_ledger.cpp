#include "popper/stamp_ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "base/secret.h"

namespace pop {
namespace {

// Both halves are read without a lock. A reader that meets a slot while it is issued anew sees a
// mix of two stamps, which equals neither.
struct Slot {
  std::atomic<std::uint64_t> high, low;
  std::atomic<std::int64_t> issued;
  std::atomic<std::int64_t> expires;  // 0: empty or taken
};

std::string hexadecimal(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto [end, error] = std::to_chars(digits.begin(), digits.end(), value, 16);
  return {digits.data(), end};
}

std::optional<std::size_t> slot_index(std::string_view stamp) {
  std::size_t index = 0;
  if (!stamp.starts_with('<')) return std::nullopt;
  const char* const end = stamp.data() + stamp.size();
  const auto [stop, error] = std::from_chars(stamp.data() + 1, end, index, 16);
  if (error != std::errc{} || index >= StampLedger::slots) return std::nullopt;
  return index;
}

std::string stamp_of(std::size_t index, const Slot& slot, std::string_view host) {
  std::string stamp = "<" + hexadecimal(index) + ".";
  stamp += hexadecimal(static_cast<std::uint64_t>(slot.issued.load())) + ".";
  stamp += hexadecimal(slot.high) + "." + hexadecimal(slot.low) + "@";
  stamp += host;
  stamp += '>';
  return stamp;
}

}  // namespace

struct StampLedger::Table {
  std::atomic<std::uint64_t> issued;
  std::array<Slot, slots> stamps;
};

Result<Fd> StampLedger::create() {
  Fd memory{::memfd_create("popper-stamps", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory.is_open() || ::ftruncate(memory.get(), sizeof(Table)) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make memory for banner stamps");
  }
  return memory;
}

Result<StampLedger> StampLedger::open(const Fd& memory) {
  void* const at =
      ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map the memory of banner stamps");
  }
  StampLedger ledger{static_cast<Table*>(at)};
  if (::madvise(at, sizeof(Table), MADV_DONTFORK) != 0) {
    const int saved = errno;
    return fail_errno(saved, "keep the memory of banner stamps from children");
  }
  return ledger;
}

StampLedger::StampLedger(StampLedger&& other) noexcept
    : table_{std::exchange(other.table_, nullptr)} {}

StampLedger::~StampLedger() {
  if (table_ != nullptr) ::munmap(table_, sizeof(Table));
}

Result<std::string> StampLedger::issue(std::string_view host, std::int64_t now,
                                       std::int64_t expires) {
  std::array<std::uint64_t, 2> random{};
  if (::getrandom(random.data(), sizeof random, 0) != sizeof random) {
    const int saved = errno;
    return fail_errno(saved, "getrandom");
  }
  const std::size_t index = free_slot(now);
  Slot& slot = table_->stamps[index];
  slot.expires = 0;
  slot.high = random[0];
  slot.low = random[1];
  slot.issued = now;
  slot.expires = expires;
  return stamp_of(index, slot, host);
}

// In turn; those that are still out are passed over while there are others nearby.
std::size_t StampLedger::free_slot(std::int64_t now) {
  constexpr std::size_t looks = 64;
  const std::size_t first = table_->issued.fetch_add(1) % slots;
  if (table_->stamps[first].expires < now) return first;
  for (std::size_t i = 1; i < looks; ++i) {
    const std::size_t index = table_->issued.fetch_add(1) % slots;
    if (table_->stamps[index].expires < now) return index;
  }
  return first;
}

void StampLedger::give_back(std::string_view stamp, std::string_view host) {
  (void)take(stamp, host, 0);
}

bool StampLedger::take(std::string_view stamp, std::string_view host, std::int64_t now) {
  const std::optional<std::size_t> index = slot_index(stamp);
  if (!index) return false;
  Slot& slot = table_->stamps[*index];
  std::int64_t expires = slot.expires;
  // The whole text counts: who could choose parts of a stamp could choose what MD5 is asked.
  if (!equal_in_constant_time(stamp, stamp_of(*index, slot, host))) return false;
  return expires >= now && slot.expires.compare_exchange_strong(expires, 0);
}

}  // namespace pop
