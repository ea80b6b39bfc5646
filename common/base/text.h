#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// ASCII only, whatever the locale: protocol words and header names.
[[nodiscard]] constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);

/// Without blanks and tabs at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

/// Decimal digits only: no sign, no blank, nothing after; nullopt beyond 64 bits.
[[nodiscard]] std::optional<std::uint64_t> decimal(std::string_view digits);

/// Bytes from outside made fit for one log line or message: controls, DEL, backslash and bytes
/// from 0x80 on as \xHH, the rest as they are; longer than `limit` source bytes is cut with "...".
[[nodiscard]] std::string escaped(std::string_view hostile, std::size_t limit = 256);

/// The word nearest to `word` in the Damerau-Levenshtein sense, for "did you mean"; nullopt when
/// nothing is near enough to be a slip of the finger. `candidates` yields string_view-s.
template <class Range>
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word, const Range& candidates);

/// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

template <class Range>
std::optional<std::string_view> nearest(std::string_view word, const Range& candidates) {
  std::optional<std::string_view> best;
  std::size_t best_distance = word.size() / 3 + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > best_distance || (best && distance == best_distance)) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace pop
