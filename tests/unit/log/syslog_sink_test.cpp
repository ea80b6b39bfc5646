#include "log/syslog_sink.h"

#include <syslog.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>

#include "support/catch.h"

// syslog(3) as the sink sees it: these come before the C library's.
namespace {

struct Syslog {
  const char* ident = nullptr;
  int options = 0, facility = 0, opened = 0, closed = 0, priority = -1;
  std::string format, line;
};
Syslog seen;

void record(int priority, const char* format, va_list arguments) {
  char buffer[4096];
  // NOLINTNEXTLINE: the format is the sink's own, which is what the test is about
  const int size = std::vsnprintf(buffer, sizeof buffer, std::string{format}.c_str(), arguments);
  seen.priority = priority;
  seen.format = format;
  seen.line.assign(buffer, static_cast<std::size_t>(size));
}

}  // namespace

extern "C" {
void openlog(const char* ident, int options, int facility) {
  seen.ident = ident;
  seen.options = options;
  seen.facility = facility;
  ++seen.opened;
}
void closelog() {
  ++seen.closed;
}
__attribute__((format(printf, 2, 3))) void syslog(int priority, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  record(priority, format, arguments);
  va_end(arguments);
}
// What the fortified header calls instead.
__attribute__((format(printf, 3, 4))) void __syslog_chk(int priority, int, const char* format,
                                                        ...) {
  va_list arguments;
  va_start(arguments, format);
  record(priority, format, arguments);
  va_end(arguments);
}
}

using namespace pop;

TEST_CASE("SyslogSink opens the log under its ident and closes it", "[log][syslog]") {
  seen = {};
  {
    std::string ident = "popper";
    SyslogSink sink{ident, LOG_LOCAL3};
    ident = "gone..";
    CHECK(seen.opened == 1);
    CHECK(std::string{seen.ident} == "popper");
    CHECK((seen.options & LOG_PID) != 0);
    CHECK((seen.options & LOG_NDELAY) != 0);
    CHECK(seen.facility == LOG_LOCAL3);
    CHECK(seen.closed == 0);
  }
  CHECK(seen.closed == 1);
}

TEST_CASE("CVE-2000-0442: SyslogSink never takes a line for a format", "[log][syslog]") {
  SyslogSink sink{"popper", LOG_MAIL};
  for (const char* line : {"login user=jo", "%n%s%p%99999d", "100%", ""}) {
    sink.write(Severity::notice, line);
    CHECK(seen.line == line);
    CHECK(seen.format == "%.*s");
  }
  sink.write(Severity::notice, std::string_view{"cut here"}.substr(0, 3));
  CHECK(seen.line == "cut");
}

TEST_CASE("SyslogSink maps every severity to its syslog level", "[log][syslog]") {
  struct Row {
    Severity severity;
    int priority;
  };
  SyslogSink sink{"popper", LOG_MAIL};
  for (const Row row : {Row{Severity::debug, LOG_DEBUG}, Row{Severity::info, LOG_INFO},
                        Row{Severity::notice, LOG_NOTICE}, Row{Severity::warning, LOG_WARNING},
                        Row{Severity::error, LOG_ERR}, Row{Severity::critical, LOG_CRIT}}) {
    sink.write(row.severity, "x");
    CHECK(seen.priority == row.priority);
  }
}
