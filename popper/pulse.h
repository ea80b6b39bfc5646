#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// One moment in memory that a role shares with the master, so that the master can see whether the
/// role still works without reading a byte from it. A keeper marks when it began a request and
/// clears the mark after it; a gate marks when it last took an order. A forked child has no part in
/// it: it must not touch a pulse that its parent opened.
class Pulse {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Memory for one pulse, unmarked; its size cannot be changed. To be handed to a role.
  [[nodiscard]] static Result<Fd> create();
  /// Errc::corrupt if the memory is not one that create() made.
  [[nodiscard]] static Result<Pulse> open(const Fd& memory);

  Pulse(Pulse&& other) noexcept;
  Pulse& operator=(Pulse other) noexcept;
  ~Pulse();

  void mark(Time now);
  void clear();
  /// A role that was broken into may have written anything here.
  [[nodiscard]] std::optional<Time> marked() const;

 private:
  using Word = std::atomic<std::int64_t>;
  explicit Pulse(Word* word) : word_{word} {}
  Word* word_;  // nanoseconds of the steady clock; 0: no mark
};

}  // namespace pop
