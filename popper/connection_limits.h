#pragma once

#include <chrono>
#include <cstddef>

#include "base/error.h"

namespace pop {

/// What one stranger may use up before it has logged in.
struct StrangerLimits {
  std::size_t lines = 50;                          // a client needs about four
  std::size_t octets = std::size_t{16} * 1024;     // sent by it
  std::size_t unsent = std::size_t{8} * 1024;      // replies that it does not read
  std::size_t discarded = std::size_t{64} * 1024;  // thrown away while its connection is closed
  std::chrono::seconds farewell{2};                // for reading our last line
};

/// How many connections a gate may hold. Counts; the caller closes what does not fit.
class ConnectionLimits {
 public:
  explicit ConnectionLimits(std::size_t most) : most_{most} {}

  /// As the limit of open files allows; raises the soft limit to the hard one.
  [[nodiscard]] static Result<ConnectionLimits> from_open_files();

  [[nodiscard]] bool has_room(std::size_t connections) const { return connections < most_; }
  [[nodiscard]] std::size_t most() const { return most_; }

 private:
  std::size_t most_;
};

}  // namespace pop
