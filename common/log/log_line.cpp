#include "log/log_line.h"

#include "base/text.h"

namespace pop {
namespace {

// Long enough for any path or address; a line beyond about 2 KiB is cut by many syslog daemons.
constexpr std::size_t longest_value = 512;
constexpr std::size_t longest_sentence = 1536;

// A quotation mark inside becomes \x22, so that the next one always ends the value.
std::string in_quotes(std::string_view clean) {
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
  return plain ? clean : in_quotes(clean);
}

// Of what escaped() leaves, RFC 8259 asks for a backslash in front of these two only.
std::string json_string(std::string_view clean) {
  std::string result{'"'};
  for (const char c : clean) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

void add_members(std::string& line, LogFields fields) {
  for (const LogField& field : fields) {
    const bool is_sentence = field.key == "text";
    line += "," + json_string(field.key) + ":" +
            json_string(escaped(field.value, is_sentence ? longest_sentence : longest_value));
  }
}

}  // namespace

std::string text_line(std::string_view name, LogFields fields) {
  std::string line{name};
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    line += shown(field.value);
  }
  return line;
}

std::string json_line(Severity severity, std::string_view name, LogFields first, LogFields second) {
  std::string line =
      "{\"event\":" + json_string(name) + ",\"severity\":" + json_string(name_of(severity));
  add_members(line, first);
  add_members(line, second);
  return line + "}";
}

std::string cut_sentence(std::string_view hostile) {
  return escaped(hostile, longest_sentence);
}

}  // namespace pop
