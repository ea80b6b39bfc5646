#include <algorithm>

#include "popbull/bulletin_facts.h"
#include "popbull/moment.h"
#include "popbull/popbull.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string line_of(const BulletinFacts& facts, const Settings& settings) {
  constexpr std::size_t number_width = 7, state_width = 10, moment_width = 21;
  const std::string last = facts.state == BulletinState::broken ? facts.why : facts.subject;
  return padded(std::to_string(facts.name.number), number_width) +
         padded(std::string{to_text(facts.state)}, state_width) +
         padded(facts.published ? moment_text(*facts.published) : "-", moment_width) +
         shown_text(audience_text(facts, settings) + ": " + last, Layout::one_line) + "\n";
}

}  // namespace

ExitStatus run_list(const NoArguments&, const BulletinSite& site, const ToolRun& run) {
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return give_up(run.terminal, Error{files.error()}.in("list"));
  const std::vector<BulletinFacts> all = all_facts(site, *files);
  if (run.flags.form == OutputForm::json) {
    Json::Array bulletins;
    for (const BulletinFacts& facts : all) bulletins.push_back({json_of(facts)});
    run.terminal.print(to_text({Json::Object{{"bulletins", {std::move(bulletins)}}}}));
    return ExitStatus::ok;
  }
  for (const BulletinFacts& facts : all) run.terminal.print(line_of(facts, site.settings));
  return ExitStatus::ok;
}

ExitStatus run_show(const NumberArguments& arguments, const BulletinSite& site,
                    const ToolRun& run) {
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return give_up(run.terminal, Error{files.error()}.in("show"));
  const Result<BulletinFacts> facts = find_facts(site, *files, arguments.number.front());
  if (!facts) return give_up(run.terminal, Error{facts.error()}.in("show"));
  if (run.flags.form == OutputForm::json) {
    Json::Object object = json_of(*facts);
    object.emplace_back("text", Json{facts->octets});
    run.terminal.print(to_text({std::move(object)}));
    return ExitStatus::ok;
  }
  if (facts->octets.empty() && !facts->why.empty()) {
    return give_up(run.terminal, {Errc::io, "show: " + facts->file() + ": " + facts->why});
  }
  run.terminal.print(run.terminal.out_is_terminal() ? shown_text(facts->octets, Layout::lines)
                                                    : facts->octets);
  return ExitStatus::ok;
}

}  // namespace pop
