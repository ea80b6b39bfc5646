#include "daemon/program_log.h"

#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <array>

#include "base/clock.h"
#include "log/stream_sink.h"
#include "log/syslog_sink.h"
#include "log/trace_sink.h"

namespace pop {
namespace {

// In the order of LogFacility.
constexpr std::array facilities{LOG_MAIL,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
                                LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
static_assert(static_cast<std::size_t>(LogFacility::local7) + 1 == facilities.size());

Severity least_for(const Settings& settings) {
  return settings.debug ? Severity::debug : Severity::info;
}

void open_trace(Log& log, const Settings& settings) {
  if (settings.tracefile.empty()) return log.set_trace(nullptr);
  ::tzset();  // a gate can read no time zone later
  Result<Fd> file = open_trace_file(settings.tracefile, ::geteuid());
  if (!file) {
    log.set_trace(nullptr);
    return log.failure("trace", file.error());
  }
  log.set_trace(std::make_unique<TraceSink>(std::move(*file), system_clock()));
}

Log without_trace(const char* program, LogTarget target, const Settings& settings) {
  const Severity least = least_for(settings);
  const LineFormat format =
      settings.log_format == LogFormat::json ? LineFormat::json : LineFormat::text;
  if (target == LogTarget::standard_error) {
    return Log{std::make_unique<StreamSink>(STDERR_FILENO, system_clock(), format), least, format};
  }
  const int facility = facilities[static_cast<std::size_t>(settings.log_facility)];
  return Log{std::make_unique<SyslogSink>(program, facility), least, format};
}

}  // namespace

Log open_program_log(const char* program, LogTarget target, const Settings& settings) {
  Log log = without_trace(program, target, settings);
  open_trace(log, settings);
  return log;
}

void follow_user_settings(Log& log, const Settings& before, const Settings& now) {
  log.set_least(least_for(now));
  if (now.tracefile != before.tracefile) open_trace(log, now);
}

}  // namespace pop
