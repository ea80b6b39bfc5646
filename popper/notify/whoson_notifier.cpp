#include "popper/notify/whoson_notifier.h"

#include <chrono>
#include <utility>

#include "base/text.h"
#include "conf/pattern.h"
#include "popper/notify/udp_service.h"

namespace pop {
namespace {

constexpr std::uint16_t usual_port = 9876;
constexpr int attempts = 3;
constexpr std::chrono::milliseconds patience{1000};
constexpr std::string_view end_of_request = "\r\n\r\n";

class WhosonNotifier final : public LoginNotifier {
 public:
  WhosonNotifier(ServiceAddress server, RuleList rules)
      : server_{std::move(server)}, rules_{std::move(rules)} {}

  [[nodiscard]] std::string_view name() const override { return "whoson"; }

  [[nodiscard]] Result<void> tell(const LoginNotice& notice) override {
    if (!rules_.allows(notice.user)) return {};
    if (notice.kind == LoginNotice::Kind::login) {
      sessions_.begin(notice);
      return request(whoson_login(notice));
    }
    if (!sessions_.end(notice)) return {};
    return request(whoson_logout(notice.address));
  }

 private:
  [[nodiscard]] Result<void> request(const std::string& text) const {
    const Result<Fd> socket = connect_udp(server_);
    if (!socket) return std::unexpected(socket.error());
    Result<std::string> answer = fail(Errc::busy, "no answer");
    for (int i = 0; i < attempts && !answer; ++i) {
      if (Result<void> sent = send_datagram(*socket, text); !sent) {
        answer = std::unexpected(std::move(sent).error());
        continue;
      }
      answer = receive_datagram(*socket, patience);
    }
    if (!answer) return std::unexpected(std::move(answer).error().in(to_string(server_)));
    // "-" to a LOGOUT means that the entry was gone already.
    if (answer->starts_with('+') || (answer->starts_with('-') && text.starts_with("LOGOUT"))) {
      return {};
    }
    return fail(Errc::denied, to_string(server_) + " answers \"" +
                                  escaped(answer->substr(0, answer->find('\r')), 80) + "\"");
  }

  ServiceAddress server_;
  RuleList rules_;
  AddressSessions sessions_;
};

}  // namespace

std::string whoson_login(const LoginNotice& notice) {
  return "LOGIN " + escaped(notice.address) + " " + escaped(notice.user) +
         std::string{end_of_request};
}

std::string whoson_logout(const std::string& address) {
  return "LOGOUT " + escaped(address) + std::string{end_of_request};
}

void AddressSessions::begin(const LoginNotice& notice) {
  connections_[notice.address].insert(notice.connection);
}

bool AddressSessions::end(const LoginNotice& notice) {
  const auto found = connections_.find(notice.address);
  if (found == connections_.end() || found->second.erase(notice.connection) == 0) return false;
  if (!found->second.empty()) return false;
  connections_.erase(found);
  return true;
}

Result<std::unique_ptr<LoginNotifier>> make_whoson_notifier(const Settings& settings) {
  Judged<ServiceAddress> server = parse_service_address(settings.whoson_server);
  if (!server) return fail(Errc::usage, "whoson-server " + server.error());
  if (server->port == 0) server->port = usual_port;
  Judged<RuleList> rules = RuleList::parse(settings.whoson_rules);
  if (!rules) return fail(Errc::usage, "whoson-rules " + rules.error());
  return std::make_unique<WhosonNotifier>(std::move(*server), std::move(*rules));
}

}  // namespace pop
