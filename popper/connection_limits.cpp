#include "popper/connection_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace pop {
namespace {

// Listeners, keepers' channels, the log, epoll, and the one connection that is told to go away.
constexpr rlim_t own_files = 64;
constexpr rlim_t most_files = rlim_t{1} << 20;

}  // namespace

Result<ConnectionLimits> ConnectionLimits::from_open_files() {
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
  return ConnectionLimits{static_cast<std::size_t>(files.rlim_cur - own_files)};
}

}  // namespace pop
