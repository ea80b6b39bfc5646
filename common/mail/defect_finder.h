#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "mail/defect.h"
#include "mail/mbox_scanner.h"

namespace pop {

struct SpoolExamination;

/// All that was found in one spool.
struct SpoolFindings {
  SpoolFormat format = SpoolFormat::empty;
  std::vector<Defect> defects;           // by offset
  std::vector<ScannedMessage> messages;  // as the daemon lists them; none before the first one
                                         // that it can read
  bool cut_off = false;                  // there were more defects than anybody looks at
};

/// Finds what is wrong with the bytes of a spool, fed in pieces of any size, in one pass; the
/// result is the same wherever the input is cut. No I/O but through `text`, which must give the
/// same bytes as feed() and outlive the finder. Headers and suspicious lines are looked at closely,
/// everything else only runs by. Memory grows with messages and defects.
///
/// A defect's edits mend it, each defect by itself: apply those that do not touch each other, then
/// look again, until nothing is left.
class DefectFinder {
 public:
  DefectFinder(const ScanOptions& options, LookAhead& text);
  DefectFinder(DefectFinder&&) noexcept;
  DefectFinder& operator=(DefectFinder&&) noexcept;
  ~DefectFinder();

  void feed(std::string_view piece);  // `piece` is not kept
  /// Call once, at the end of file.
  [[nodiscard]] SpoolFindings finish();

  /// So many defects are told at most.
  static constexpr std::size_t most_defects = 100'000;

 private:
  std::unique_ptr<SpoolExamination> state_;
};

}  // namespace pop
