#pragma once

#include <string>

#include "log/log.h"

namespace pop {

/// Sends lines to syslog(3) with the process id. The connection is opened at once, so that it
/// outlives a change of root. syslog(3) has one state a process: only one may exist at a time.
class SyslogSink final : public LogSink {
 public:
  /// `ident` is the name log analysers look for ("popper"); `facility` as LOG_MAIL.
  SyslogSink(std::string ident, int facility);
  ~SyslogSink() override;
  SyslogSink(const SyslogSink&) = delete;
  SyslogSink& operator=(const SyslogSink&) = delete;

  void write(Severity severity, std::string_view line) override;

 private:
  std::string ident_;  // openlog(3) keeps the pointer
};

/// LOG_DEBUG to LOG_CRIT.
[[nodiscard]] int syslog_priority(Severity severity);

}  // namespace pop
