#pragma once

#include <sys/types.h>

#include <filesystem>

#include "base/clock.h"
#include "base/fd.h"
#include "log/log.h"

namespace pop {

/// Writes "Mon dd hh:mm:ss.mmm yyyy [pid] line", local time, to the end of a file, one write(2) a
/// line. What cannot be written is lost. Time zones are read from files: call tzset(3) before this
/// process may open none.
class TraceSink final : public LogSink {
 public:
  /// `clock` must outlive the sink.
  TraceSink(Fd file, const Clock& clock);

  void write(Severity severity, std::string_view line) override;

 private:
  Fd file_;
  const Clock& clock_;
};

/// Opens a trace file for appending, and makes it with mode 0600 when it is missing. Follows no
/// link and waits for no pipe. Errc::denied unless it is a regular file with one link that belongs
/// to `owner`.
[[nodiscard]] Result<Fd> open_trace_file(const std::filesystem::path& path, uid_t owner);

}  // namespace pop
