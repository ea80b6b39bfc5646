#include <grp.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "popbull/bulletin_facts.h"
#include "popbull/popbull.h"
#include "popbull/users_numbers.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

struct Finding {
  std::string file;  // empty: the directory
  BulletinDefect defect;
};
using Findings = std::vector<Finding>;

using Weight = BulletinDefect::Weight;

void add(Findings& findings, const std::string& file, std::string text,
         Weight weight = Weight::warns) {
  findings.push_back({file, {.line = 0, .text = std::move(text), .weight = weight}});
}

/// Users who may not read it do not get it.
void check_mode(const BulletinSite& site, const BulletinFacts& facts, Findings& findings) {
  const FilePlace place = site.directory.place(facts.file());
  const Result<FileStatus> status = site.disk.status(place.directory(), place.name);
  if (!status || !status->is_regular()) return;  // told by its content
  if ((status->mode & S_IROTH) == 0) {
    add(findings, facts.file(), "not everybody may read it: chmod a+r", Weight::breaks);
  }
}

void check_group(const BulletinSite& site, const BulletinFacts& facts, Findings& findings) {
  if (!site.settings.group_bulletins) return;
  const std::string& group = facts.name.group;
  if (group.empty()) {
    add(findings, facts.file(), "its name has no group, so it goes to everybody: write ALL");
  } else if (group != group_of_all && ::getgrnam(group.c_str()) == nullptr) {
    add(findings, facts.file(), "there is no group \"" + group + "\": nobody gets it",
        Weight::breaks);
  }
}

void check_file(const BulletinSite& site, const BulletinFacts& facts, Findings& findings) {
  if (facts.octets.empty() && facts.reading.defects.empty()) {
    add(findings, facts.file(), facts.why, Weight::breaks);
  }
  for (const BulletinDefect& defect : facts.reading.defects) {
    findings.push_back({facts.file(), defect});
  }
  check_mode(site, facts, findings);
  check_group(site, facts, findings);
}

void check_numbers(const BulletinFiles& files, Findings& findings) {
  std::map<std::uint64_t, const BulletinName*> known;
  for (const auto* names : {&files.bulletins, &files.retracted}) {
    for (const BulletinName& name : *names) {
      const auto [other, is_new] = known.emplace(name.number, &name);
      if (is_new) continue;
      add(findings, name.file,
          "has the number of " + other->second->file +
              ": whoever has had that one does not get it; give it a new number",
          Weight::breaks);
    }
  }
}

Result<Findings> check(const BulletinSite& site) {
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return std::unexpected(files.error());
  Findings findings;
  for (const BulletinName& name : files->bulletins) {
    check_file(site, facts_of(site, name), findings);
  }
  check_numbers(*files, findings);
  for (const std::string& other : files->others) {
    add(findings, other, "is no bulletin: its name does not begin with a number from 1 on");
  }
  if (const auto used = site.directory.highest_used(*files); !used) {
    add(findings, {}, used.error().text, Weight::breaks);
  }
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) {
    add(findings, {}, numbers.error().text, Weight::breaks);
    return findings;
  }
  for (const std::string& user : numbers->damaged()) {
    add(findings, {},
        "the record of " + user + " in " + seen_database_file(site.settings).native() +
            " is no number: he gets no bulletins until popbull reset writes a new one",
        Weight::breaks);
  }
  return findings;
}

Json json_of(const Finding& finding) {
  const BulletinDefect& defect = finding.defect;
  return {Json::Object{{"file", finding.file.empty() ? Json{} : Json{finding.file}},
                       {"line", defect.line == 0 ? Json{} : Json{defect.line}},
                       {"breaks", {defect.weight == Weight::breaks}},
                       {"text", {defect.text}}}};
}

std::string line_of(const Finding& finding, const BulletinSite& site) {
  const BulletinDefect& defect = finding.defect;
  std::string place = finding.file.empty() ? site.directory.path().native() : finding.file;
  if (defect.line > 0) place += ":" + std::to_string(defect.line);
  const std::string_view weight = defect.weight == Weight::breaks ? ": error: " : ": warning: ";
  return shown_text(place + std::string{weight} + defect.text, Layout::one_line) + "\n";
}

}  // namespace

ExitStatus run_check(const NoArguments&, const BulletinSite& site, const ToolRun& run) {
  const Result<Findings> findings = check(site);
  if (!findings) return give_up(run.terminal, Error{findings.error()}.in("check"));
  if (run.flags.form == OutputForm::json) {
    Json::Array defects;
    for (const Finding& finding : *findings) defects.push_back(json_of(finding));
    run.terminal.print(to_text({Json::Object{{"defects", {std::move(defects)}}}}));
  } else {
    for (const Finding& finding : *findings) run.terminal.print(line_of(finding, site));
  }
  return findings->empty() ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
