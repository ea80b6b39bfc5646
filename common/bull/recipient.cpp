#include "bull/recipient.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace pop {
namespace {

bool is_in(const Recipient& recipient, const std::string& group) {
  return group.empty() || group == group_of_all ||
         std::ranges::find(recipient.groups, group) != recipient.groups.end();
}

BulletinVerdict verdict_on(const Bulletin& bulletin, const Recipient& recipient, std::int64_t now) {
  const BulletinTerms& terms = bulletin.terms;
  if (!terms.are_for(recipient.user)) return BulletinVerdict::other_users;
  if (terms.end && now > *terms.end) return BulletinVerdict::over;
  if (terms.start && now < *terms.start) return BulletinVerdict::not_yet;
  return BulletinVerdict::deliver;
}

}  // namespace

Result<Judgement> judge(const BulletinDirectory& directory, const BulletinName& name,
                        const Recipient& recipient, std::int64_t now) {
  if (recipient.by_group == ByGroup::yes && !is_in(recipient, name.group)) {
    return Judgement{BulletinVerdict::other_groups};
  }
  const Result<std::string> octets = directory.content(name);
  if (!octets) {
    if (octets.error().code == Errc::not_found) return std::unexpected(octets.error());
    return Judgement{BulletinVerdict::broken, {}, octets.error().text};
  }
  BulletinReading reading = read_bulletin(*octets);
  if (!reading.bulletin) {
    std::string why = reading.what_breaks();
    return Judgement{BulletinVerdict::broken, std::move(reading), std::move(why)};
  }
  const BulletinVerdict verdict = verdict_on(*reading.bulletin, recipient, now);
  return Judgement{verdict, std::move(reading), {}};
}

}  // namespace pop
