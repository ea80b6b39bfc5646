#include <algorithm>

#include "popauth/popauth.h"

int main(int argc, char** argv) {
  pop::Terminal terminal{"popauth"};
  return static_cast<int>(
      pop::run_popauth({argv + std::min(argc, 1), argv + argc}, terminal, pop::system_disk()));
}
