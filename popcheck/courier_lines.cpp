#include "popcheck/log_event.h"
#include "popcheck/log_fields.h"

namespace pop {
namespace {

/// The number behind ", name=".
std::optional<std::uint64_t> number_of(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  return leading_number(text.substr(at + name.size()));
}

/// "user=jo, ip=[::ffff:192.0.2.1], port=[1234], ...". What a client sent stands in front.
std::optional<LogEvent> with_client(LogKind kind, std::string_view text) {
  LogEvent event{.server = LogServer::courier,
                 .kind = kind,
                 .user = {},
                 .address = {},
                 .id = {},
                 .mechanism = {},
                 .why = {}};
  const std::size_t at = last_place_of(text, "ip=[");
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view address = text.substr(at + 4);
  event.address = plain_address(address.substr(0, address.find(']')));
  if (!is_address(event.address)) return std::nullopt;
  const std::string_view before = text.substr(0, at);
  const std::size_t user = before.find("user=");
  if (user != std::string_view::npos) {
    event.user = before.substr(user + 5);
    if (event.user.ends_with(", ")) event.user.remove_suffix(2);
  }
  const std::size_t method = before.find("method=");
  if (method < user)
    event.mechanism = before.substr(method + 7, before.find(',', method) - method - 7);
  return event;
}

std::optional<LogEvent> session_end(std::string_view text, bool is_clean) {
  std::optional<LogEvent> event = with_client(LogKind::session_end, text);
  if (!event) return std::nullopt;
  const std::string_view rest = text.substr(last_place_of(text, "ip=["));
  event->is_clean = is_clean;
  const std::optional<std::uint64_t> retrieved = number_of(rest, ", retr=");
  if (retrieved) event->sent_octets = *retrieved + number_of(rest, ", top=").value_or(0);
  if (rest.find("tls=1") != std::string_view::npos) event->protection = Protection::some_tls;
  return event;
}

}  // namespace

std::optional<LogEvent> courier_event(std::string_view program, std::string_view message) {
  const auto take = [&message](std::string_view beginning) {
    if (!message.starts_with(beginning)) return false;
    message.remove_prefix(beginning.size());
    return true;
  };
  std::optional<LogEvent> event;
  if (take("LOGIN FAILED, ")) {
    event = with_client(LogKind::failure, message);
  } else if (take("LOGIN, ")) {
    event = with_client(LogKind::login, message);
  } else if (take("LOGOUT, ")) {
    event = session_end(message, true);
  } else if (take("DISCONNECTED, ") || take("TIMEOUT, ")) {
    event = session_end(message, false);
  }
  if (event && program.ends_with("-ssl")) event->protection = Protection::some_tls;
  return event;
}

}  // namespace pop
