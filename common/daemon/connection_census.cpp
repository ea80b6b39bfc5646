#include "daemon/connection_census.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <string>

#include "conf/network_list.h"

namespace pop {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t rows = 4, row_bits = 13, cells = std::size_t{1} << row_bits;
constexpr std::size_t set_bits = 12, sets = std::size_t{1} << set_bits, ways = 4;

// Murmur's last step: every bit of the result depends on every one of the value.
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ value >> 33) * 0xff51afd7ed558ccd;
  value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53;
  return value ^ value >> 33;
}

std::size_t cell_in(std::size_t row, std::uint64_t hash) {
  return hash >> (row * row_bits) & (cells - 1);
}

// One key's tally in 64 bits, so that readers see all of it or nothing: the time of the last change
// in milliseconds, which wraps around after two years, the number or mark, and whose it is.
struct Entry {
  static constexpr unsigned time_bits = 36, count_bits = 8;
  static constexpr std::uint64_t time_mask = (std::uint64_t{1} << time_bits) - 1;
  static constexpr std::uint64_t most = (std::uint64_t{1} << count_bits) - 1;

  std::uint64_t tag, count, time;

  static Entry unpacked(std::uint64_t word) {
    return {word >> (time_bits + count_bits), word >> time_bits & most, word & time_mask};
  }
  [[nodiscard]] std::uint64_t packed() const {
    return tag << (time_bits + count_bits) | count << time_bits | time;
  }
  [[nodiscard]] bool is_empty() const { return packed() == 0; }
  [[nodiscard]] milliseconds age(std::uint64_t now) const {
    return milliseconds{(now - time) & time_mask};
  }
  [[nodiscard]] bool is_remembered(std::uint64_t now, milliseconds memory) const {
    return !is_empty() && age(now) <= memory;
  }
};

std::uint64_t entry_time(Census::Time now) {
  const auto since = std::chrono::duration_cast<milliseconds>(now.time_since_epoch());
  return static_cast<std::uint64_t>(since.count()) & Entry::time_mask;
}

std::size_t set_of(std::uint64_t hash) {
  return hash >> (rows * row_bits);
}
static_assert(rows * row_bits + set_bits == 64);
// From other bits than the set, so that both together tell addresses apart.
std::uint64_t tag_of(std::uint64_t hash) {
  return mixed(hash + 1) >> (Entry::time_bits + Entry::count_bits);
}

std::unexpected<Error> census_error(int saved_errno, std::string_view doing) {
  return fail_errno(saved_errno, std::string{doing} + " the count of connections");
}

}  // namespace

using TallySet = std::array<std::atomic<std::uint64_t>, ways>;

// Written by one process and read by many; all zeros, seed apart, is empty.
struct Census::Table {
  std::uint64_t seed;
  std::atomic<std::uint32_t> connections;
  std::atomic<std::int64_t> oldest_idle;  // 0: none
  std::array<std::array<std::atomic<std::uint32_t>, cells>, rows> from;
  std::array<std::array<TallySet, sets>, tallies> tally;
};

void Census::Unmap::operator()(Table* table) const noexcept {
  ::munmap(table, sizeof(Table));
}

namespace {

Result<Census::Mapping> map(int memory, int protection, int flags) {
  void* const at = ::mmap(nullptr, sizeof(Census::Table), protection, flags, memory, 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return census_error(saved, "map");
  }
  Census::Mapping mapping{static_cast<Census::Table*>(at)};
  if (::madvise(at, sizeof(Census::Table), MADV_DONTFORK) != 0) {
    const int saved = errno;
    return census_error(saved, "keep from children");
  }
  return mapping;
}

// A broken-into owner may have written anything; whoever reads must not overflow.
constexpr std::uint32_t most_believed = 1U << 24;
std::size_t believed(const std::atomic<std::uint32_t>& count) {
  return std::min(count.load(std::memory_order_relaxed), most_believed);
}

// Only the owner writes, so it needs no more than that readers see whole numbers.
template <class Number>
void change(std::atomic<Number>& number, Number value) {
  number.store(value, std::memory_order_relaxed);
}

bool is_mark(Tally tally) {
  return tally == Tally::repeat || tally == Tally::success;
}

std::uint64_t joined(Tally tally, const Entry& entry, const Entry& more, std::uint64_t now) {
  if (!is_mark(tally)) return std::min(entry.count + more.count, Entry::most);
  return entry.age(now) < more.age(now) ? entry.count : more.count;
}

// To what the set knows of the key, or in the place of its oldest entry.
void add(Tally tally, TallySet& set, const Entry& more, std::uint64_t now, milliseconds memory) {
  auto* place = &set.front();
  for (auto& slot : set) {
    const Entry entry = Entry::unpacked(slot), chosen = Entry::unpacked(*place);
    if (!entry.is_empty() && entry.tag == more.tag) {
      const std::uint64_t all =
          entry.is_remembered(now, memory) ? joined(tally, entry, more, now) : more.count;
      const std::uint64_t latest = entry.age(now) < more.age(now) ? entry.time : more.time;
      return change(slot, Entry{more.tag, all, latest}.packed());
    }
    if (chosen.is_empty()) continue;
    if (entry.is_empty() || entry.age(now) > chosen.age(now)) place = &slot;
  }
  change(*place, more.packed());
}

void up(std::atomic<std::uint32_t>& count) {
  change(count, count.load() + 1);
}
void down(std::atomic<std::uint32_t>& count) {
  if (const std::uint32_t now = count.load(); now > 0) change(count, now - 1);
}

}  // namespace

AddressKey address_key(std::string_view numeric) {
  const AddressOctets octets = address_octets(numeric);
  constexpr AddressOctets mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool is_ipv4 = std::equal(octets.begin(), octets.begin() + 12, mapped.begin());
  const std::size_t begin = is_ipv4 ? 8 : 0;  // no IPv6 network begins with what IPv4 gives then
  AddressKey key;
  for (std::size_t i = begin; i < begin + 8; ++i) key.value = key.value << 8 | octets[i];
  return key;
}

Result<Census> Census::open(const Fd& memory) {
  Result<Mapping> own = map(memory.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
  if (!own) return std::unexpected(own.error());
  return Census{std::move(*own)};
}

Result<Census> Census::alone() {
  Result<Mapping> own = map(-1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  if (!own) return std::unexpected(own.error());
  return Census{std::move(*own)};
}

Result<void> Census::watch(const Fd& memory) {
  Result<Mapping> other = map(memory.get(), PROT_READ, MAP_SHARED);
  if (!other) return std::unexpected(other.error());
  others_.push_back(std::move(*other));
  return {};
}

std::uint64_t Census::hash(std::uint64_t key) const {
  return mixed(mixed(key ^ own_->seed) + own_->seed);
}

std::uint64_t Census::seed() const {
  return own_->seed;
}

void Census::enter() {
  up(own_->connections);
}
void Census::leave() {
  down(own_->connections);
}

void Census::enter_from(AddressKey address) {
  const std::uint64_t hashed = hash(address.value);
  for (std::size_t row = 0; row < rows; ++row) up(own_->from[row][cell_in(row, hashed)]);
}

void Census::leave_from(AddressKey address) {
  const std::uint64_t hashed = hash(address.value);
  for (std::size_t row = 0; row < rows; ++row) down(own_->from[row][cell_in(row, hashed)]);
}

std::size_t Census::connections() const {
  std::size_t sum = believed(own_->connections);
  for (const Mapping& other : others_) sum += believed(other->connections);
  return sum;
}

std::size_t Census::connections_from(AddressKey address) const {
  const std::uint64_t hashed = hash(address.value);
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t cell = cell_in(row, hashed);
    std::size_t sum = believed(own_->from[row][cell]);
    for (const Mapping& other : others_) sum += believed(other->from[row][cell]);
    least = std::min(least, sum);
  }
  return least;
}

void Census::tell_oldest_idle(std::optional<Time> since) {
  change(own_->oldest_idle, std::int64_t{since ? since->time_since_epoch().count() : 0});
}

std::optional<Census::Time> Census::oldest_idle_elsewhere() const {
  std::optional<Time> oldest;
  for (const Mapping& other : others_) {
    const std::int64_t told = other->oldest_idle.load(std::memory_order_relaxed);
    if (told <= 0) continue;
    const Time since{Time::duration{told}};
    if (!oldest || since < *oldest) oldest = since;
  }
  return oldest;
}

void Census::note_failure(AddressKey address, Time now, milliseconds memory) {
  count(Tally::address, address.value, now, memory);
}

// The failures may stand in other tables; then ours gets an entry without any.
void Census::note_attempt(AddressKey address, Time now, milliseconds memory) {
  if (failures_of(address, now, memory).count == 0) return;
  note(Tally::address, address.value, now, memory, 0);
}

Failures Census::failures_of(AddressKey address, Time now, milliseconds memory) const {
  return counted(Tally::address, address.value, now, memory);
}

void Census::count(Tally tally, std::uint64_t key, Time now, milliseconds memory) {
  note(tally, key, now, memory, 1);
}

void Census::mark(Tally tally, std::uint64_t key, std::uint8_t what, Time now) {
  note(tally, key, now, milliseconds{0}, what);
}

void Census::note(Tally tally, std::uint64_t key, Time now, milliseconds memory, unsigned more) {
  const std::uint64_t hashed = hash(key), time = entry_time(now);
  TallySet& set = own_->tally[static_cast<std::size_t>(tally)][set_of(hashed)];
  add(tally, set, {tag_of(hashed), more, time}, time, memory);
}

bool Census::is_marked(Tally tally, std::uint64_t key, std::uint8_t what, Time now,
                       milliseconds memory) const {
  const std::uint64_t hashed = hash(key), time = entry_time(now), tag = tag_of(hashed);
  const auto has_it = [&](const Table& table) {
    const TallySet& set = table.tally[static_cast<std::size_t>(tally)][set_of(hashed)];
    return std::ranges::any_of(set, [&](const auto& slot) {
      const Entry entry = Entry::unpacked(slot.load(std::memory_order_relaxed));
      return entry.tag == tag && entry.count == what && entry.is_remembered(time, memory);
    });
  };
  return has_it(*own_) ||
         std::ranges::any_of(others_, [&](const Mapping& other) { return has_it(*other); });
}

Failures Census::counted(Tally tally, std::uint64_t key, Time now, milliseconds memory) const {
  const std::uint64_t hashed = hash(key), time = entry_time(now), tag = tag_of(hashed);
  Failures found{0, milliseconds::max()};
  const auto look_in = [&](const Table& table) {
    for (const auto& slot : table.tally[static_cast<std::size_t>(tally)][set_of(hashed)]) {
      const Entry entry = Entry::unpacked(slot.load(std::memory_order_relaxed));
      if (entry.tag != tag || !entry.is_remembered(time, memory)) continue;
      found.since_last = std::min(found.since_last, entry.age(time));
      found.count += static_cast<unsigned>(entry.count);
    }
  };
  look_in(*own_);
  for (const Mapping& other : others_) look_in(*other);
  return found;
}

// --- The parent's side

namespace {

// A new table's memory for its owner; it can neither grow nor shrink, so that nobody who has mapped
// it is killed by touching it.
Result<Fd> make_memory() {
  Fd memory{::memfd_create("popper-census", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory.is_open() || ::ftruncate(memory.get(), sizeof(Census::Table)) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    const int saved = errno;
    return census_error(saved, "make memory for");
  }
  return memory;
}

// Only another opening of the file has other rights.
Result<Fd> read_only(const Fd& memory) {
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  Fd reading{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!reading.is_open()) {
    const int saved = errno;
    return census_error(saved, "open for reading");
  }
  return reading;
}

// Gives the pages back, too. What the owner did to the seed is undone.
Result<void> clear(const Fd& memory, std::uint64_t seed) {
  constexpr int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (::fallocate(memory.get(), hole, 0, sizeof(Census::Table)) != 0 ||
      ::pwrite(memory.get(), &seed, sizeof seed, offsetof(Census::Table, seed)) != sizeof seed) {
    const int saved = errno;
    return census_error(saved, "clear");
  }
  return {};
}

constexpr pid_t nobody = -1, the_office = -2;

// For an owner that is no more.
void write_connections(const Fd& memory, std::size_t number) {
  const auto connections = static_cast<std::uint32_t>(number);
  (void)!::pwrite(memory.get(), &connections, sizeof connections,
                  offsetof(Census::Table, connections));
}

}  // namespace

Result<std::size_t> CensusOffice::take_free() {
  if (seed_ == 0 && ::getrandom(&seed_, sizeof seed_, 0) != sizeof seed_) {
    const int saved = errno;
    return census_error(saved, "make a seed for");
  }
  const auto held = std::ranges::find(tables_, 0, &Held::owner);
  const auto number = static_cast<std::size_t>(held - tables_.begin());
  if (held == tables_.end()) {
    Result<Fd> writable = make_memory();
    if (!writable) return std::unexpected(writable.error());
    Result<Fd> readable = read_only(*writable);
    if (!readable) return std::unexpected(readable.error());
    tables_.push_back({std::move(*writable), std::move(*readable)});
  }
  if (Result<void> cleared = clear(tables_[number].writable, seed_); !cleared) {
    return std::unexpected(cleared.error());
  }
  return number;
}

void CensusOffice::release(pid_t process) {
  for (Held& held : tables_) {
    const bool was_orphan = held.orphans.erase(process) > 0;
    if (was_orphan && !held.orphans.empty()) write_connections(held.writable, held.orphans.size());
    if (held.owner == process || (was_orphan && held.orphans.empty())) free(held);
  }
}

void CensusOffice::hand_on(pid_t process, std::set<pid_t> sessions) {
  const auto held = std::ranges::find(tables_, process, &Held::owner);
  if (held == tables_.end()) return;
  if (sessions.empty()) return free(*held);
  held->owner = nobody;
  held->orphans = std::move(sessions);
  write_connections(held->writable, held->orphans.size());
}

Result<void> CensusOffice::keep_tallies(const Clock& clock, const TallyMemory& memory) {
  clock_ = &clock;
  memory_ = memory;
  if (past_) return {};
  const Result<std::size_t> table = take_free();
  if (!table) return std::unexpected(table.error());
  Result<Census::Mapping> mapping =
      map(tables_[*table].writable.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
  if (!mapping) return std::unexpected(mapping.error());
  tables_[*table].owner = the_office;
  past_ = std::move(*mapping);
  return {};
}

void CensusOffice::keep_tallies_of(const Held& held) const {
  if (!past_) return;
  const Result<Census::Mapping> ended = map(held.writable.get(), PROT_READ, MAP_SHARED);
  if (!ended) return;  // for want of memory: better than no next gate
  const std::uint64_t now = entry_time(clock_->steady());
  for (std::size_t kind = 0; kind < tallies; ++kind) {
    for (std::size_t set = 0; set < sets; ++set) {
      for (const auto& slot : (*ended)->tally[kind][set]) {
        const Entry entry = Entry::unpacked(slot.load(std::memory_order_relaxed));
        if (!entry.is_remembered(now, memory_[kind])) continue;
        add(static_cast<Tally>(kind), past_->tally[kind][set], entry, now, memory_[kind]);
      }
    }
  }
}

void CensusOffice::free(Held& held) const {
  keep_tallies_of(held);
  held.owner = 0;
  held.orphans.clear();
  // Fails only for want of memory, and is tried again before anybody else gets the table.
  (void)clear(held.writable, seed_);
}

}  // namespace pop
