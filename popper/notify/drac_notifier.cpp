#include "popper/notify/drac_notifier.h"

#include <arpa/inet.h>
#include <rpc/rpc.h>

#include <optional>
#include <utility>

#include "base/shared_library.h"
#include "popper/notify/udp_service.h"

namespace pop {
namespace {

constexpr rpcprog_t drac_program = 900101;
constexpr rpcvers_t drac_version = 1;
constexpr rpcproc_t add_address = 1;
constexpr timeval repeat_after{1, 0}, give_up_after{4, 0};

/// What the server answers, as its protocol numbers it.
std::string_view text_of(int answer) {
  constexpr std::string_view texts[] = {"success", "permission denied", "system error"};
  return answer >= 0 && answer < 3 ? texts[answer] : "unknown error";
}

struct Functions {
  decltype(::clntudp_create)* create = nullptr;
  decltype(::clnt_sperrno)* status_text = nullptr;
  decltype(::xdr_u_int)* send_number = nullptr;
  decltype(::xdr_int)* receive_number = nullptr;
};

class Rpc {
 public:
  [[nodiscard]] static Result<Rpc> load() {
    Result<SharedLibrary> library = SharedLibrary::load("libtirpc.so.3");
    if (!library) return std::unexpected(std::move(library).error());
    Functions call;
    if (!library->find("clntudp_create", call.create) ||
        !library->find("clnt_sperrno", call.status_text) ||
        !library->find("xdr_u_int", call.send_number) ||
        !library->find("xdr_int", call.receive_number)) {
      return fail(Errc::not_found, "libtirpc.so.3 lacks a function");
    }
    return Rpc{std::move(*library), call};
  }

  /// The number and text of what went wrong, if anything did. `address` in host order.
  struct Answer {
    int number = 0;
    std::string text;
  };
  [[nodiscard]] Answer add(const sockaddr_in& server, std::uint32_t address) const {
    sockaddr_in to = server;  // its port is asked from rpcbind where it is 0
    int socket = RPC_ANYSOCK;
    CLIENT* const client = call_.create(&to, drac_program, drac_version, repeat_after, &socket);
    if (client == nullptr) return {RPC_PROGUNAVAIL, "the service cannot be found there"};
    int result = 0;
    const clnt_stat status = CLNT_CALL(
        client, add_address, reinterpret_cast<xdrproc_t>(call_.send_number),
        reinterpret_cast<caddr_t>(&address), reinterpret_cast<xdrproc_t>(call_.receive_number),
        reinterpret_cast<caddr_t>(&result), give_up_after);
    CLNT_DESTROY(client);
    if (status != RPC_SUCCESS) return {static_cast<int>(status), call_.status_text(status)};
    return {result, std::string{text_of(result)}};
  }

 private:
  Rpc(SharedLibrary library, const Functions& call) : library_{std::move(library)}, call_{call} {}
  SharedLibrary library_;
  Functions call_;
};

/// The server's IPv4 address; port 0 when none was given.
Result<sockaddr_in> resolve(ServiceAddress service) {
  const std::uint16_t port = std::exchange(service.port, 111);  // any, to get an address
  const Result<Fd> socket = connect_udp(service);
  if (!socket) return std::unexpected(socket.error());
  sockaddr_in server{};
  socklen_t size = sizeof server;
  if (::getpeername(socket->get(), reinterpret_cast<sockaddr*>(&server), &size) != 0 ||
      server.sin_family != AF_INET) {
    return fail(Errc::not_found, service.host + " has no IPv4 address");
  }
  server.sin_port = htons(port);
  return server;
}

class DracNotifier final : public LoginNotifier {
 public:
  DracNotifier(ServiceAddress server, NoticeLog& log) : server_{std::move(server)}, log_{log} {}

  [[nodiscard]] std::string_view name() const override { return "drac"; }

  [[nodiscard]] Result<void> tell(const LoginNotice& notice) override {
    in_addr address{};
    if (notice.kind != LoginNotice::Kind::login ||
        ::inet_pton(AF_INET, notice.address.c_str(), &address) != 1) {
      return {};
    }
    const std::string& client = notice.client_name.empty() ? notice.address : notice.client_name;
    log_.sentence(Severity::info, "[drac]: login by " + notice.user + " from host " + client +
                                      " (" + notice.address + ")");
    if (!rpc_) {
      Result<Rpc> loaded = Rpc::load();
      if (!loaded) return std::unexpected(std::move(loaded).error());
      rpc_ = std::move(*loaded);
    }
    const Result<sockaddr_in> server = resolve(server_);
    if (!server) return std::unexpected(server.error());
    const Rpc::Answer answer = rpc_->add(*server, ntohl(address.s_addr));
    if (answer.number == 0) return {};
    log_.sentence(Severity::warning, "[drac]: dracauth returned " + std::to_string(answer.number) +
                                         ": " + answer.text);
    return {};
  }

 private:
  ServiceAddress server_;
  NoticeLog& log_;
  std::optional<Rpc> rpc_;
};

}  // namespace

Result<std::unique_ptr<LoginNotifier>> make_drac_notifier(const Settings& settings,
                                                          NoticeLog& log) {
  Judged<ServiceAddress> server = parse_service_address(settings.drac_host);
  if (!server) return fail(Errc::usage, "drac-host " + server.error());
  return std::make_unique<DracNotifier>(std::move(*server), log);
}

}  // namespace pop
