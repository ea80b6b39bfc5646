#pragma once

#include <cstdio>
#include <cstdlib>

namespace pop::test {

/// Ends the fuzz target, so that the fuzzer keeps the input, when a property does not hold.
inline void fuzz_require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

}  // namespace pop::test
