#include <algorithm>
#include <array>
#include <filesystem>

#include "base/text.h"
#include "popcheck/convert/conversion.h"
#include "popcheck/popcheck.h"
#include "tool/json.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

struct Source {
  std::string_view name;
  void (*convert)(ForeignConfiguration&, const ForeignText&);
};
constexpr std::array sources{
    Source{"qpopper", convert_qpopper}, Source{"popserv", convert_popserv},
    Source{"inetd", convert_inetd},     Source{"xinetd", convert_xinetd},
    Source{"dovecot", convert_dovecot}, Source{"courier", convert_courier},
};

const Source* find_source(std::string_view name) {
  const auto found = std::ranges::find(sources, name, &Source::name);
  return found == sources.end() ? nullptr : &*found;
}

/// What the first line that says something looks like, and the name.
std::string_view guess(const ForeignText& file) {
  const std::string name = std::filesystem::path{file.name}.filename().native();
  if (name == "popserv.conf") return "popserv";
  if (name.starts_with("pop3d")) return "courier";
  for (const ForeignLine& line : lines_of(file.text)) {
    if (line.text.empty() || line.text.starts_with('#')) continue;
    const std::vector<std::string> words = words_of(line.text);
    if (words[0] == "set" || words[0] == "reset") return "qpopper";
    if (words.size() == 2 && words[0] == "service" && !line.text.ends_with('{')) return "xinetd";
    if (words.size() >= 6 && (words[1] == "stream" || words[1] == "dgram")) return "inetd";
    const std::size_t equals = line.text.find('=');
    const std::string_view key = std::string_view{line.text}.substr(0, equals);
    const bool is_shell = equals != std::string::npos && key.find_first_of(" \t") == key.npos &&
                          std::ranges::none_of(key, [](char c) { return c >= 'a' && c <= 'z'; });
    if (is_shell) return "courier";
    if (equals != std::string::npos || line.text.ends_with('{')) return "dovecot";
    return "";
  }
  return "";
}

Result<std::string> text_of(const std::string& file, Terminal& terminal) {
  return file == "-" ? terminal.read_input() : start_up_file_reader()(file);
}

Result<void> convert_file(ForeignConfiguration& conversion, const std::string& file,
                          const std::optional<std::string>& from, Terminal& terminal) {
  const Result<std::string> text = text_of(file, terminal);
  if (!text) return std::unexpected(text.error());
  const ForeignText foreign{*text, file == "-" ? "standard input" : file};
  const std::string name = from ? *from : std::string{guess(foreign)};
  const Source* const source = find_source(name);
  if (!source) {
    return fail(Errc::usage, escaped(file, 200) +
                                 ": tell with --from what it is: qpopper, popserv, inetd, xinetd, "
                                 "dovecot or courier");
  }
  const std::size_t notes = conversion.notes().size();
  const std::string before = conversion.to_toml();
  source->convert(conversion, foreign);
  if (conversion.notes().size() == notes && conversion.to_toml() == before) {
    conversion.note({foreign.name}, "nothing in it is about POP3");
  }
  return {};
}

void print(const ForeignConfiguration& conversion, const ToolRun& run) {
  if (run.flags.form == OutputForm::json) {
    Json::Array notes;
    for (const Complaint& one : conversion.notes()) {
      notes.push_back({Json::Object{{"file", Json{one.place.source}},
                                    {"line", Json{std::uint64_t{one.place.line}}},
                                    {"column", Json{std::uint64_t{one.place.column}}},
                                    {"message", Json{one.what}}}});
    }
    return run.terminal.print(to_text(
        {Json::Object{{"toml", Json{conversion.to_toml()}}, {"notes", Json{std::move(notes)}}}}));
  }
  run.terminal.print(conversion.to_toml());
  if (run.flags.verbosity == Verbosity::quiet) return;
  for (const Complaint& one : conversion.notes()) {
    run.terminal.complain(shown_text("convert: " + to_string(one), Layout::one_line));
  }
}

}  // namespace

void declare_convert(Arguments& arguments, ConvertArguments& convert) {
  arguments.option("--from", convert.from, "SERVER",
                   "What the files are: qpopper, popserv, inetd, xinetd, dovecot or courier");
  arguments.option("--flags", convert.flags, "WORDS",
                   "Convert these words of Qpopper's command line, too; they come last");
  arguments.operands("FILE", convert.files, Arguments::Count::any,
                     "Files to convert, which together say one thing; -: standard input");
}

ExitStatus run_convert(const ConvertArguments& arguments, const ToolRun& run) {
  if (arguments.files.empty() && !arguments.flags) {
    return give_up(run.terminal, {Errc::usage, "convert: name a FILE, or --flags"});
  }
  if (arguments.from && !find_source(*arguments.from)) {
    return give_up(run.terminal, {Errc::usage,
                                  "--from wants qpopper, popserv, inetd, xinetd, "
                                  "dovecot or courier"});
  }
  ForeignConfiguration conversion;
  for (const std::string& file : arguments.files) {
    const Result<void> done = convert_file(conversion, file, arguments.from, run.terminal);
    if (!done) return give_up(run.terminal, done.error());
  }
  if (arguments.flags) convert_flags(conversion, words_of(*arguments.flags), Place{"--flags"});
  print(conversion, run);
  return conversion.notes().empty() ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
