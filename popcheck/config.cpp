#include "conf/command_line.h"
#include "popcheck/popcheck.h"
#include "tool/json.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

std::vector<std::string> files_of(const ConfigArguments& arguments, const ToolFlags& flags) {
  if (!arguments.files.empty()) return arguments.files;
  return {flags.config_file.value_or(std::string{default_config_file})};
}

Complaints complaints_about(const std::string& file) {
  Configuration configuration;
  Checked<void> applied = apply_file(configuration, {.path = file, .named_at = {"command line"}},
                                     FileScope::start_up, start_up_file_reader());
  return applied ? Complaints{} : std::move(applied).error();
}

Json json_of(const Complaint& complaint) {
  return {Json::Object{{"file", Json{complaint.place.source}},
                       {"line", Json{std::uint64_t{complaint.place.line}}},
                       {"column", Json{std::uint64_t{complaint.place.column}}},
                       {"severity", Json{std::string{"error"}}},
                       {"message", Json{complaint.what}}}};
}

void print(const Complaints& complaints, const ToolRun& run) {
  if (run.flags.form == OutputForm::json) {
    Json::Array findings;
    for (const Complaint& complaint : complaints) findings.push_back(json_of(complaint));
    return run.terminal.print(to_text(Json{Json::Object{{"findings", Json{std::move(findings)}}}}));
  }
  for (const Complaint& complaint : complaints) {
    run.terminal.print(
        shown_text(to_string(complaint.place) + ": error: " + complaint.what, Layout::one_line) +
        "\n");
  }
}

}  // namespace

void declare_config(Arguments& arguments, ConfigArguments& config) {
  arguments.operands("FILE", config.files, Arguments::Count::any,
                     "Configuration files; none: the one that the programs read");
}

ExitStatus run_config(const ConfigArguments& arguments, const ToolRun& run) {
  Complaints found;
  for (const std::string& file : files_of(arguments, run.flags)) {
    for (Complaint& complaint : complaints_about(file)) found.push_back(std::move(complaint));
  }
  print(found, run);
  return found.empty() ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
