#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "daemon/connection_census.h"

namespace pop {

/// How long the next handshake of an address waits after others of it have failed. What failed cost
/// us a signature. So many are free that neither a scan nor a few phones that refuse our
/// certificate hold up others behind the same address; beyond that each costs a wait, up to a
/// longest one, and time forgives. Of one process; bounded in memory, however many addresses there
/// are.
class HandshakeBudget {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr int free_failures = 60;
  static constexpr std::chrono::milliseconds forgiven_after{1000};  // each of them
  static constexpr std::chrono::milliseconds longest_wait{10'000};
  static constexpr std::size_t most_addresses = 4096;

  void note_failure(AddressKey address, Time now);
  /// From now until a handshake may begin; zero: now.
  [[nodiscard]] std::chrono::milliseconds left(AddressKey address, Time now) const;

 private:
  void make_room(Time now);

  std::unordered_map<std::uint64_t, Time> all_forgiven_;  // by address: when
};

}  // namespace pop
