#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

namespace pop {

/// When to look at a connection again. Entries are never taken back: whoever takes one looks
/// whether its connection still lives and is really due, and adds a new one if not. So moving a
/// deadline back costs nothing, and the heap holds a few entries a connection at most.
class Deadlines {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void add(std::uint64_t connection, Time when) { heap_.push({when, connection}); }

  /// One connection whose time has come; nullopt when none has.
  [[nodiscard]] std::optional<std::uint64_t> take_due(Time now) {
    if (heap_.empty() || heap_.top().when > now) return std::nullopt;
    const std::uint64_t connection = heap_.top().connection;
    heap_.pop();
    return connection;
  }

  [[nodiscard]] std::optional<Time> earliest() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.top().when;
  }

 private:
  struct Entry {
    Time when;
    std::uint64_t connection;
    bool operator>(const Entry& other) const { return when > other.when; }
  };
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap_;
};

}  // namespace pop
