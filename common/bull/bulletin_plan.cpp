#include "bull/bulletin_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

class Planner {
 public:
  Planner(const BulletinDirectory& directory, const Recipient& recipient, std::int64_t now)
      : directory_{directory}, recipient_{recipient}, now_{now} {}

  BulletinPlan for_known(const BulletinFiles& files, const SeenRecord& seen) {
    for (const BulletinName& name : files.bulletins) {
      if (seen.has(name.number)) continue;
      is_full() ? pending_.push_back(name.number) : look_at(name);
    }
    return result(seen.highest);
  }

  /// From the newest one back. What does not fit is looked at all the same: whether it is among
  /// his newest ones shows now, and not when he comes again.
  BulletinPlan for_new(const BulletinFiles& files, std::uint64_t max_bulletins) {
    bool is_old = max_bulletins == 0;
    for (auto name = files.bulletins.rbegin(); name != files.bulletins.rend(); ++name) {
      look_at(*name, is_old);
      is_old = is_old || plan_.due.size() + postponed_ >= max_bulletins;
    }
    std::ranges::reverse(plan_.due);
    std::ranges::reverse(plan_.broken);
    std::ranges::sort(pending_);
    plan_.is_new_user = true;
    // What is for others now is no old news to them when a later one comes.
    return result(files.highest());
  }

 private:
  /// `is_old`: of interest only if it is still to come.
  void look_at(const BulletinName& name, bool is_old = false) {
    Result<Judgement> judged = judge(directory_, name, recipient_, now_);
    if (!judged) return;  // it went while we looked
    if (judged->verdict == BulletinVerdict::not_yet) pending_.push_back(name.number);
    if (is_old) return;
    if (judged->verdict == BulletinVerdict::broken) {
      pending_.push_back(name.number);
      plan_.broken.push_back("Bulletin " + escaped(name.file) +
                             " is skipped until it is mended: " + judged->why);
    }
    if (judged->verdict != BulletinVerdict::deliver) return;
    if (is_full()) return postpone(name);
    octets_ += judged->reading.bulletin->header.size() + judged->reading.bulletin->body.size();
    plan_.due.push_back({name, std::move(*judged->reading.bulletin)});
  }

  void postpone(const BulletinName& name) {
    pending_.push_back(name.number);
    ++postponed_;
  }

  [[nodiscard]] bool is_full() const { return octets_ > most_octets_at_once; }

  BulletinPlan result(std::uint64_t highest) {
    SeenRecord& record = plan_.record;
    record.highest = highest;
    for (const DueBulletin& due : plan_.due) {
      record.highest = std::max(record.highest, due.name.number);
      std::erase(pending_, due.name.number);  // of two files with one number
    }
    for (const std::uint64_t number : pending_) {
      const bool is_repeated = !record.owed.empty() && record.owed.back() == number;
      if (number <= record.highest && !is_repeated) record.owed.push_back(number);
    }
    if (record.owed.size() > most_owed) {
      record.owed.erase(record.owed.begin(), record.owed.end() - most_owed);
    }
    return std::move(plan_);
  }

  const BulletinDirectory& directory_;
  const Recipient& recipient_;
  std::int64_t now_;
  BulletinPlan plan_;
  std::vector<std::uint64_t> pending_;  // not delivered, and still to come
  std::size_t octets_ = 0;
  std::uint64_t postponed_ = 0;  // for him, but too much for one login
};

}  // namespace

BulletinPlan plan_bulletins(const BulletinDirectory& directory, const BulletinFiles& files,
                            const Recipient& recipient, const SeenFile& seen,
                            std::uint64_t max_bulletins, std::int64_t now) {
  Planner planner{directory, recipient, now};
  switch (seen.kind) {
    case SeenFile::Kind::none:
      return planner.for_new(files, max_bulletins);
    case SeenFile::Kind::all_seen:
      return planner.for_new(files, 0);
    case SeenFile::Kind::number:
      break;
  }
  return planner.for_known(files, seen.record);
}

}  // namespace pop
