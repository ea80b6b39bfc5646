#include "popspool/pop3_client.h"

#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <span>

#include "base/fd.h"
#include "base/text.h"
#include "mail/server_ids.h"
#include "tls/tls_client.h"

namespace pop {
namespace {

constexpr time_t seconds_an_answer_may_take = 60;
constexpr std::size_t longest_line = std::size_t{1} << 20;
constexpr std::size_t largest_header = std::size_t{4} << 20;
constexpr std::size_t most_messages = 10'000'000;

using Addresses =
    std::unique_ptr<addrinfo, decltype([](addrinfo* found) { ::freeaddrinfo(found); })>;

Result<Addresses> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) return fail(Errc::not_found, escaped(host) + ": " + ::gai_strerror(failed));
  return Addresses{found};
}

Result<Fd> connect_to(const std::string& host, std::uint16_t port) {
  const Result<Addresses> addresses = resolve(host, port);
  if (!addresses) return std::unexpected(addresses.error());
  Error last{Errc::not_found, "no address"};
  for (const addrinfo* each = addresses->get(); each != nullptr; each = each->ai_next) {
    Fd socket{::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol)};
    const timeval patience{.tv_sec = seconds_an_answer_may_take, .tv_usec = 0};
    const bool done =
        socket.is_open() &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        ::connect(socket.get(), each->ai_addr, each->ai_addrlen) == 0;
    if (done) return socket;
    const int saved = errno;
    last = errno_error(saved, "connect to " + escaped(host) + " port " + std::to_string(port));
  }
  return std::unexpected(std::move(last));
}

/// Lines to and from a server, in clear or under TLS.
class Conversation {
 public:
  explicit Conversation(Fd socket) : socket_{std::move(socket)} {}

  /// What was read in clear must not count as said under TLS.
  Result<void> begin_tls(const OldServer& server) {
    if (!received_.empty()) {
      return fail(Errc::corrupt, "the server went on in clear after it was asked for TLS");
    }
    Result<TlsClient> tls =
        TlsClient::connect(socket_.get(), {.host = server.host, .ca_file = server.ca_file});
    if (!tls) return std::unexpected(std::move(tls).error());
    tls_.emplace(std::move(*tls));
    return {};
  }

  /// Without its line end.
  Result<std::string> read_line() {
    for (;;) {
      const std::size_t end = received_.find('\n');
      if (end != received_.npos) {
        std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        if (line.ends_with('\r')) line.pop_back();
        return line;
      }
      if (received_.size() > longest_line) return fail(Errc::corrupt, "a line does not end");
      std::array<char, 16384> piece;
      const Result<std::size_t> got = read(piece);
      if (!got) return std::unexpected(got.error());
      if (*got == 0) return fail(Errc::io, "the server has hung up");
      received_.append(piece.data(), *got);
    }
  }

  Result<void> write(std::string_view text) {
    if (tls_) return tls_->write(text);
    while (!text.empty()) {
      const ssize_t put = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      const int saved = errno;
      if (put < 0 && saved != EINTR) return fail_errno(saved, "write");
      if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

 private:
  Result<std::size_t> read(std::span<char> room) {
    if (tls_) return tls_->read(room);
    for (;;) {
      const ssize_t got = ::recv(socket_.get(), room.data(), room.size(), 0);
      const int saved = errno;
      if (got >= 0) return static_cast<std::size_t>(got);
      if (saved == EAGAIN) return fail(Errc::io, "no answer in time");
      if (saved != EINTR) return fail_errno(saved, "read");
    }
  }

  Fd socket_;
  std::optional<TlsClient> tls_;
  std::string received_;
};

/// A POP3 session that looks and changes nothing.
class Pop3Session {
 public:
  explicit Pop3Session(Fd socket) : server_{std::move(socket)} {}

  Result<void> begin(const OldServer& server) {
    if (server.tls == ServerTls::implicit) {
      if (Result<void> secured = server_.begin_tls(server); !secured) return secured;
    }
    if (Result<std::string> greeting = answer("the greeting"); !greeting) {
      return std::unexpected(std::move(greeting).error());
    }
    if (server.tls != ServerTls::stls) return {};
    if (Result<std::string> ready = ask("STLS"); !ready) {
      return std::unexpected(std::move(ready).error());
    }
    return server_.begin_tls(server);
  }

  Result<void> log_in(const std::string& login, const Secret& password) {
    if (Result<std::string> known = ask("USER " + login); !known) {
      return std::unexpected(std::move(known).error());
    }
    std::string line = "PASS " + std::string{password.octets()} + "\r\n";
    Result<void> sent = server_.write(line);
    wipe(line);
    if (!sent) return sent;
    if (Result<std::string> in = answer("PASS"); !in) return std::unexpected(std::move(in).error());
    return {};
  }

  Result<IdListing> list() {
    std::map<std::size_t, ListedId> by_number;
    Result<void> done = each_line("UIDL", [&](std::string_view line) {
      const std::optional<std::size_t> number = take_number(line);
      if (!number || line.empty()) return false;
      by_number[*number].id = std::string{line};
      return by_number.size() <= most_messages;
    });
    if (done) {
      done = each_line("LIST", [&](std::string_view line) {
        const std::optional<std::size_t> number = take_number(line);
        const std::optional<std::uint64_t> octets =
            decimal(line.substr(0, std::min(line.find(' '), line.size())));
        if (!number || !octets) return false;
        const auto found = by_number.find(*number);
        if (found != by_number.end()) found->second.octets = *octets;
        return true;
      });
    }
    if (!done) return std::unexpected(std::move(done).error());
    IdListing listing;
    for (auto& [number, message] : by_number) {
      const Result<std::string> header = header_of(number);
      if (!header) return std::unexpected(header.error());
      if (!header->empty()) {
        message.fingerprint = recipe_id(UniqueIdRecipe::native, {}, *header);
      }
      listing.push_back(std::move(message));
    }
    return listing;
  }

  void quit() { (void)ask("QUIT"); }

 private:
  static std::optional<std::size_t> take_number(std::string_view& line) {
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::optional<std::uint64_t> number = decimal(line.substr(0, blank));
    line = trimmed(line.substr(blank));
    if (!number || *number == 0) return std::nullopt;
    return static_cast<std::size_t>(*number);
  }

  /// Errc::usage: the server said no.
  Result<std::string> answer(const std::string& to) {
    Result<std::string> line = server_.read_line();
    if (!line) return std::unexpected(std::move(line).error().in(to));
    if (line->starts_with("+OK")) return line;
    if (line->starts_with("-ERR")) return fail(Errc::usage, to + ": " + escaped(*line));
    return fail(Errc::corrupt, to + ": \"" + escaped(*line, 80) + "\" is no answer of POP3");
  }
  Result<std::string> ask(const std::string& command) {
    if (Result<void> sent = server_.write(command + "\r\n"); !sent) {
      return std::unexpected(std::move(sent).error());
    }
    return answer(command.substr(0, command.find(' ')));
  }

  /// False: not to be understood.
  using TakeLine = std::function<bool(std::string_view)>;
  Result<void> each_line(const std::string& command, const TakeLine& take) {
    if (Result<std::string> begun = ask(command); !begun) {
      return std::unexpected(std::move(begun).error());
    }
    for (;;) {
      const Result<std::string> line = server_.read_line();
      if (!line) return std::unexpected(Error{line.error()}.in(command));
      if (*line == ".") return {};
      if (!take(line->starts_with('.') ? std::string_view{*line}.substr(1) : *line)) {
        return fail(Errc::corrupt, command + ": \"" + escaped(*line, 80) + "\" is not understood");
      }
    }
  }

  /// "": the server shows none.
  Result<std::string> header_of(std::size_t number) {
    std::string header;
    bool ended = false;
    const TakeLine take = [&](std::string_view line) {
      ended = ended || line.empty();
      if (!ended && header.size() < largest_header) (header += line) += '\n';
      return true;
    };
    const std::string which = std::to_string(number);
    if (shows_top_) {
      Result<void> shown = each_line("TOP " + which + " 0", take);
      if (shown) return header;
      if (shown.error().code != Errc::usage) return std::unexpected(std::move(shown).error());
      shows_top_ = false;
    }
    Result<void> shown = each_line("RETR " + which, take);
    if (shown || shown.error().code == Errc::usage) return header;
    return std::unexpected(std::move(shown).error());
  }

  Conversation server_;
  bool shows_top_ = true;
};

}  // namespace

Result<IdListing> ask_server(const OldServer& server, const std::string& login,
                             const Secret& password) {
  const auto fits_on_a_line = [](std::string_view text) {
    return !text.empty() && text.find_first_of(std::string_view{"\r\n\0", 3}) == text.npos;
  };
  if (!fits_on_a_line(login) || !fits_on_a_line(password.octets())) {
    return fail(Errc::usage, "name or password cannot be sent by USER and PASS");
  }
  ::signal(SIGPIPE, SIG_IGN);
  constexpr std::uint16_t pop3 = 110, pop3s = 995;
  const std::uint16_t usual = server.tls == ServerTls::implicit ? pop3s : pop3;
  Result<Fd> socket = connect_to(server.host, server.port != 0 ? server.port : usual);
  if (!socket) return std::unexpected(std::move(socket).error());
  Pop3Session session{std::move(*socket)};
  const auto failed = [&](Error error) {
    if (error.code == Errc::usage) error.code = Errc::denied;  // -ERR
    return std::unexpected(std::move(error).in("ask " + escaped(server.host)));
  };
  if (Result<void> begun = session.begin(server); !begun) return failed(begun.error());
  if (Result<void> in = session.log_in(login, password); !in) return failed(in.error());
  Result<IdListing> listing = session.list();
  session.quit();
  if (!listing) return failed(listing.error());
  return listing;
}

}  // namespace pop
