#include "poppassd/process_tree.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "support/catch.h"

using namespace pop;

TEST_CASE("A grandchild that led a session of its own survived its grandparent's end",
          "[poppassd]") {
  std::array<int, 2> alive{};
  REQUIRE(::pipe(alive.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::fork() == 0) {
      ::setsid();
      (void)!::write(alive[1], "x", 1);
      ::alarm(60);  // never for ever
      ::pause();
      ::_exit(EXIT_SUCCESS);
    }
    ::alarm(60);
    ::pause();
    ::_exit(EXIT_SUCCESS);
  }
  ::close(alive[1]);
  char begun = 0;
  REQUIRE(::read(alive[0], &begun, 1) == 1);
  CHECK(descendants_of(child).size() == 1);
  kill_tree(child);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(::read(alive[0], &begun, 1) == 0);  // nobody holds the other end any more
  ::close(alive[0]);
}
