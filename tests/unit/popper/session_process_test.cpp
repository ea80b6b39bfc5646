#include "popper/session_process.h"

#include <alloca.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "base/fd.h"

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

#if !defined(__SANITIZE_ADDRESS__)  // which needs the stack below for itself

// Returns where the mark lies, `depth` below.
[[gnu::noinline]] std::uintptr_t leave_mark(std::size_t depth, std::string_view mark) {
  volatile char* const taken = static_cast<volatile char*>(::alloca(depth));
  for (std::size_t i = 0; i < mark.size(); ++i) taken[i] = mark[i];
  return reinterpret_cast<std::uintptr_t>(taken);
}

// By the kernel: to a compiler there is nothing below the stack.
std::string memory_at(std::uintptr_t place, std::size_t size) {
  std::string octets(size, '\0');
  const Fd memory{::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)};
  const ssize_t got = ::pread(memory.get(), octets.data(), size, static_cast<off_t>(place));
  octets.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return octets;
}

TEST_CASE("nothing is left on the stack, near or far", "[session_process]") {
  constexpr std::string_view mark = "what a session left";
  constexpr std::size_t deepest = 250'000;
  for (std::size_t depth = 2048; depth < deepest; depth += depth < 20'000 ? 256 : 16'000) {
    CAPTURE(depth);
    const std::uintptr_t place = leave_mark(depth, mark);
    REQUIRE(memory_at(place, mark.size()) == mark);
    wipe_stack_below();
    CHECK(memory_at(place, mark.size()) != mark);
  }
}

#endif

}  // namespace
}  // namespace pop
