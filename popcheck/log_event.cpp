#include "popcheck/log_event.h"

#include <array>

#include "popcheck/flat_json.h"

namespace pop {
namespace {

constexpr std::array<std::string_view, protections> protection_names{
    "none", "TLS", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

/// A JSON line of popper as the text that would tell the same; a sentence is its text.
std::string text_of(std::string_view json) {
  FlatJson object{json};
  std::string name, fields;
  while (const std::optional<FlatJson::Member> member = object.next()) {
    if (member->key == "event") {
      name = member->text();
    } else if (member->key == "text") {
      return member->text();
    } else if (member->key != "severity" && member->key != "time" && member->key != "pid") {
      fields += ' ';
      fields += member->key;
      fields += "=\"";
      for (const char c : member->text()) fields += c == '"' ? '\'' : c;
      fields += '"';
    }
  }
  return name + fields;
}

bool is_popper(std::string_view program) {
  return program.ends_with("popper");  // popper, qpopper, in.qpopper, in.popper
}

bool is_courier(std::string_view program) {
  return program.starts_with("pop3d") || program.starts_with("courierpop3") ||
         program.starts_with("pop3login");
}

}  // namespace

std::string_view name_of(Protection protection) {
  return protection_names.at(static_cast<std::size_t>(protection));
}

std::optional<LogEvent> LogLines::read(const LogLine& line) {
  if (line.program == "dovecot") return dovecot_event(line.message);
  if (is_popper(line.program)) {
    if (!line.message.starts_with('{')) return popper_event(line.message);
    kept_ = text_of(line.message);
    return popper_event(kept_);
  }
  if (is_courier(line.program)) return courier_event(line.program, line.message);
  return std::nullopt;
}

}  // namespace pop
