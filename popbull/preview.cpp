#include "daemon/host_name.h"
#include "popbull/audience.h"
#include "popbull/popbull.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

std::string reason_of(Standing standing, const BulletinFacts& facts, const Member& member) {
  switch (standing) {
    case Standing::had:
      return "has had it";
    case Standing::not_yet:
      return "gets it later: it has not begun";
    case Standing::broken:
      return "gets it when it is mended: " + facts.why;
    case Standing::missed:
      if (facts.state == BulletinState::retracted) return "does not get it: it was retracted";
      if (facts.state == BulletinState::over) return "does not get it: it is over";
      return "does not get it: a new user gets the newest ones only, as max-bulletins says";
    case Standing::excluded:
      return "does not get it: it is for others";
    case Standing::unknown:
      return "may get it: " + member.seen.error().text;
    case Standing::waiting:
      break;
  }
  return "gets it at the next login";
}

Result<BulletinUser> named_user(const PreviewArguments& arguments, const BulletinSite& site) {
  if (!arguments.user) return fail(Errc::usage, "--user is missing");
  Result<BulletinUser> user = find_bulletin_user(site.settings, *arguments.user);
  if (user) return user;
  return std::unexpected(std::move(user).error().in(*arguments.user));
}

}  // namespace

ExitStatus run_preview(const PreviewArguments& arguments, const BulletinSite& site,
                       const ToolRun& run) {
  Result<BulletinUser> user = named_user(arguments, site);
  if (!user) return give_up_on_user(run.terminal, std::move(user).error().in("preview"));
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return give_up(run.terminal, Error{files.error()}.in("preview"));
  const Result<BulletinFacts> facts = find_facts(site, *files, arguments.number.front());
  if (!facts) return give_up(run.terminal, Error{facts.error()}.in("preview"));
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) return give_up(run.terminal, Error{numbers.error()}.in("preview"));
  const Member member = member_of(*numbers, std::move(*user));
  const std::string& name = member.user.account.name;
  const Standing standing = standing_of(site, *files, *facts, member);
  const bool comes = standing == Standing::waiting;
  const std::string message =
      comes ? message_for(*facts->reading.bulletin, facts->name, name, host_name(site.settings))
            : std::string{};
  const std::string reason = reason_of(standing, *facts, member);
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text({Json::Object{{"number", {facts->name.number}},
                                             {"user", {name}},
                                             {"standing", {std::string{to_text(standing)}}},
                                             {"reason", {reason}},
                                             {"message", comes ? Json{message} : Json{}}}}));
  } else if (comes) {
    run.terminal.print(run.terminal.out_is_terminal() ? shown_text(message, Layout::lines)
                                                      : message);
  } else {
    run.terminal.complain(shown_text("preview: " + name + " " + reason, Layout::one_line));
  }
  return comes ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
