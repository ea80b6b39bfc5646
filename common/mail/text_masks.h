#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pop {

/// What 64 bytes hold, a bit each, lowest first: enough to find line ends, the word "rom " (of
/// From_ lines, also of damaged ones) and bytes that text does not have, across blocks.
struct TextMasks {
  std::uint64_t lf, cr, r, o, m, space;
  std::uint64_t control;  // below 0x20, but not TAB, LF and CR
};

/// Fills `masks` for `blocks` times 64 bytes. All versions give the same results.
using MaskText = void (*)(const char* data, std::size_t blocks, TextMasks* masks);

/// The versions that this machine runs, slowest first: there is always one.
[[nodiscard]] std::vector<MaskText> usable_text_masks();
/// The last of them.
[[nodiscard]] MaskText best_text_masks();

}  // namespace pop
