#include "mail/repair_plan.h"

#include <algorithm>
#include <map>
#include <utility>

namespace pop {
namespace {

constexpr int most_rounds = 12;

SpoolFindings find_defects(TextReader& text, const ScanOptions& options) {
  DefectFinder finder{options, text};
  text.read_all([&](std::string_view piece) { finder.feed(piece); });
  return finder.finish();
}

/// One defect in the old file; what one round leaves alone it leaves alone in the next.
using Identity = std::pair<DefectKind, FileBytes>;

class Planner {
 public:
  Planner(FileBytes old_size, const ScanOptions& options, const OpenText& open,
          const Decide& decide)
      : old_size_{old_size}, options_{options}, open_{open}, decide_{decide} {}

  RepairPlan run() {
    plan_.text = PatchedText{old_size_};
    for (int round = 0; round < most_rounds; ++round) {
      SpoolFindings found = find_defects(*open_(plan_.text), options_);
      if (round == 0) plan_.before = found;
      std::vector<Defect> chosen = choose(found);
      if (chosen.empty()) {
        plan_.after = std::move(found);
        note_left();
        return std::move(plan_);
      }
      apply(std::move(chosen));
    }
    return given_up();
  }

 private:
  [[nodiscard]] Defect as_in_old_file(const Defect& defect) const {
    Defect told = defect;
    told.at = plan_.text.old_offset(defect.at);
    for (const Defect& before :
         std::ranges::equal_range(plan_.before.defects, told.at, {}, &Defect::at)) {
      if (before.kind != told.kind) continue;  // it has been there before
      told.line = before.line;
      told.message = before.message;
      told.detail = before.detail;
      break;
    }
    return told;
  }

  [[nodiscard]] bool wants_repair(const Defect& defect) {
    if (defect.remedy == Remedy::none || defect.edits.empty()) return false;
    if (defect.remedy == Remedy::sure) return true;
    const Defect told = as_in_old_file(defect);
    const auto [place, fresh] = decisions_.try_emplace(Identity{told.kind, told.at});
    if (fresh) place->second = decide_(told);
    return place->second == Decision::repair;
  }

  /// Those that do not touch each other; the others are found again.
  std::vector<Defect> choose(const SpoolFindings& found) {
    std::vector<Defect> chosen;
    FileBytes free_from;
    bool first = true;
    for (const Defect& defect : found.defects) {
      if (defect.edits.empty()) continue;
      const bool apart = first || defect.edits.front().at > free_from;
      if (!apart || !wants_repair(defect)) continue;
      chosen.push_back(defect);
      free_from = defect.edits.back().at + defect.edits.back().removed;
      first = false;
    }
    return chosen;
  }

  void apply(std::vector<Defect> chosen) {
    std::vector<SpoolEdit> edits;
    for (Defect& defect : chosen) {
      edits.insert(edits.end(), defect.edits.begin(), defect.edits.end());
      plan_.mended.push_back(as_in_old_file(defect));
    }
    plan_.text.apply(edits);
  }

  void note_left() {
    for (const Defect& defect : plan_.after.defects) plan_.left.push_back(as_in_old_file(defect));
  }

  RepairPlan given_up() {
    plan_.text = PatchedText{old_size_};
    plan_.left = plan_.before.defects;
    plan_.after = plan_.before;
    plan_.mended.clear();
    return std::move(plan_);
  }

  FileBytes old_size_;
  const ScanOptions& options_;
  const OpenText& open_;
  const Decide& decide_;
  RepairPlan plan_;
  std::map<Identity, Decision> decisions_;
};

}  // namespace

RepairPlan plan_repair(FileBytes old_size, const ScanOptions& options, const OpenText& open,
                       const Decide& decide) {
  return Planner{old_size, options, open, decide}.run();
}

}  // namespace pop
