#include "popper/session_process.h"

#include <alloca.h>

#include <cstddef>

#include <catch2/catch.hpp>

namespace pop {
namespace {

// A frame of its own, so that what alloca() takes is given back.
[[gnu::noinline]] bool comes_back_from_depth(std::size_t depth) {
  volatile char* const taken = static_cast<volatile char*>(::alloca(depth + 1));
  taken[depth] = 'x';
  wipe_stack_below();
  return taken[depth] == 'x';
}

TEST_CASE("giving stack back returns to the caller wherever in a page the stack ends",
          "[session_process]") {
  constexpr std::size_t two_pages = 8192;
  std::size_t depth = 0;
  while (depth < two_pages && comes_back_from_depth(depth)) depth += 8;
  CHECK(depth == two_pages);
}

}  // namespace
}  // namespace pop
