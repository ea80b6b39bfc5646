#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pop {

/// What stood just before the next byte of a body: all that finding line ends, empty lines and
/// separators across a cut needs to know.
struct BodyContext {
  bool after_lf = false;  // the next byte begins a line
  bool after_cr = false;
  bool after_first_cr = false;  // that CR is its line's first byte
  bool after_crlf = false;      // the line that just ended did so with CRLF
  bool after_empty = false;     // the line that just ended was empty
  bool operator==(const BodyContext&) const = default;
};

/// Where a body scan has to stop and let somebody look closer.
enum class Seek : std::uint8_t {
  nothing,
  from_line,  // an 'F' after an empty line
  mmdf_line,  // a ^A at the beginning of a line
};

struct LineTally {
  std::uint64_t line_ends = 0;  // LF
  std::uint64_t crlf_ends = 0;  // those of them with a CR before it
};

/// State of the conversion to wire lines.
struct WireContext {
  char last = '\n';  // the byte before; a message begins like a line
  std::uint64_t doubled_dots = 0;
};

/// The loops over whole bodies, 64 bytes a step. All versions give the same results.
struct LineBlocks {
  /// Tallies `data` up to its end or the first place that `seek` names, and returns how many bytes
  /// that were; `context` is then right for the byte there.
  std::size_t (*tally)(const char* data, std::size_t size, Seek seek, BodyContext& context,
                       LineTally& tally);
  /// Writes `data` with every line end as CRLF and leading dots doubled; returns the bytes written.
  /// `out` must have room for 2 * size + 64 bytes: the room behind the result is scribbled on.
  std::size_t (*to_wire)(const char* data, std::size_t size, char* out, WireContext& context);
};

/// The versions that this machine runs, slowest first: there is always one.
[[nodiscard]] std::vector<const LineBlocks*> usable_line_blocks();
/// The last of them.
[[nodiscard]] const LineBlocks& best_line_blocks();

}  // namespace pop
