#include <algorithm>

#include "popcheck/log_event.h"
#include "popcheck/log_fields.h"

namespace pop {
namespace {

LogEvent event_of(LogKind kind) {
  return {.server = LogServer::dovecot,
          .kind = kind,
          .user = {},
          .address = {},
          .id = {},
          .mechanism = {},
          .why = {}};
}

/// What stands behind `name`, up to `end`; the last such place, since what a client sent stands in
/// front of what the server knows.
std::string_view value_of(std::string_view text, std::string_view name, char end) {
  const std::size_t at = last_place_of(text, name);
  if (at == std::string_view::npos) return {};
  const std::string_view value = text.substr(at + name.size());
  return value.substr(0, value.find(end));
}

/// Of "TLS", "TLSv1.3 with cipher ..." behind the addresses.
Protection protection_of(std::string_view after_address) {
  const std::size_t at = after_address.find("TLSv1");
  if (at == std::string_view::npos) {
    if (after_address.find("SSLv3") != std::string_view::npos) return Protection::ssl3;
    return after_address.find(", TLS") != std::string_view::npos ? Protection::some_tls
                                                                 : Protection::none;
  }
  const std::string_view version = after_address.substr(at, 7);
  if (version == "TLSv1.3") return Protection::tls13;
  if (version == "TLSv1.2") return Protection::tls12;
  if (version == "TLSv1.1") return Protection::tls11;
  return Protection::tls1;
}

/// "user=<jo>, method=PLAIN, rip=192.0.2.1, lip=..., TLS, session=<...>".
std::optional<LogEvent> with_client(LogKind kind, std::string_view text) {
  const std::size_t address = last_place_of(text, "rip=");
  if (address == std::string_view::npos) return std::nullopt;
  LogEvent event = event_of(kind);
  const std::string_view behind = text.substr(address + 4);
  event.address = plain_address(behind.substr(0, behind.find(',')));
  if (!is_address(event.address)) return std::nullopt;
  const std::string_view before = text.substr(0, address), after = text.substr(address);
  const std::size_t user = before.find("user=<");
  if (user != std::string_view::npos) {
    const std::string_view name = before.substr(user + 6);
    event.user = name.substr(0, name.rfind('>'));
  }
  event.mechanism = value_of(before, "method=", ',');
  event.protection = protection_of(after);
  event.id = value_of(after, "session=<", '>');
  return event;
}

/// "N attempts" of "(auth failed, N attempts in 2 secs)".
std::optional<LogEvent> login_process(std::string_view text) {
  if (text.starts_with("Info: ")) text.remove_prefix(6);
  if (text.starts_with("Login: ") || text.starts_with("Logged in: ")) {
    return with_client(LogKind::login, text);
  }
  const std::string_view reason = text.substr(0, text.find("user=<"));
  constexpr std::string_view failed = "(auth failed, ";
  const std::size_t at = reason.find(failed);
  if (at == std::string_view::npos) return std::nullopt;
  std::optional<LogEvent> event = with_client(LogKind::failure, text);
  constexpr std::uint64_t most = 1000;  // nobody is given more in one connection
  if (event)
    event->times = std::min(most, leading_number(reason.substr(at + failed.size())).value_or(1));
  return event;
}

struct Pair {
  std::optional<std::uint64_t> first, second;
};

/// " name=1/2".
Pair pair_of(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view value = text.substr(at + name.size());
  const std::string_view numbers = value.substr(0, value.find_first_of(", "));
  const std::size_t slash = numbers.find('/');
  return {leading_number(numbers), slash == std::string_view::npos
                                       ? std::nullopt
                                       : leading_number(numbers.substr(slash + 1))};
}

/// "Disconnected: Logged out top=0/0, retr=1/100, del=1/2, size=200", behind "pop3(jo)<1><id>: ".
std::optional<LogEvent> session_end(std::string_view text) {
  const Pair deleted = pair_of(text, " del="), retrieved = pair_of(text, " retr=");
  if (!deleted.second || !retrieved.second) return std::nullopt;
  LogEvent event = event_of(LogKind::session_end);
  event.is_clean = text.find("Logged out") != std::string_view::npos;
  event.messages = deleted.second;
  event.deleted = deleted.first;
  event.octets = pair_of(text, " size=").first;
  event.retrieved = retrieved.first;
  event.sent_octets = *retrieved.second + pair_of(text, " top=").second.value_or(0);
  event.left = *event.messages - std::min(*event.messages, event.deleted.value_or(0));
  return event;
}

}  // namespace

std::optional<LogEvent> dovecot_event(std::string_view message) {
  constexpr std::string_view login = "pop3-login: ";
  if (message.starts_with(login)) return login_process(message.substr(login.size()));
  if (!message.starts_with("pop3(") && !message.starts_with("POP3(")) return std::nullopt;
  message.remove_prefix(5);
  const std::size_t user_end = message.find(')');
  const std::size_t head_end = message.find(": ", std::min(user_end, message.size()));
  if (head_end == std::string_view::npos) return std::nullopt;
  const std::string_view head = message.substr(user_end, head_end - user_end);
  std::optional<LogEvent> event = session_end(message.substr(head_end));
  if (!event) return std::nullopt;
  event->user = message.substr(0, std::min(user_end, message.find(',')));
  event->id = value_of(head, "<", '>');
  return event;
}

}  // namespace pop
