#include "bull/recipient.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace pop {
namespace {

std::optional<std::string> group_name(gid_t number) {
  constexpr std::size_t enough = std::size_t{1} << 20;  // for members of large groups
  group entry{};
  group* found = nullptr;
  for (std::vector<char> text(4096); text.size() <= enough; text.resize(4 * text.size())) {
    const int status = ::getgrgid_r(number, &entry, text.data(), text.size(), &found);
    if (status == ERANGE) continue;
    if (status != 0 || found == nullptr) return std::nullopt;
    return std::string{entry.gr_name};
  }
  return std::nullopt;
}

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

std::vector<std::string> group_names(const std::string& user, gid_t primary) {
  int count = 32;
  std::vector<gid_t> numbers(static_cast<std::size_t>(count));
  while (::getgrouplist(user.c_str(), primary, numbers.data(), &count) < 0) {
    numbers.resize(static_cast<std::size_t>(count));
  }
  numbers.resize(static_cast<std::size_t>(count));
  return group_names(numbers);
}

std::vector<std::string> group_names(const std::vector<gid_t>& numbers) {
  std::vector<std::string> names;
  for (const gid_t number : numbers) {
    if (std::optional<std::string> name = group_name(number)) names.push_back(std::move(*name));
  }
  return names;
}

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
