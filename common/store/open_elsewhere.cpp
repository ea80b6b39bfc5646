#include "store/open_elsewhere.h"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>

namespace pop {

OpenElsewhere is_open_elsewhere(const Fd& file) {
  (void)::fcntl(file.get(), F_SETSIG, SIGURG);  // whoever opens it now must not end us
  if (::fcntl(file.get(), F_SETLEASE, F_WRLCK) == 0) {
    (void)::fcntl(file.get(), F_SETLEASE, F_UNLCK);
    return OpenElsewhere::no;
  }
  return errno == EAGAIN || errno == EBUSY ? OpenElsewhere::yes : OpenElsewhere::unknown;
}

}  // namespace pop
