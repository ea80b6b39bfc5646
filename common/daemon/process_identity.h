#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// When a process began, as far as whoever started it knows: numbers of processes are used again,
/// but not within such a span. Since the machine was started, sleep included.
struct Birth {
  std::chrono::nanoseconds after{0}, before{0};
};

[[nodiscard]] std::chrono::nanoseconds time_since_boot();

/// Since boot, in ticks of the kernel's clock, as /proc tells it. Errc::not_found: no such process.
[[nodiscard]] Result<std::uint64_t> start_ticks_of(pid_t process);
/// The span that such a tick is.
[[nodiscard]] Birth birth_at(std::uint64_t start_ticks);

/// Whether a process of that number is there, and began then. One that has ended and was not
/// waited for is not there.
[[nodiscard]] bool is_running(pid_t process, const Birth& birth);

/// A descriptor that stands for this process and can never stand for another (pidfd_open(2)).
/// Errc::not_found unless is_running().
[[nodiscard]] Result<Fd> open_process(pid_t process, const Birth& birth);
/// Errc::not_found when it has ended.
[[nodiscard]] Result<void> signal_process(const Fd& process, int signal);
[[nodiscard]] bool has_ended(const Fd& process);

}  // namespace pop
