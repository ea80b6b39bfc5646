#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// One "key=value" of an event. Values come from anywhere: the log escapes them.
struct LogField {
  std::string_view key;
  std::string value;
};

/// Where finished lines go. write() must not throw and may block on the device.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(Severity severity, std::string_view line) = 0;
};

/// A log line is one event: "name key=value ...". Passed by reference to whoever logs; `main`
/// builds it. An Error is logged once, by the outermost layer that handles it.
class Log {
 public:
  Log(std::unique_ptr<LogSink> sink, Severity least);

  /// `name` is a fixed word of ours ("login", "session-end"); values are escaped, cut, and quoted
  /// where they hold a blank, a quotation mark or "=", or are empty.
  void event(Severity severity, std::string_view name, std::initializer_list<LogField> fields);
  /// A finished sentence in a shape that log analysers rely on ("Stats: ..."). `text` may hold
  /// hostile bytes: they are escaped and cut, blanks stay.
  void sentence(Severity severity, std::string_view text);
  /// "<doing>: <text of the error>", with the severity that consequences say.
  void failure(std::string_view doing, const Error& error);

  [[nodiscard]] bool wants(Severity severity) const { return severity >= least_; }

 private:
  std::unique_ptr<LogSink> sink_;
  Severity least_;
};

}  // namespace pop
