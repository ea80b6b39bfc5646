#include "base/flock.h"

#include <sys/file.h>

#include <cerrno>

namespace pop {

Result<Flock> try_flock(const Fd& file) {
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    const int saved = errno;
    if (saved == EINTR) continue;
    if (saved == EWOULDBLOCK) return Flock::held_by_another;
    return fail_errno(saved, "flock");
  }
  return Flock::taken;
}

}  // namespace pop
