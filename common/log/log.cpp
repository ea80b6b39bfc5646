#include "log/log.h"

#include <utility>

#include "log/log_line.h"

namespace pop {
namespace {

std::string tied(std::string_view text, LogFields ties) {
  return text_line(cut_sentence(text), ties);
}

}  // namespace

Log::Log(std::unique_ptr<LogSink> sink, Severity least, LineFormat format)
    : sink_{std::move(sink)}, least_{least}, format_{format} {}

void Log::event(Severity severity, std::string_view name, LogFields fields) {
  if (!wants(severity)) return;
  put(severity, text_line(name, fields), is_json() ? json_line(severity, name, fields) : "");
}

void Log::sentence(Severity severity, std::string_view text, LogFields ties, SentenceEnd end) {
  if (!wants(severity)) return;
  put(severity, end == SentenceEnd::open ? tied(text, ties) : cut_sentence(text),
      is_json() ? json_line(severity, "sentence", ties, {{"text", std::string{text}}}) : "");
}

void Log::failure(std::string_view doing, const Error& error, LogFields ties) {
  const Severity severity = consequence_of(error.code).severity;
  if (!wants(severity)) return;
  const std::string name{doing};
  put(severity, tied(name + ": " + error.text, ties),
      is_json() ? json_line(severity, "failure", ties, {{"doing", name}, {"why", error.text}})
                : "");
}

void Log::put(Severity severity, const std::string& text, const std::string& json) {
  if (severity >= least_) sink_->write(severity, is_json() ? json : text);
  if (trace_) trace_->write(severity, text);
}

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::debug:
      return "debug";
    case Severity::info:
      return "info";
    case Severity::notice:
      return "notice";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
    case Severity::critical:
      return "critical";
  }
  return "unknown";
}

std::string name_in_sentence(std::string_view hostile) {
  constexpr std::size_t longest_name = 128;
  std::string result;
  for (const char c : hostile.substr(0, longest_name)) {
    switch (c) {
      case ' ':
        result += "%20";
        break;
      case '"':
        result += "%22";
        break;
      case '(':
        result += "%28";
        break;
      case ')':
        result += "%29";
        break;
      default:
        result += c;
    }
  }
  if (hostile.size() > longest_name) result += "...";
  return result;
}

}  // namespace pop
