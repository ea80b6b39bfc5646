// The defect finder's promises for any file: the same defects wherever the input is cut, edits that
// lie in order inside the file, a repair that accounts for every byte, and nothing left to do after
// it. The first byte chooses what becomes of doubtful cases and the cuts, the rest is the spool.

#include <cstdint>

#include "support/fuzz_require.h"
#include "support/patched_memory.h"

using namespace pop;
using namespace pop::test;

namespace {

void check_defects(const SpoolFindings& found, std::string_view spool) {
  FileBytes last;
  for (const Defect& defect : found.defects) {
    fuzz_require(last <= defect.at && defect.at.count <= spool.size(), "defects by offset");
    fuzz_require(defect.line > 0, "each has a line");
    fuzz_require((defect.remedy == Remedy::none) == defect.edits.empty(), "a remedy has edits");
    last = defect.at;
    FileBytes end;
    for (const SpoolEdit& edit : defect.edits) {
      fuzz_require(end <= edit.at && edit.removed.count <= spool.size() &&
                       edit.at.count <= spool.size() - edit.removed.count,
                   "edits lie in order inside the file");
      end = edit.at + edit.removed;
    }
  }
}

bool same(const SpoolFindings& a, const SpoolFindings& b) {
  return std::ranges::equal(a.defects, b.defects, [](const Defect& x, const Defect& y) {
    return x.kind == y.kind && x.at == y.at && x.line == y.line && x.message == y.message &&
           x.remedy == y.remedy && x.detail == y.detail && x.edits == y.edits;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view spool{reinterpret_cast<const char*>(data), size};
  unsigned choice = 0;
  if (!spool.empty()) {
    choice = static_cast<unsigned char>(spool.front());
    spool.remove_prefix(1);
  }
  const Decision decision = choice % 2 == 0 ? Decision::repair : Decision::leave;
  const SpoolFindings whole = findings(spool, spool.size() + 1);
  check_defects(whole, spool);
  fuzz_require(same(findings(spool, choice / 2 + 1), whole), "the same wherever the input is cut");

  const RepairPlan plan = planned(spool, decision);
  fuzz_require(plan.text.keeps_order(), "what is kept keeps its order");
  std::uint64_t accounted = 0;
  for (const PatchedText::Piece& piece : plan.text.pieces()) {
    if (piece.literal.empty()) accounted += piece.count.count;
  }
  for (const PatchedText::Range& range : plan.text.left_out()) accounted += range.count.count;
  fuzz_require(accounted == spool.size(), "every byte is kept or named");
  const std::string once = rendered(plan.text, spool);
  const RepairPlan again = planned(once, decision);
  fuzz_require(again.mended.empty() && rendered(again.text, once) == once, "twice equals once");
  return 0;
}
