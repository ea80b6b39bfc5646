#include "popper/role_log.h"

#include <syslog.h>
#include <unistd.h>

#include <array>

#include "base/clock.h"
#include "log/stream_sink.h"
#include "log/syslog_sink.h"

namespace pop {
namespace {

// In the order of LogFacility.
constexpr std::array facilities{LOG_MAIL,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
                                LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
static_assert(static_cast<std::size_t>(LogFacility::local7) + 1 == facilities.size());

}  // namespace

Log open_log(LogTarget target, const Settings& settings) {
  const Severity least = settings.debug ? Severity::debug : Severity::info;
  if (target == LogTarget::standard_error) {
    return Log{std::make_unique<StreamSink>(STDERR_FILENO, system_clock()), least};
  }
  const int facility = facilities[static_cast<std::size_t>(settings.log_facility)];
  return Log{std::make_unique<SyslogSink>("popper", facility), least};
}

}  // namespace pop
