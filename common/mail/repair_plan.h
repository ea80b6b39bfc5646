#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mail/defect.h"
#include "mail/defect_finder.h"
#include "mail/patched_text.h"

namespace pop {

enum class Decision : std::uint8_t { leave, repair };

/// What becomes of a doubtful defect; asked once for each. `defect.at` and `defect.line` are those
/// of the old file.
using Decide = std::function<Decision(const Defect&)>;

/// What a repair will do to a spool.
struct RepairPlan {
  PatchedText text{FileBytes{0}};
  std::vector<Defect> mended;  // in the order found; offsets of the old file
  std::vector<Defect> left;    // found, and not mended
  SpoolFindings before;        // of the old file
  SpoolFindings after;         // of the new text
};

/// Reads [0, size) of a text in pieces, and any part of it.
class TextReader : public LookAhead {
 public:
  virtual void read_all(const std::function<void(std::string_view)>& take) = 0;
};
/// Gives a reader for a text over the old file.
using OpenText = std::function<std::unique_ptr<TextReader>(const PatchedText&)>;

/// Finds defects and mends them, again and again, until only such are left as have no remedy or
/// were decided to stay. A pure function of the old bytes and the decisions. A text that was
/// planned before gives a plan without changes. When twelve rounds do not get there (nobody knows
/// of such a file), `text` is the old one and everything is in `left`.
[[nodiscard]] RepairPlan plan_repair(FileBytes old_size, const ScanOptions& options,
                                     const OpenText& open, const Decide& decide);

}  // namespace pop
