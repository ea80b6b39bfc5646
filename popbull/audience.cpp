#include "popbull/audience.h"

#include <algorithm>

#include "auth/group_names.h"
#include "bull/bulletin_plan.h"
#include "bull/recipient.h"

namespace pop {
namespace {

Recipient recipient_of(const Member& member, const Settings& settings) {
  return {.user = member.user.account.name,
          .groups = member.groups,
          .by_group = settings.group_bulletins ? ByGroup::yes : ByGroup::no};
}

/// Whether a login now brings it.
bool is_due(const BulletinSite& site, const BulletinFiles& files, const BulletinName& name,
            const Member& member) {
  const BulletinPlan plan =
      plan_bulletins(site.directory, files, recipient_of(member, site.settings), member.seen->file,
                     static_cast<std::uint64_t>(site.settings.max_bulletins), site.now());
  return std::ranges::any_of(plan.due, [&](const DueBulletin& due) { return due.name == name; });
}

Standing standing_without_record(const BulletinSite& site, const BulletinFiles& files,
                                 const BulletinFacts& facts, BulletinVerdict verdict,
                                 const Member& member) {
  if (facts.state == BulletinState::retracted || verdict == BulletinVerdict::over)
    return Standing::missed;
  if (verdict == BulletinVerdict::not_yet) return Standing::not_yet;
  if (verdict == BulletinVerdict::broken) return Standing::broken;
  return is_due(site, files, facts.name, member) ? Standing::waiting : Standing::missed;
}

Standing standing_by_record(const BulletinFacts& facts, BulletinVerdict verdict,
                            const SeenRecord& record) {
  if (record.has(facts.name.number)) return Standing::had;
  if (facts.state == BulletinState::retracted || verdict == BulletinVerdict::over)
    return Standing::missed;
  if (verdict == BulletinVerdict::not_yet) return Standing::not_yet;
  return verdict == BulletinVerdict::broken ? Standing::broken : Standing::waiting;
}

}  // namespace

std::string_view to_text(Standing standing) {
  switch (standing) {
    case Standing::had:
      return "had";
    case Standing::waiting:
      return "waiting";
    case Standing::not_yet:
      return "not-yet";
    case Standing::broken:
      return "broken";
    case Standing::missed:
      return "missed";
    case Standing::excluded:
      return "excluded";
    case Standing::unknown:
      break;
  }
  return "unknown";
}

Member member_of(const UsersNumbers& numbers, BulletinUser user) {
  std::vector<std::string> groups = group_names(user.account.name, user.account.gid);
  Result<UserSeen> seen = numbers.of(user);
  return {std::move(user), std::move(groups), std::move(seen)};
}

Result<std::vector<Member>> all_members(const BulletinSite& site) {
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) return std::unexpected(numbers.error());
  Result<std::vector<BulletinUser>> users = bulletin_users(site.settings);
  if (!users) return std::unexpected(std::move(users).error());
  std::vector<Member> members;
  for (BulletinUser& user : *users) members.push_back(member_of(*numbers, std::move(user)));
  return members;
}

Standing standing_of(const BulletinSite& site, const BulletinFiles& files,
                     const BulletinFacts& facts, const Member& member) {
  BulletinName there = facts.name;
  there.file = facts.file();
  const Result<Judgement> judged =
      judge(site.directory, there, recipient_of(member, site.settings), site.now());
  const BulletinVerdict verdict = judged ? judged->verdict : BulletinVerdict::broken;
  if (verdict == BulletinVerdict::other_groups || verdict == BulletinVerdict::other_users) {
    return Standing::excluded;
  }
  if (!member.seen) return Standing::unknown;
  const SeenFile& file = member.seen->file;
  if (file.kind == SeenFile::Kind::number) return standing_by_record(facts, verdict, file.record);
  return standing_without_record(site, files, facts, verdict, member);
}

}  // namespace pop
