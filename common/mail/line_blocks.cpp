#include "mail/line_blocks.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

// Line ends are found as bit masks of 64 bytes, so that a body costs the same whatever its lines
// are: empty lines, CRLF and the places worth a closer look come from shifting masks by one bit,
// with the bit that falls out carried into the next block. Invariant: the context before a block
// says about the byte before it what the masks say about bytes inside.

namespace pop {
namespace {

namespace plain {
#define POP_KERNEL
#if defined(__SSE2__)
inline std::uint64_t equal_16(const char* p, char c) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c))));
}
inline std::uint64_t equal_mask(const char* p, char c) {
  return equal_16(p, c) | equal_16(p + 16, c) << 16 | equal_16(p + 32, c) << 32 |
         equal_16(p + 48, c) << 48;
}
#else
inline std::uint64_t equal_mask(const char* p, char c) {
  std::uint64_t mask = 0;
  for (unsigned i = 0; i < 64; ++i) mask |= static_cast<std::uint64_t>(p[i] == c) << i;
  return mask;
}
#endif
#include "mail/line_blocks.inc"
#undef POP_KERNEL
constexpr LineBlocks blocks{tally_lines, wire_lines};
}  // namespace plain

#if defined(__x86_64__)
namespace avx2 {
#define POP_KERNEL [[gnu::target("avx2,bmi,popcnt")]]
POP_KERNEL inline __m256i equal_32(const char* p, char c) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c));
}
POP_KERNEL inline std::uint64_t equal_mask(const char* p, char c) {
  const auto low = static_cast<std::uint32_t>(_mm256_movemask_epi8(equal_32(p, c)));
  const auto high = static_cast<std::uint32_t>(_mm256_movemask_epi8(equal_32(p + 32, c)));
  return low | static_cast<std::uint64_t>(high) << 32;
}
#include "mail/line_blocks.inc"
#undef POP_KERNEL
constexpr LineBlocks blocks{tally_lines, wire_lines};
}  // namespace avx2
#endif

}  // namespace

std::vector<const LineBlocks*> usable_line_blocks() {
  std::vector<const LineBlocks*> usable{&plain::blocks};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("popcnt")) {
    usable.push_back(&avx2::blocks);
  }
#endif
  return usable;
}

const LineBlocks& best_line_blocks() {
  static const LineBlocks& best = *usable_line_blocks().back();
  return best;
}

}  // namespace pop
