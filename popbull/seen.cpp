#include "base/text.h"
#include "popbull/audience.h"
#include "popbull/popbull.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

std::string_view to_text(UserSeen::Place place) {
  switch (place) {
    case UserSeen::Place::database:
      return "database";
    case UserSeen::Place::popbull:
      return ".popbull";
    case UserSeen::Place::nowhere:
      break;
  }
  return "nowhere";
}

/// What a record says, as far as there is one.
struct Row {
  std::string user;
  Result<UserSeen> seen;
};

bool has_number(const Row& row) {
  return row.seen && row.seen->file.kind == SeenFile::Kind::number;
}

std::string line_of(const Row& row) {
  if (!has_number(row)) {
    const bool is_empty = row.seen->file.kind == SeenFile::Kind::all_seen;
    return row.user + ": " + (is_empty ? "all (an empty .popbull)" : "no record") + "\n";
  }
  const SeenRecord& record = row.seen->file.record;
  std::string text = row.user + ": " + std::to_string(record.highest);
  for (std::size_t i = 0; i < record.owed.size(); ++i) {
    text += (i == 0 ? " without " : ",") + std::to_string(record.owed[i]);
  }
  return text + " (" + std::string{to_text(row.seen->place)} + ")\n";
}

Json json_of(const Row& row) {
  Json::Array owed;
  if (row.seen) {
    for (const std::uint64_t number : row.seen->file.record.owed) owed.emplace_back().value = number;
  }
  return {Json::Object{{"user", {row.user}},
                       {"number", has_number(row) ? Json{row.seen->file.record.highest} : Json{}},
                       {"owed", {std::move(owed)}},
                       {"place", row.seen ? Json{std::string{to_text(row.seen->place)}} : Json{}},
                       {"error", row.seen ? Json{} : Json{row.seen.error().text}}}};
}

ExitStatus print(const std::vector<Row>& rows, const ToolRun& run) {
  ExitStatus status = ExitStatus::ok;
  Json::Array users;
  for (const Row& row : rows) {
    if (!row.seen) status = give_up(run.terminal, Error{row.seen.error()}.in("seen: " + row.user));
    if (run.flags.form == OutputForm::json) {
      users.push_back(json_of(row));
    } else if (row.seen) {
      run.terminal.print(line_of(row));
    }
  }
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text(Json{Json::Object{{"users", {std::move(users)}}}}));
  }
  return status;
}

}  // namespace

ExitStatus run_seen(const UsersArguments& arguments, const BulletinSite& site, const ToolRun& run) {
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) return give_up(run.terminal, Error{numbers.error()}.in("seen"));
  std::vector<Row> rows;
  ExitStatus status = ExitStatus::ok;
  if (arguments.users.empty()) {
    const Result<std::vector<BulletinUser>> users = bulletin_users(site.settings);
    if (!users) return give_up(run.terminal, Error{users.error()}.in("seen"));
    for (const BulletinUser& user : *users) rows.push_back({user.account.name, numbers->of(user)});
  }
  for (const std::string& name : arguments.users) {
    const Result<BulletinUser> user = find_bulletin_user(site.settings, name);
    if (user) {
      rows.push_back({name, numbers->of(*user)});
    } else {
      status = give_up_on_user(run.terminal, Error{user.error()}.in("seen: " + escaped(name)));
    }
  }
  const ExitStatus printed = print(rows, run);
  return status == ExitStatus::ok ? printed : status;
}

}  // namespace pop
