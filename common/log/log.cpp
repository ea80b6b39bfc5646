#include "log/log.h"

#include <utility>

#include "base/text.h"

namespace pop {

namespace {

// Long enough for any path or address; a line beyond about 2 KiB is cut by many syslog daemons.
constexpr std::size_t longest_value = 512;
constexpr std::size_t longest_sentence = 1536;

// A quotation mark inside becomes \x22, so that the next one always ends the value.
std::string quoted(std::string_view clean) {
  std::string result{'"'};
  for (const char c : clean) {
    if (c == '"') {
      result += "\\x22";
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string shown(std::string_view value) {
  std::string clean = escaped(value, longest_value);
  const bool plain = !clean.empty() && clean.find_first_of(" \"=") == std::string::npos;
  return plain ? clean : quoted(clean);
}

}  // namespace

Log::Log(std::unique_ptr<LogSink> sink, Severity least) : sink_{std::move(sink)}, least_{least} {}

void Log::event(Severity severity, std::string_view name, std::initializer_list<LogField> fields) {
  if (!wants(severity)) return;
  std::string line{name};
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    line += shown(field.value);
  }
  sink_->write(severity, line);
}

void Log::sentence(Severity severity, std::string_view text) {
  if (wants(severity)) sink_->write(severity, escaped(text, longest_sentence));
}

void Log::failure(std::string_view doing, const Error& error) {
  sentence(consequence_of(error.code).severity, std::string{doing} + ": " + error.text);
}

}  // namespace pop
