#include "log/syslog_sink.h"

#include <syslog.h>

#include <utility>

namespace pop {

SyslogSink::SyslogSink(std::string ident, int facility) : ident_{std::move(ident)} {
  ::openlog(ident_.c_str(), LOG_PID | LOG_NDELAY, facility);
}

SyslogSink::~SyslogSink() {
  ::closelog();
}

void SyslogSink::write(Severity severity, std::string_view line) {
  ::syslog(syslog_priority(severity), "%.*s", static_cast<int>(line.size()), line.data());
}

int syslog_priority(Severity severity) {
  switch (severity) {
    case Severity::debug:
      return LOG_DEBUG;
    case Severity::info:
      return LOG_INFO;
    case Severity::notice:
      return LOG_NOTICE;
    case Severity::warning:
      return LOG_WARNING;
    case Severity::error:
      return LOG_ERR;
    case Severity::critical:
      return LOG_CRIT;
  }
  return LOG_CRIT;
}

}  // namespace pop
