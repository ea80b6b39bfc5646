#include <signal.h>

#include <algorithm>
#include <exception>

#include "popbull/popbull.h"

int main(int argc, char** argv) {
  ::signal(SIGCHLD, SIG_DFL);  // ignored, as exec may leave it, it would take exit statuses with it
  ::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of writing
  try {
    pop::Terminal terminal{"popbull"};
    return static_cast<int>(pop::run_popbull({argv + std::min(argc, 1), argv + argc}, terminal));
  } catch (const std::exception&) {
    return static_cast<int>(pop::ExitStatus::software);  // a bug or no memory
  }
}
