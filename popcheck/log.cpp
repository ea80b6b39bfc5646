#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/disk.h"
#include "base/text.h"
#include "conf/expiry_policy.h"
#include "popcheck/log_head.h"
#include "popcheck/log_report.h"
#include "popcheck/log_source.h"
#include "popcheck/log_survey.h"
#include "popcheck/popcheck.h"
#include "tool/moment.h"
#include "tool/named_file.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr std::size_t usual_rows = 20;

std::int64_t seconds_now() {
  return std::chrono::system_clock::to_time_t(system_clock().wall());
}

/// One log that was named, opened.
struct OpenLog {
  std::string name;
  Fd file;
  std::int64_t changed = 0;  // when it was last written to; now for what is no file
};

/// "-" is the tool's standard input.
Result<OpenLog> open_log(const std::string& name, const Terminal& terminal) {
  Fd file{name == "-" ? ::fcntl(terminal.input(), F_DUPFD_CLOEXEC, 3)
                      : ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (!file.is_open()) return fail_errno(errno, "open " + escaped(name));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return fail_errno(errno, "look at " + escaped(name));
  if (S_ISDIR(status.st_mode)) return fail(Errc::usage, escaped(name) + " is a directory");
  const bool is_file = S_ISREG(status.st_mode);
  return OpenLog{name, std::move(file), is_file ? status.st_mtime : seconds_now()};
}

/// What --since and --until mean: seconds since 1970.
Result<std::int64_t> parse_moment(const std::string& text) {
  if (const Judged<std::chrono::seconds> age = parse_age(text)) return seconds_now() - age->count();
  LogHeads heads{0};
  // Midnight of the day, UTC as in all that is printed.
  const std::optional<LogLine> line = heads.read(text + "T00:00:00Z host popper: day");
  if (text.size() == 10 && line) return line->time;
  return fail(Errc::usage, shown_text(text, Layout::one_line) +
                               " is neither an age, as 7d, nor a day, as 2026-01-31");
}

/// Reads logs into a survey.
class LogCount {
 public:
  LogCount(std::int64_t since, std::int64_t until) : since_{since}, until_{until} {}

  [[nodiscard]] Result<void> add(const Fd& file, std::int64_t changed) {
    LogHeads heads{changed};
    ++sources_.files;
    const Result<LogReading> reading =
        read_log(file, [this, &heads](std::string_view lines) { count_lines(heads, lines); });
    if (!reading) return std::unexpected(reading.error());
    sources_.octets += reading->octets;
    sources_.too_long += reading->too_long;
    return {};
  }
  [[nodiscard]] const LogSurvey& survey() const { return survey_; }
  [[nodiscard]] const LogSources& sources() const { return sources_; }

 private:
  void count_lines(LogHeads& heads, std::string_view lines) {
    while (!lines.empty()) {
      const auto* const end = static_cast<const char*>(::memchr(lines.data(), '\n', lines.size()));
      const std::size_t size =
          end == nullptr ? lines.size() : static_cast<std::size_t>(end - lines.data());
      count_line(heads, lines.substr(0, size));
      lines.remove_prefix(std::min(size + 1, lines.size()));
    }
  }
  void count_line(LogHeads& heads, std::string_view text) {
    ++sources_.lines;
    const std::optional<LogLine> line = heads.read(text);
    if (!line) return;
    const std::optional<LogEvent> event = lines_.read(*line);
    if (!event) return;
    ++sources_.understood;
    if (line->time >= since_ && line->time < until_) survey_.add(line->time, *event);
  }

  std::int64_t since_, until_;
  LogLines lines_;
  LogSurvey survey_;
  LogSources sources_;
};

Result<void> count_journal(LogCount& count) {
  Result<WritingProgram> program = WritingProgram::start(
      {"journalctl", "--quiet", "--no-pager", "--output=json",
       "--output-fields=MESSAGE,SYSLOG_IDENTIFIER", "SYSLOG_IDENTIFIER=popper",
       "SYSLOG_IDENTIFIER=qpopper", "SYSLOG_IDENTIFIER=in.qpopper", "SYSLOG_IDENTIFIER=in.popper",
       "SYSLOG_IDENTIFIER=dovecot", "SYSLOG_IDENTIFIER=pop3d", "SYSLOG_IDENTIFIER=pop3d-ssl"});
  if (!program) return std::unexpected(program.error());
  if (Result<void> read = count.add(program->output(), seconds_now()); !read) return read;
  return program->finish();
}

/// Those that can be opened, from the oldest to the newest.
std::vector<OpenLog> open_logs(const std::vector<std::string>& names, Terminal& terminal,
                               ExitStatus& status) {
  std::vector<OpenLog> logs;
  for (const std::string& name : names) {
    Result<OpenLog> log = open_log(name, terminal);
    if (log) {
      logs.push_back(std::move(*log));
    } else {
      status = give_up(terminal, std::move(log).error().in("log"));
    }
  }
  std::ranges::stable_sort(logs, {}, &OpenLog::changed);
  return logs;
}

/// What can be read is counted, whatever is wrong with the rest; the status tells that.
ExitStatus count_files(const LogArguments& arguments, LogCount& count, Terminal& terminal) {
  ExitStatus status = ExitStatus::ok;
  for (const OpenLog& log : open_logs(arguments.files, terminal, status)) {
    Result<void> read = count.add(log.file, log.changed);
    if (!read) status = give_up(terminal, std::move(read).error().in("log: " + escaped(log.name)));
  }
  return status;
}

struct Span {
  std::int64_t since = INT64_MIN, until = INT64_MAX;
  std::size_t rows = usual_rows;
};

Result<Span> understood(const LogArguments& arguments) {
  Span span;
  for (const auto& [text, target] :
       {std::pair{&arguments.since, &span.since}, std::pair{&arguments.until, &span.until}}) {
    if (!*text) continue;
    const Result<std::int64_t> moment = parse_moment(**text);
    if (!moment) return std::unexpected(moment.error());
    *target = *moment;
  }
  if (arguments.rows) {
    const std::optional<std::uint64_t> rows = decimal(*arguments.rows);
    if (!rows) return fail(Errc::usage, "--rows takes a number");
    span.rows = *rows;
  }
  if (arguments.files.empty() != arguments.journal) {
    return fail(Errc::usage, "name files, - for standard input, or else --journal");
  }
  return span;
}

}  // namespace

void declare_log(Arguments& arguments, LogArguments& log) {
  arguments.flag("--journal", log.journal, "Read the journal of systemd");
  arguments.option("--html", log.html_file, "FILE", "Write a page with plots to this file");
  arguments.option("--since", log.since, "WHEN", "From a day on, as 2026-01-31, or an age, as 7d");
  arguments.option("--until", log.until, "WHEN", "Up to that day or age, without it");
  arguments.option("--rows", log.rows, "NUMBER", "Rows of a table; 0: all, 20 without it");
  arguments.operands("FILE", log.files, Arguments::Count::any,
                     "Logs, also compressed; - is standard input");
}

ExitStatus run_log(const LogArguments& arguments, const ToolRun& run) {
  const Result<Span> span = understood(arguments);
  if (!span) return give_up(run.terminal, Error{span.error()}.in("log"));
  LogCount count{span->since, span->until};
  ExitStatus status = ExitStatus::ok;
  if (arguments.journal) {
    Result<void> read = count_journal(count);
    if (!read) status = give_up(run.terminal, std::move(read).error().in("log"));
  } else {
    status = count_files(arguments, count, run.terminal);
  }
  if (status == ExitStatus::ok && count.sources().understood == 0) {
    run.terminal.complain("log: no line of a POP3 server that is known here");
    status = ExitStatus::found;
  }
  const Report report = report_of(count.survey(), count.sources(), span->rows);
  if (arguments.html_file && run.flags.mode != RunMode::dry_run) {
    Result<void> written = replace_named_file(system_disk(), *arguments.html_file,
                                              report_html(report), Readers::as_any_output);
    if (!written) return give_up(run.terminal, std::move(written).error().in("log"));
  }
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text(json_of(count.survey(), count.sources())));
  } else if (!arguments.html_file) {
    run.terminal.print(report_text(report));
  }
  return status;
}

}  // namespace pop
