#include <map>
#include <utility>

#include "popbull/audience.h"
#include "popbull/popbull.h"

namespace pop {
namespace {

struct Totals {
  std::uint64_t users = 0, up_to_date = 0, behind = 0, never = 0, unknown = 0;
  std::uint64_t in_database = 0, in_files = 0;
};

Totals totals_of(const std::vector<Member>& members, std::uint64_t highest) {
  Totals totals;
  for (const Member& member : members) {
    ++totals.users;
    if (!member.seen) {
      ++totals.unknown;
      continue;
    }
    if (member.seen->place == UserSeen::Place::database) ++totals.in_database;
    if (member.seen->place == UserSeen::Place::popbull) ++totals.in_files;
    const SeenFile& file = member.seen->file;
    if (file.kind != SeenFile::Kind::number) {
      ++totals.never;
    } else if (file.record.highest >= highest && file.record.owed.empty()) {
      ++totals.up_to_date;
    } else {
      ++totals.behind;
    }
  }
  return totals;
}

}  // namespace

ExitStatus run_stats(const NoArguments&, const BulletinSite& site, const ToolRun& run) {
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return give_up(run.terminal, Error{files.error()}.in("stats"));
  const Result<std::uint64_t> used = site.directory.highest_used(*files);
  if (!used) return give_up(run.terminal, Error{used.error()}.in("stats"));
  const Result<std::vector<Member>> members = all_members(site);
  if (!members) return give_up(run.terminal, Error{members.error()}.in("stats"));
  std::map<BulletinState, std::uint64_t> states;
  std::uint64_t octets = 0;
  for (const BulletinFacts& facts : all_facts(site, *files)) {
    ++states[facts.state];
    octets += facts.octets.size();
  }
  const Totals totals = totals_of(*members, files->highest());
  const std::vector<std::pair<std::string, std::uint64_t>> figures{
      {"current", states[BulletinState::current]},
      {"not_yet", states[BulletinState::not_yet]},
      {"over", states[BulletinState::over]},
      {"broken", states[BulletinState::broken]},
      {"retracted", states[BulletinState::retracted]},
      {"octets", octets},
      {"highest_used", *used},
      {"users", totals.users},
      {"up_to_date", totals.up_to_date},
      {"behind", totals.behind},
      {"without_record", totals.never},
      {"unknown", totals.unknown},
      {"in_database", totals.in_database},
      {"in_files", totals.in_files}};
  Json::Object object;
  std::string text;
  for (const auto& [name, figure] : figures) {
    object.emplace_back(name, Json{figure});
    text += name + std::string(16 - name.size(), ' ') + std::to_string(figure) + "\n";
  }
  run.terminal.print(run.flags.form == OutputForm::json ? to_text({std::move(object)}) : text);
  return ExitStatus::ok;
}

}  // namespace pop
