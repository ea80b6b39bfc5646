#include <array>

#include "popcheck/log_event.h"
#include "popcheck/log_fields.h"

namespace pop {
namespace {

// How a fact can be told.
constexpr std::uint8_t as_event = 0, as_sentence = 1, as_reply = 2;

LogEvent event_of(LogKind kind, std::uint8_t telling) {
  return {.server = LogServer::popper,
          .kind = kind,
          .telling = telling,
          .user = {},
          .address = {},
          .id = {},
          .mechanism = {},
          .why = {}};
}

Protection protection_of(std::string_view protocol) {
  for (std::size_t i = 2; i < protections; ++i) {
    if (protocol == name_of(static_cast<Protection>(i))) return static_cast<Protection>(i);
  }
  return Protection::some_tls;
}

void set(LogEvent& event, const LogFieldReader::Field& field) {
  const auto number = [&field] { return leading_number(field.value); };
  if (field.key == "id") {
    event.id = field.value;
  } else if (field.key == "user") {
    event.user = field.value;
  } else if (field.key == "from") {
    event.address = plain_address(field.value);
  } else if (field.key == "by") {
    event.mechanism = field.value.starts_with("device:") ? "device" : field.value;
  } else if (field.key == "why") {
    event.why = field.value;
  } else if (field.key == "times" && event.kind == LogKind::failed_handshake) {
    event.times = number().value_or(1);
  } else if (field.key == "protocol") {
    event.protection = protection_of(field.value);
  } else if (field.key == "how") {
    event.is_clean = field.value == "quit";
  } else if (field.key == "messages") {
    event.messages = number();
  } else if (field.key == "retrieved") {
    event.retrieved = number();
  } else if (field.key == "again") {
    event.again = number();
  } else if (field.key == "deleted") {
    event.deleted = number();
  } else if (field.key == "octets-sent") {
    event.sent_octets = number();
  }
}

/// "login id=1 user=jo from=192.0.2.1 by=password".
std::optional<LogEvent> named_event(LogKind kind, std::string_view fields) {
  LogEvent event = event_of(kind, as_event);
  LogFieldReader reader{fields};
  while (const std::optional<LogFieldReader::Field> field = reader.next()) set(event, *field);
  // Whether a lost connection's deletions count, only the statistics tell.
  if (kind == LogKind::session_end && !event.is_clean) event.deleted.reset();
  return event;
}

/// Without the place in the source that some builds of Qpopper put behind a line.
std::string_view without_source(std::string_view text) {
  if (!text.ends_with(']')) return text;
  const std::size_t at = text.rfind(" [");
  return at == std::string_view::npos ? text : text.substr(0, at);
}

/// "POP login by user "jo" at (client) 192.0.2.1", behind the version.
std::optional<LogEvent> login_sentence(std::string_view text) {
  LogEvent event = event_of(LogKind::login, as_sentence);
  const std::optional<std::string_view> user = take_until(text, "\" at (");
  if (!user || !take_until(text, ") ")) return std::nullopt;
  event.user = *user;
  event.address = plain_address(text.substr(0, text.find(' ')));
  if (!is_address(event.address)) return std::nullopt;
  return event;
}

/// The id that stands at the end of a sentence.
std::string_view id_at_end(std::string_view text) {
  const std::size_t at = last_place_of(text, " id=");
  return at == std::string_view::npos ? std::string_view{} : text.substr(at + 4);
}

/// "TLSv1.3 handshake with client at name (192.0.2.1); new session-id; ...", behind the version.
std::optional<LogEvent> handshake_sentence(std::string_view text) {
  LogEvent event = event_of(LogKind::handshake, as_sentence);
  const std::optional<std::string_view> protocol = take_until(text, " handshake with client at ");
  if (!protocol || !take_until(text, " (")) return std::nullopt;
  const std::optional<std::string_view> address = take_until(text, "); ");
  if (!address || !is_address(plain_address(*address))) return std::nullopt;
  event.address = plain_address(*address);
  event.protection = protection_of(*protocol);
  event.id = id_at_end(text);
  return event;
}

/// Behind "(v4.1) ".
std::optional<LogEvent> versioned_sentence(std::string_view text) {
  constexpr std::string_view login = "POP login by user \"";
  if (text.starts_with(login)) return login_sentence(without_source(text.substr(login.size())));
  if (text.starts_with("TLS") || text.starts_with("SSL")) return handshake_sentence(text);
  return std::nullopt;
}

/// "jo 1 100 2 200 client 192.0.2.1": deleted and left, messages and octets.
std::optional<LogEvent> statistics(std::string_view text) {
  text = without_source(text);
  LogEvent event = event_of(LogKind::session_end, as_sentence);
  const std::optional<std::string_view> user = take_until(text, " ");
  if (!user || user->empty()) return std::nullopt;
  event.user = *user;
  std::array<std::uint64_t, 4> numbers{};
  for (std::uint64_t& number : numbers) {
    const std::optional<std::uint64_t> read = leading_number(text);
    if (!read) return std::nullopt;
    number = *read;
    if (!take_until(text, " ")) text = {};
  }
  event.deleted = numbers[0];
  event.left = numbers[2];
  event.left_octets = numbers[3];
  event.messages = numbers[0] + numbers[2];
  event.octets = numbers[1] + numbers[3];
  const std::size_t last = text.rfind(' ');
  const std::string_view address =
      plain_address(last == std::string_view::npos ? text : text.substr(last + 1));
  if (is_address(address)) event.address = address;
  return event;
}

/// "jo from host (client) 192.0.2.1".
std::optional<LogEvent> failure_sentence(std::string_view text) {
  LogEvent event = event_of(LogKind::failure, as_sentence);
  const std::optional<std::string_view> user = take_until(text, " from host ");
  if (!user) return std::nullopt;
  event.user = *user;
  const std::optional<std::string_view> name = take_until(text, ") ");
  event.address = plain_address(text.substr(0, text.find(' ')));
  if (!name || !is_address(event.address)) return std::nullopt;
  return event;
}

/// "jo at client (192.0.2.1): -ERR [AUTH] ...".
std::optional<LogEvent> refusal(std::string_view text) {
  const std::size_t end = text.find("): -ERR ");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view reply = text.substr(end + 8);
  const bool is_login = reply.starts_with("[AUTH]") || reply.starts_with("Password supplied for ");
  const std::size_t begin = text.rfind('(', end), at = text.find(" at ");
  if (!is_login || begin == std::string_view::npos || at > begin) return std::nullopt;
  LogEvent event = event_of(LogKind::failure, as_reply);
  event.user = text.substr(0, at);
  event.address = plain_address(text.substr(begin + 1, end - begin - 1));
  if (!is_address(event.address)) return std::nullopt;
  return event;
}

std::optional<LogEvent> failed_handshake_sentence(std::string_view why) {
  LogEvent event = event_of(LogKind::failed_handshake, as_sentence);
  event.id = id_at_end(why);
  event.why = why.substr(0, last_place_of(why, " id="));
  return event;
}

struct Beginning {
  std::string_view text;
  std::optional<LogEvent> (*read)(std::string_view rest);
};

template <LogKind kind>
std::optional<LogEvent> named(std::string_view rest) {
  return named_event(kind, rest);
}

constexpr std::array beginnings{
    Beginning{"login ", named<LogKind::login>},
    Beginning{"login-failed ", named<LogKind::failure>},
    Beginning{"session-end ", named<LogKind::session_end>},
    Beginning{"tls ", named<LogKind::handshake>},
    Beginning{"tls-failed ", named<LogKind::failed_handshake>},
    Beginning{"Stats: ", statistics},
    Beginning{"stats: ", statistics},
    Beginning{"[AUTH] Failed attempted login to ", failure_sentence},
    Beginning{"Failed attempted login to ", failure_sentence},
    Beginning{"TLS/SSL Handshake failed: ", failed_handshake_sentence},
};

}  // namespace

std::optional<LogEvent> popper_event(std::string_view message) {
  if (message.starts_with("(v")) {
    const std::size_t end = message.find(") ");
    if (end == std::string_view::npos) return std::nullopt;
    return versioned_sentence(message.substr(end + 2));
  }
  for (const Beginning& beginning : beginnings) {
    if (message.starts_with(beginning.text)) {
      return beginning.read(message.substr(beginning.text.size()));
    }
  }
  return refusal(message);
}

}  // namespace pop
