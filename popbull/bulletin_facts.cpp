#include "popbull/bulletin_facts.h"

#include <algorithm>

#include "base/text.h"
#include "mail/from_line.h"
#include "mail/header_scanner.h"
#include "popbull/mime_composer.h"
#include "popbull/moment.h"

namespace pop {
namespace {

std::string subject_of(const Bulletin& bulletin) {
  const std::string_view header = bulletin.header;
  for (const HeaderField& field : header_fields(header)) {
    if (!equal_ignoring_case(field.name, "Subject")) continue;
    std::string value{header.substr(field.begin, field.end - field.begin)};
    value.erase(0, value.find(':') + 1);
    std::erase(value, '\n');
    return decoded_text(std::string{trimmed(value)});
  }
  return {};
}

BulletinState state_of(const BulletinTerms& terms, std::int64_t now) {
  if (terms.end && now > *terms.end) return BulletinState::over;
  return terms.start && now < *terms.start ? BulletinState::not_yet : BulletinState::current;
}

/// `name` as it is in the directory now.
BulletinFacts read_facts(const BulletinSite& site, const BulletinName& name) {
  BulletinFacts facts{.name = name};
  Result<std::string> octets = site.directory.content(name);
  if (!octets) {
    facts.why = octets.error().text;
    return facts;
  }
  facts.octets = std::move(*octets);
  facts.reading = read_bulletin(facts.octets);
  if (!facts.reading.bulletin) {
    facts.why = facts.reading.what_breaks();
    return facts;
  }
  const Bulletin& bulletin = *facts.reading.bulletin;
  facts.state = state_of(bulletin.terms, site.now());
  facts.published = from_line_time(bulletin.from_line);
  facts.subject = subject_of(bulletin);
  return facts;
}

Json json_of_moment(std::optional<std::int64_t> moment) {
  return moment ? Json{moment_text(*moment)} : Json{};
}

}  // namespace

std::string_view to_text(BulletinState state) {
  switch (state) {
    case BulletinState::current:
      return "current";
    case BulletinState::not_yet:
      return "not-yet";
    case BulletinState::over:
      return "over";
    case BulletinState::retracted:
      return "retracted";
    case BulletinState::broken:
      break;
  }
  return "broken";
}

std::string BulletinFacts::file() const {
  return state == BulletinState::retracted ? retracted_name(name) : name.file;
}

BulletinFacts facts_of(const BulletinSite& site, const BulletinName& name) {
  return read_facts(site, name);
}

BulletinFacts facts_of_retracted(const BulletinSite& site, const BulletinName& name) {
  BulletinName there = name;
  there.file = retracted_name(name);
  BulletinFacts facts = read_facts(site, there);
  facts.name = name;
  facts.state = BulletinState::retracted;
  return facts;
}

Result<BulletinFacts> find_facts(const BulletinSite& site, const BulletinFiles& files,
                                 const std::string& number) {
  const Result<BulletinName> name = find_bulletin(files, number);
  if (name) return facts_of(site, *name);
  const std::optional<std::uint64_t> value = decimal(number);
  if (!value || name.error().code != Errc::not_found) return std::unexpected(name.error());
  const std::optional<BulletinName> retracted = find_retracted(files, *value);
  if (!retracted) return std::unexpected(name.error());
  return facts_of_retracted(site, *retracted);
}

std::vector<BulletinFacts> all_facts(const BulletinSite& site, const BulletinFiles& files) {
  std::vector<BulletinFacts> all;
  for (const BulletinName& name : files.bulletins) all.push_back(facts_of(site, name));
  for (const BulletinName& name : files.retracted) all.push_back(facts_of_retracted(site, name));
  std::ranges::stable_sort(all, {}, [](const BulletinFacts& facts) { return facts.name.number; });
  return all;
}

std::string audience_text(const BulletinFacts& facts, const Settings& settings) {
  const std::string& group = facts.name.group;
  std::string text;
  if (settings.group_bulletins && !group.empty() && group != group_of_all) text = "group " + group;
  if (!facts.reading.bulletin) return text.empty() ? "everybody" : text;
  const BulletinTerms& terms = facts.reading.bulletin->terms;
  std::string users;
  for (const std::string& user : terms.users) users += (users.empty() ? "" : ",") + user;
  if (!terms.patterns.empty()) users += users.empty() ? "a pattern" : " or a pattern";
  if (!users.empty()) text += (text.empty() ? "users " : ", users ") + users;
  return text.empty() ? "everybody" : text;
}

Json::Object json_of(const BulletinFacts& facts) {
  Json::Array users;
  const BulletinTerms terms =
      facts.reading.bulletin ? facts.reading.bulletin->terms : BulletinTerms{};
  for (const std::string& user : terms.users) users.push_back({user});
  return {{"number", {facts.name.number}},
          {"file", {facts.file()}},
          {"state", {std::string{to_text(facts.state)}}},
          {"error", facts.why.empty() ? Json{} : Json{facts.why}},
          {"published", json_of_moment(facts.published)},
          {"octets", {facts.octets.size()}},
          {"group", facts.name.group.empty() ? Json{} : Json{facts.name.group}},
          {"users", {std::move(users)}},
          {"from", json_of_moment(terms.start)},
          {"until", json_of_moment(terms.end)},
          {"subject", {facts.subject}}};
}

}  // namespace pop
