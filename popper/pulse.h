#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// Memory that a role shares with the master, so that the master can see whether the role still
/// works without reading a byte from it. Gate and keeper note when they last took an order; a
/// keeper marks when it began a request and clears the mark after it, and says at last how it and
/// its gate parted. A forked child has no part in it: it must not touch a pulse that its parent
/// opened.
class Pulse {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// What has become of a keeper's gate.
  enum class Parting : std::uint8_t { none, gate_gone, gate_broke_rules };

  /// Memory for one pulse, unmarked; its size cannot be changed. To be handed to a role.
  [[nodiscard]] static Result<Fd> create();
  /// Errc::corrupt if the memory is not one that create() made.
  [[nodiscard]] static Result<Pulse> open(const Fd& memory);

  Pulse(Pulse&& other) noexcept;
  Pulse& operator=(Pulse other) noexcept;
  ~Pulse();

  void mark(Time now);
  void clear();
  void show_life(Time now);
  void part(Parting how);

  // A role that was broken into may have written anything here.
  [[nodiscard]] std::optional<Time> marked() const;
  [[nodiscard]] std::optional<Time> last_sign() const;
  [[nodiscard]] Parting parting() const;

 private:
  using Word = std::atomic<std::int64_t>;
  struct Words {
    Word busy_since, last_sign;  // nanoseconds of the steady clock; 0: none
    Word parting;
  };
  explicit Pulse(Words* words) : words_{words} {}
  Words* words_;
};

}  // namespace pop
