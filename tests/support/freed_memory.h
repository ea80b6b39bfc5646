#pragma once

// Watches what the program gives back to the heap, in place of its operator delete: include it in
// one file of a test program.

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string_view>

namespace pop::test {

/// While one exists, counts the blocks that are given back with `marker` still in them. `marker`
/// must be longer than what a std::string keeps inside itself, and live outside the heap.
class FreedMemory {
 public:
  explicit FreedMemory(std::string_view marker) {
    wanted = marker;
    found = 0;
  }
  ~FreedMemory() { wanted = {}; }
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;

  [[nodiscard]] std::size_t blocks_with_marker() const { return found; }

  static void inspect(const void* block, std::size_t size) {
    if (wanted.empty() || block == nullptr) return;
    const std::string_view content{static_cast<const char*>(block), size};
    if (content.find(wanted) != std::string_view::npos) ++found;
  }

 private:
  static inline std::string_view wanted;
  static inline std::size_t found = 0;
};

}  // namespace pop::test

// Blocks begin as zeros, so that what an earlier owner left is not held against the next one.
// Inlined, these look like a mismatched pair to the compiler.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::calloc(1, size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* const block = operator new(size, std::nothrow)) return block;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
  pop::test::FreedMemory::inspect(block, block == nullptr ? 0 : ::malloc_usable_size(block));
  std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
  operator delete(block);
}
