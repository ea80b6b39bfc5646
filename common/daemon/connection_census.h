#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// A client's address as limits count it: IPv4 whole, IPv6 by its first 64 bits, since that is what
/// one customer gets.
struct AddressKey {
  std::uint64_t value = 0;
  auto operator<=>(const AddressKey&) const = default;
};
[[nodiscard]] AddressKey address_key(std::string_view numeric);

/// What the failed logins of an address have come to.
struct Failures {
  unsigned count = 0;                      // 0: none that are remembered
  std::chrono::milliseconds since_last{};  // or since the last attempt; nothing without failures
};

/// What logins have left in a census, each kind under keys of its own. Counts of several processes
/// add up; of marks the latest in each process counts.
enum class Tally : std::uint8_t {
  address,  // failures of an address
  guess,    // failures by what was tried
  repeat,   // marks: the secret that was wrong last
  success   // marks: who has logged in
};
inline constexpr std::size_t tallies = 4;
/// How long each kind is kept beyond the process that wrote it.
using TallyMemory = std::array<std::chrono::milliseconds, tallies>;

/// Who is connected, over all processes of one daemon, without a lock and without one process that
/// all others ask. Every gate and keeper writes into a table of its own, in memory that only it can
/// write, and reads those of the others: a limit holds over their sum. So one that crashes leaves
/// no counts behind, for its parent clears its table, and one that was broken into can lie about
/// itself and no one else.
///
/// A table is of fixed size, however many addresses there are. Connections of an address are kept
/// in a count-min sketch with a secret seed: a count is never too low, and too high by one in very
/// few cases while there are less than some ten thousand addresses. Each kind of tally lies in a
/// set-associative table for 16,384 keys, which forgets the oldest ones of a set when it is full.
class Census {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// What one process tells; the mapping of it. Defined in the source file.
  struct Table;
  struct Unmap {
    void operator()(Table* table) const noexcept;
  };
  using Mapping = std::unique_ptr<Table, Unmap>;

  /// `memory` came from CensusOffice, writable. It is not inherited by forked children, and the
  /// descriptor is no longer needed afterwards.
  [[nodiscard]] static Result<Census> open(const Fd& memory);
  /// For a process that serves alone.
  [[nodiscard]] static Result<Census> alone();

  /// Counts another process's table, too, from CensusOffice, read-only.
  [[nodiscard]] Result<void> watch(const Fd& memory);

  // One connection of this process, and one whose address is known.
  void enter();
  void leave();
  void enter_from(AddressKey address);
  void leave_from(AddressKey address);

  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t connections_from(AddressKey address) const;

  /// Since when this process's oldest stranger that could make room is there; nullopt: none.
  void tell_oldest_idle(std::optional<Time> since);
  /// The same of the others.
  [[nodiscard]] std::optional<Time> oldest_idle_elsewhere() const;

  /// Failures are forgotten when `memory` has passed since the last one.
  void note_failure(AddressKey address, Time now, std::chrono::milliseconds memory);
  /// An address with failures tries again: as if the last one were now.
  void note_attempt(AddressKey address, Time now, std::chrono::milliseconds memory);
  [[nodiscard]] Failures failures_of(AddressKey address, Time now,
                                     std::chrono::milliseconds memory) const;

  // The same for keys of other kinds.
  void count(Tally tally, std::uint64_t key, Time now, std::chrono::milliseconds memory);
  [[nodiscard]] Failures counted(Tally tally, std::uint64_t key, Time now,
                                 std::chrono::milliseconds memory) const;
  void mark(Tally tally, std::uint64_t key, std::uint8_t what, Time now);
  [[nodiscard]] bool is_marked(Tally tally, std::uint64_t key, std::uint8_t what, Time now,
                               std::chrono::milliseconds memory) const;

  /// Random, the same in all tables of one office, and known to nobody outside.
  [[nodiscard]] std::uint64_t seed() const;

 private:
  explicit Census(Mapping own) : own_{std::move(own)} {}
  [[nodiscard]] std::uint64_t hash(std::uint64_t key) const;
  void note(Tally tally, std::uint64_t key, Time now, std::chrono::milliseconds memory,
            unsigned more);

  Mapping own_;
  std::vector<Mapping> others_;
};

/// The tables, as the parent of all processes keeps them: hands one to each and clears it when the
/// process has ended. Tables are used again, so there are as many as processes at most.
class CensusOffice {
 public:
  /// A table that nobody writes, all empty. Descriptors stay the office's.
  [[nodiscard]] Result<std::size_t> take_free();
  void assign(std::size_t table, pid_t process) { tables_[table].owner = process; }
  /// The process has ended: its counts are no more. Nothing if it had none.
  void release(pid_t process);
  /// The process has ended, and these sessions of it go on: they stay counted until release() hears
  /// of the end of each, and their addresses until the last has ended.
  void hand_on(pid_t process, std::set<pid_t> sessions);

  /// From here on the tallies that a process has noted outlive it for `memory`, in a table of the
  /// office's own. May be called again.
  [[nodiscard]] Result<void> keep_tallies(const Clock& clock, const TallyMemory& memory);

  [[nodiscard]] std::size_t size() const { return tables_.size(); }
  [[nodiscard]] int writable(std::size_t table) const { return tables_[table].writable.get(); }
  [[nodiscard]] int readable(std::size_t table) const { return tables_[table].readable.get(); }

 private:
  struct Held {
    Fd writable, readable;
    pid_t owner = 0;            // 0: free
    std::set<pid_t> orphans{};  // the owner's sessions, which have outlived it
  };
  void free(Held& held) const;
  void keep_tallies_of(const Held& held) const;

  std::vector<Held> tables_;
  std::uint64_t seed_ = 0;  // 0: not made yet
  Census::Mapping past_;    // tallies of who has ended; nullptr: forgotten
  const Clock* clock_ = nullptr;
  TallyMemory memory_{};
};

}  // namespace pop
