#include "store/shared_locks.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

namespace pop {

SharedLocks::Outcome SharedLocks::take() {
  if (none_) return Outcome::taken;
  if (!set_fcntl(F_RDLCK)) return Outcome::held_by_another;
  if (::flock(file_.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    give_back();
    return Outcome::held_by_another;
  }
  return Outcome::taken;
}

bool SharedLocks::set_fcntl(short type) const {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  return ::fcntl(file_.get(), F_OFD_SETLK, &range) == 0 || (errno != EAGAIN && errno != EACCES);
}

void SharedLocks::give_back() const {
  if (none_) return;
  (void)set_fcntl(F_UNLCK);
  (void)::flock(file_.get(), LOCK_UN);
}

}  // namespace pop
