#include "daemon/connection_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace pop {
namespace {

// Listeners, keepers' channels, the log, epoll, and the one connection that is
// told to go away.
constexpr rlim_t own_files = 64;
constexpr rlim_t most_files = rlim_t{1} << 20;

}  // namespace

ConnectionLimits::ConnectionLimits(std::size_t here, const Settings& settings)
    : here_{here},
      most_{static_cast<std::size_t>(settings.max_connections)},
      most_from_address_{static_cast<std::size_t>(settings.max_connections_per_address)} {}

Result<ConnectionLimits> ConnectionLimits::from_open_files(const Settings& settings) {
  struct rlimit files {};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) {
    const int saved = errno;
    return fail_errno(saved, "read the limit of open files");
  }
  files.rlim_cur = std::min(files.rlim_max, most_files);
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    const int saved = errno;
    return fail_errno(saved, "raise the limit of open files");
  }
  if (files.rlim_cur <= own_files) return fail(Errc::limit, "the limit of open files is too low");
  return ConnectionLimits{static_cast<std::size_t>(files.rlim_cur - own_files), settings};
}

std::size_t files_for_connections(const Settings& settings) {
  return static_cast<std::size_t>(settings.max_connections) + own_files;
}

FailureDelays::FailureDelays(const Settings& settings)
    : first_{settings.failure_delay}, most_{settings.failure_delay_most} {}

std::chrono::milliseconds FailureDelays::left(const Failures& failures) const {
  if (failures.count == 0) return {};
  return std::max(doubled(failures.count, most_) - failures.since_last,
                  std::chrono::milliseconds{0});
}

std::chrono::milliseconds FailureDelays::shared(unsigned failures, unsigned free) const {
  return failures <= free ? std::chrono::milliseconds{0} : doubled(failures - free, most_ / 4);
}

std::chrono::milliseconds FailureDelays::doubled(unsigned failures,
                                                 std::chrono::milliseconds most) const {
  constexpr unsigned enough_doublings = 20;  // of one second: longer than any setting allows
  const std::int64_t factor = std::int64_t{1} << std::min(failures - 1, enough_doublings);
  return std::min(first_ * factor, most);
}

}  // namespace pop
