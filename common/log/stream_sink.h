#pragma once

#include "base/clock.h"
#include "log/log.h"

namespace pop {

/// Writes "2026-01-31T12:00:00.123Z [pid] severity: line" to a descriptor, or the line's object
/// with "time" and "pid" as its first members, one write(2) a line so that processes sharing it do
/// not mix theirs. For --foreground and tests. What cannot be written is lost: there is nobody left
/// to tell.
class StreamSink final : public LogSink {
 public:
  /// `descriptor` (usually 2) stays the caller's; `clock` must outlive the sink.
  StreamSink(int descriptor, const Clock& clock, LineFormat format = LineFormat::text);

  void write(Severity severity, std::string_view line) override;

 private:
  int descriptor_;
  const Clock& clock_;
  LineFormat format_;
};

}  // namespace pop
