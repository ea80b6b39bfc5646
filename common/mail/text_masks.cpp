#include "mail/text_masks.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pop {
namespace {

void plain_masks(const char* data, std::size_t blocks, TextMasks* masks) {
  for (; blocks > 0; --blocks, data += 64, ++masks) {
    *masks = {};
    for (unsigned i = 0; i < 64; ++i) {
      const auto bit = std::uint64_t{1} << i;
      switch (data[i]) {
        case '\n':
          masks->lf |= bit;
          break;
        case '\r':
          masks->cr |= bit;
          break;
        case 'r':
          masks->r |= bit;
          break;
        case 'o':
          masks->o |= bit;
          break;
        case 'm':
          masks->m |= bit;
          break;
        case ' ':
          masks->space |= bit;
          break;
        default:
          if (static_cast<unsigned char>(data[i]) < 0x20 && data[i] != '\t') masks->control |= bit;
      }
    }
  }
}

#if defined(__x86_64__)
#define POP_KERNEL [[gnu::target("avx2")]]
struct Halves {
  __m256i low, high;
};
POP_KERNEL inline std::uint64_t bits(__m256i low, __m256i high) {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(low)) |
         static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm256_movemask_epi8(high))) << 32;
}
POP_KERNEL inline std::uint64_t equal(const Halves& block, char c) {
  const __m256i wanted = _mm256_set1_epi8(c);
  return bits(_mm256_cmpeq_epi8(block.low, wanted), _mm256_cmpeq_epi8(block.high, wanted));
}
POP_KERNEL inline std::uint64_t below_blank(const Halves& block) {
  const __m256i last = _mm256_set1_epi8(0x1F);
  return bits(_mm256_cmpeq_epi8(_mm256_min_epu8(block.low, last), block.low),
              _mm256_cmpeq_epi8(_mm256_min_epu8(block.high, last), block.high));
}
POP_KERNEL void avx2_masks(const char* data, std::size_t blocks, TextMasks* masks) {
  for (; blocks > 0; --blocks, data += 64, ++masks) {
    const Halves block{_mm256_loadu_si256(reinterpret_cast<const __m256i*>(data)),
                       _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + 32))};
    masks->lf = equal(block, '\n');
    masks->cr = equal(block, '\r');
    masks->r = equal(block, 'r');
    masks->o = equal(block, 'o');
    masks->m = equal(block, 'm');
    masks->space = equal(block, ' ');
    masks->control = below_blank(block) & ~(masks->lf | masks->cr);
    if (masks->control != 0) masks->control &= ~equal(block, '\t');
  }
}
#undef POP_KERNEL
#endif

}  // namespace

std::vector<MaskText> usable_text_masks() {
  std::vector<MaskText> usable{plain_masks};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) usable.push_back(avx2_masks);
#endif
  return usable;
}

MaskText best_text_masks() {
  static const MaskText best = usable_text_masks().back();
  return best;
}

}  // namespace pop
