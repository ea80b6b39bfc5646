#include <signal.h>

#include <algorithm>
#include <exception>

#include "popcheck/popcheck.h"

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of writing
  try {
    pop::Terminal terminal{"popcheck"};
    return static_cast<int>(pop::run_popcheck({argv + std::min(argc, 1), argv + argc}, terminal));
  } catch (const std::exception&) {
    return static_cast<int>(pop::ExitStatus::software);  // a bug or no memory
  }
}
