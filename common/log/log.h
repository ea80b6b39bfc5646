#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace pop {

/// One "key=value" of an event. Values come from anywhere: the log escapes them.
struct LogField {
  std::string_view key;
  std::string value;
};
using LogFields = std::initializer_list<LogField>;

/// Where finished lines go. write() must not throw and may block on the device.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(Severity severity, std::string_view line) = 0;
};

/// text: "name key=value ...". json: one object a line, {"event":"name","severity":"info",...},
/// whose values are strings that read as in text; a sentence is
/// {"event":"sentence",...,"text":"..."}, a failure
/// {"event":"failure",...,"doing":"...","why":"..."}.
enum class LineFormat : std::uint8_t { text, json };

/// Whether a sentence's shape lets fields follow it in the text format.
enum class SentenceEnd : std::uint8_t { fixed, open };

/// A log line is one event. Passed by reference to whoever logs; `main` builds it. An Error is
/// logged once, by the outermost layer that handles it.
class Log {
 public:
  Log(std::unique_ptr<LogSink> sink, Severity least, LineFormat format = LineFormat::text);

  /// `name` is a fixed word of ours ("login", "session-end"); values are escaped, cut, and quoted
  /// where they hold a blank, a quotation mark or "=", or are empty.
  void event(Severity severity, std::string_view name, LogFields fields);
  /// A finished sentence in a shape that log analysers rely on ("Stats: ..."). `text` may hold
  /// hostile bytes: they are escaped and cut, blanks stay, so names go through name_in_sentence().
  /// `ties`, such as the connection's id, follow as "key=value" where the end is open; in JSON they
  /// are told in any case.
  void sentence(Severity severity, std::string_view text, LogFields ties = {},
                SentenceEnd end = SentenceEnd::fixed);
  /// "<doing>: <text of the error>" and the ties, with the severity that consequences say.
  void failure(std::string_view doing, const Error& error, LogFields ties = {});

  [[nodiscard]] bool wants(Severity severity) const { return trace_ || severity >= least_; }

  void set_least(Severity least) { least_ = least; }
  /// Everything goes here, too, as text and however quiet; nullptr ends it.
  void set_trace(std::unique_ptr<LogSink> trace) { trace_ = std::move(trace); }

 private:
  [[nodiscard]] bool is_json() const { return format_ == LineFormat::json; }
  void put(Severity severity, const std::string& text, const std::string& json);

  std::unique_ptr<LogSink> sink_, trace_;
  Severity least_;
  LineFormat format_;
};

/// "debug" to "critical".
[[nodiscard]] std::string_view name_of(Severity severity);

/// A name from outside made fit for a sentence: cut, and blanks, quotation marks and parentheses
/// become %20, %22, %28 and %29, so that it stays one word and cannot continue the sentence. The
/// log does the rest.
[[nodiscard]] std::string name_in_sentence(std::string_view hostile);

}  // namespace pop
