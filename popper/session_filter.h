#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"

namespace pop {

/// Refuses a session the system calls that it never needs and that break-ins live on: executing,
/// making processes, tracing, mounting, namespaces, keys, BPF, io_uring, kernel administration,
/// sockets that are not local datagram ones as the log's is, executable memory out of writable
/// memory, signals to others but SIGURG. They fail with EPERM. Made once by a keeper, since making
/// it costs more than a session; entering costs one call.
class SessionFilter {
 public:
  [[nodiscard]] static Result<SessionFilter> make();
  /// For good. Call after no-new-privs was set.
  [[nodiscard]] Result<void> enter() const;

 private:
  explicit SessionFilter(std::vector<std::uint64_t> program) : program_{std::move(program)} {}
  std::vector<std::uint64_t> program_;  // one sock_filter an element
};

}  // namespace pop
