#include <algorithm>
#include <map>

#include "popbull/audience.h"
#include "popbull/popbull.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

using Counts = std::map<Standing, std::uint64_t>;

/// Everybody's standing to one bulletin.
struct Status {
  struct Row {
    std::string user;
    Standing standing;
    std::string error;  // of Standing::unknown
  };
  std::vector<Row> rows;
  Counts counts;
  std::map<std::string, Counts> by_group;
};

Status status_of(const BulletinSite& site, const BulletinFiles& files, const BulletinFacts& facts,
                 const std::vector<Member>& members) {
  Status status;
  for (const Member& member : members) {
    const Standing standing = standing_of(site, files, facts, member);
    status.rows.push_back({member.user.account.name, standing,
                           member.seen ? std::string{} : member.seen.error().text});
    ++status.counts[standing];
    for (const std::string& group : member.groups) ++status.by_group[group][standing];
  }
  return status;
}

Json::Object json_of(const Counts& counts) {
  Json::Object object;
  for (const Standing standing : standings) {
    const auto found = counts.find(standing);
    object.emplace_back(to_text(standing), Json{found == counts.end() ? 0 : found->second});
  }
  return object;
}

Json json_of(const BulletinFacts& facts, const Status& status) {
  Json::Array groups;
  for (const auto& [group, counts] : status.by_group) {
    Json::Object object{{"group", {group}}};
    for (auto& member : json_of(counts)) object.push_back(std::move(member));
    groups.push_back({std::move(object)});
  }
  Json::Array users;
  for (const Status::Row& row : status.rows) {
    users.push_back({Json::Object{{"user", {row.user}},
                                  {"standing", {std::string{to_text(row.standing)}}},
                                  {"error", row.error.empty() ? Json{} : Json{row.error}}}});
  }
  Json::Object object = pop::json_of(facts);
  object.emplace_back("counts", Json{json_of(status.counts)});
  object.emplace_back("groups", Json{std::move(groups)});
  object.emplace_back("standings", Json{std::move(users)});
  return {std::move(object)};
}

std::string line_of(const std::string& label, const Counts& counts) {
  std::string text;
  for (const Standing standing : standings) {
    const auto found = counts.find(standing);
    if (found == counts.end()) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(found->second) + " " +
            std::string{to_text(standing)};
  }
  return shown_text(label + ": " + (text.empty() ? "nobody" : text), Layout::one_line) + "\n";
}

void print(const BulletinFacts& facts, const Status& status, const ToolRun& run) {
  run.terminal.print(shown_text(facts.file() + ": " + facts.subject, Layout::one_line) + "\n" +
                     line_of("all", status.counts));
  for (const auto& [group, counts] : status.by_group) {
    run.terminal.print(line_of("group " + group, counts));
  }
  if (run.flags.verbosity != Verbosity::verbose) return;
  for (const Status::Row& row : status.rows) {
    run.terminal.print(
        shown_text(row.user + ": " + std::string{to_text(row.standing)}, Layout::one_line) + "\n");
  }
}

/// Who could not be looked at is told, whatever else is printed.
void complain_of_unknown(const Status& status, Terminal& terminal) {
  for (const Status::Row& row : status.rows) {
    if (row.standing != Standing::unknown) continue;
    terminal.complain(shown_text("status: " + row.user + ": " + row.error, Layout::one_line));
  }
}

}  // namespace

ExitStatus run_status(const NumberArguments& arguments, const BulletinSite& site,
                      const ToolRun& run) {
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return give_up(run.terminal, Error{files.error()}.in("status"));
  const Result<BulletinFacts> facts = find_facts(site, *files, arguments.number.front());
  if (!facts) return give_up(run.terminal, Error{facts.error()}.in("status"));
  const Result<std::vector<Member>> members = all_members(site);
  if (!members) return give_up(run.terminal, Error{members.error()}.in("status"));
  const Status status = status_of(site, *files, *facts, *members);
  complain_of_unknown(status, run.terminal);
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text(json_of(*facts, status)));
  } else {
    print(*facts, status, run);
  }
  return status.counts.contains(Standing::unknown) ? ExitStatus::found : ExitStatus::ok;
}

}  // namespace pop
