#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/text.h"
#include "conf/configuration.h"

namespace pop {
namespace {

std::unexpected<std::string> bad_address(std::string_view text, std::string_view why) {
  return std::unexpected("\"" + escaped(text, 80) +
                         "\" is no address to listen on: " + std::string{why});
}

bool is_numeric(int family, const std::string& address) {
  in6_addr room{};
  return ::inet_pton(family, address.c_str(), &room) == 1;
}

std::optional<std::uint16_t> read_port(std::string_view text) {
  const auto port = decimal(text);
  if (!port || *port == 0 || *port > 65535 || text.size() > 5) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

/// What stands before the port, and the port with its colon.
struct Halves {
  std::string_view address, port;
};

std::string bracketed(std::string_view address) {
  return "[" + std::string{address} + "]";
}

// Which is meant, "::1:110" does not say; both are told where both could be.
std::unexpected<std::string> bad_unbracketed(std::string_view text) {
  const std::size_t last = text.rfind(':');
  std::string what = "put an IPv6 address in brackets";
  std::string example;
  if (is_numeric(AF_INET6, std::string{text})) example = bracketed(text);
  if (is_numeric(AF_INET6, std::string{text.substr(0, last)}) && read_port(text.substr(last + 1))) {
    example += (example.empty() ? "" : " or ") + bracketed(text.substr(0, last)) +
               std::string{text.substr(last)};
  }
  return bad_address(text, example.empty() ? what : what + ", as in " + example);
}

Judged<Halves> split_bracketed(std::string_view text) {
  const std::size_t close = text.find(']');
  if (close == std::string_view::npos) return bad_address(text, "\"]\" is missing");
  return Halves{text.substr(1, close - 1), text.substr(close + 1)};
}

}  // namespace

Judged<ListenAddress> parse_listen_address(std::string_view text) {
  ListenAddress listener;
  if (text.find('\0') != std::string_view::npos) return bad_address(text, "it holds a NUL");
  if (text.empty()) return bad_address(text, "expected [address][:port]");
  if (const auto port = read_port(text)) {  // the old program took a bare number as the port
    listener.port = *port;
    return listener;
  }
  Halves halves;
  const bool in_brackets = text.starts_with('[');
  if (in_brackets) {
    const Judged<Halves> split = split_bracketed(text);
    if (!split) return std::unexpected(split.error());
    halves = *split;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (text.find(':', colon + 1) < text.size()) return bad_unbracketed(text);
    halves = {text.substr(0, colon), text.substr(colon)};
  }
  listener.address = halves.address;
  if ((in_brackets || !listener.address.empty()) &&
      !is_numeric(in_brackets ? AF_INET6 : AF_INET, listener.address)) {
    return bad_address(text, "use a numeric address, IPv6 in brackets");
  }
  if (halves.port.empty()) return listener;
  const auto port = halves.port.starts_with(':') ? read_port(halves.port.substr(1)) : std::nullopt;
  if (!port) return bad_address(text, "the port must be from 1 to 65535");
  listener.port = *port;
  return listener;
}

bool is_same_place(const ListenAddress& one, const ListenAddress& other) {
  return one.address == other.address && one.port == other.port;
}

ListenTls resolved(ListenTls tls, TlsSupport support) {
  if (tls != ListenTls::by_support) return tls;
  switch (support) {
    case TlsSupport::stls:
      return ListenTls::stls;
    case TlsSupport::alternate_port:
      return ListenTls::implicit;
    case TlsSupport::none:
      break;
  }
  return ListenTls::none;
}

Entrance resolved(ListenTls tls, ListenKerberos kerberos, const Settings& settings) {
  Entrance entrance{resolved(tls, settings.tls_support), kerberos};
  if (kerberos == ListenKerberos::by_option) {
    entrance.kerberos = settings.kerberos ? ListenKerberos::yes : ListenKerberos::no;
  }
  const bool asks_for_ticket = entrance.kerberos == ListenKerberos::yes;
  if (asks_for_ticket && entrance.tls == ListenTls::stls) entrance.tls = ListenTls::none;
  return entrance;
}

std::string_view word_of(ListenTls tls) {
  constexpr std::array<std::string_view, 4> words{"", "none", "stls", "implicit"};
  return words[static_cast<std::size_t>(tls)];
}

std::optional<std::chrono::sys_days> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = decimal(text.substr(0, 4)), month = decimal(text.substr(5, 2)),
             day = decimal(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

std::string to_string(std::chrono::sys_days day) {
  const std::chrono::year_month_day date{day};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string to_string(const ListenAddress& listener) {
  const bool brackets = listener.address.find(':') != std::string::npos;
  return (brackets ? "[" + listener.address + "]" : listener.address) + ":" +
         std::to_string(listener.port);
}

}  // namespace pop
