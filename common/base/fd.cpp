#include "base/fd.h"

#include <fcntl.h>

#include <cerrno>

namespace pop {

Result<void> Fd::close() {
  if (raw_ < 0) return {};
  // Not retried on EINTR: Linux has given the descriptor up by then.
  if (::close(std::exchange(raw_, -1)) != 0) {
    const int saved = errno;
    return fail_errno(saved, "close");
  }
  return {};
}

Result<Fd> Fd::duplicate() const {
  Fd copy{::fcntl(raw_, F_DUPFD_CLOEXEC, 0)};
  if (!copy.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "duplicate descriptor");
  }
  return copy;
}

}  // namespace pop
