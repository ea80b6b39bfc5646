// Many POP3 clients in one loop, for daemon_bench.py: cheap enough that the server is what is
// measured. Each client logs in as its own user, does one script, and begins again.
//
//   daemon_load run PORT CLIENTS SESSIONS poll|drain USER-PATTERN PASSWORD [HOW]
//   daemon_load credentials FILE COUNT USER-PATTERN PASSWORD [UID GID DIRECTORY]
//
// HOW is clear, implicit-new, implicit-resumed, stls-new or stls-resumed: how TLS is begun, and
// whether a client resumes its session before. "%d" in USER-PATTERN is the client's number. `run`
// prints one line of figures; `credentials` makes a credential file with hashes that cost next to
// nothing, so that the hash is not what is measured, and prints the hash; with UID the users are
// virtual ones, whose mail lies in DIRECTORY/USER.

#include <arpa/inet.h>
#include <crypt.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"
#include "base/disk.h"
#include "base/fd.h"

namespace pop {
namespace {

using Clock = std::chrono::steady_clock;

// The old DES one: a twentieth of what MD5 costs.
constexpr const char* cheapest_setting = "be";

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << "daemon_load: " << why << '\n';
  std::exit(EXIT_FAILURE);
}

std::string expand(const std::string& pattern, std::size_t number) {
  const std::size_t at = pattern.find("%d");
  if (at == std::string::npos) return pattern;
  return pattern.substr(0, at) + std::to_string(number) + pattern.substr(at + 2);
}

struct Step {
  std::string command;  // with CRLF; empty: the server speaks first
  bool many_lines = false;
  bool begins_tls = false;
};

enum class Entry : std::uint8_t { clear, implicit, stls };
struct How {
  Entry entry = Entry::clear;
  bool resumes = false;
};

How how_of(std::string_view text) {
  return {text.starts_with("implicit") ? Entry::implicit
          : text.starts_with("stls")   ? Entry::stls
                                       : Entry::clear,
          text.ends_with("resumed")};
}

struct FreeTls {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(SSL* connection) const noexcept { SSL_free(connection); }
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};

SSL_CTX* tls_context() {
  static const std::unique_ptr<SSL_CTX, FreeTls> context{SSL_CTX_new(TLS_client_method())};
  return context.get();
}

using Script = std::vector<Step>;

Script script_of(std::string_view kind, const std::string& user, const std::string& password,
                 Entry entry) {
  Script script{{""}};
  if (entry == Entry::stls) script.push_back({"STLS\r\n", false, true});
  script.insert(script.end(),
                {{"USER " + user + "\r\n"}, {"PASS " + password + "\r\n"}, {"STAT\r\n"}});
  if (kind == "poll") {
    script.push_back({"UIDL\r\n", true});
    script.push_back({"LIST\r\n", true});
  } else {
    for (int i = 1; i <= 20; ++i) {
      script.push_back({"RETR " + std::to_string(i) + "\r\n", true});
      script.push_back({"DELE " + std::to_string(i) + "\r\n"});
    }
  }
  script.push_back({"QUIT\r\n"});
  return script;
}

class Client {
 public:
  Client(Script script, sockaddr_in server, How how)
      : script_{std::move(script)}, server_{server}, how_{how} {}

  void begin(int epoll, std::uint32_t number) {
    socket_ = Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int on = 1;
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    begun_ = Clock::now();
    // Loopback connects at once.
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&server_), sizeof server_) != 0) {
      give_up(std::string{"connect: "} + std::strerror(errno));
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = number;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket_.get(), &event);
    step_ = 0;
    answer_.clear();
    connection_.reset();
    if (how_.entry == Entry::implicit) begin_tls();
  }

  enum class Progress : std::uint8_t { going, done };
  Progress advance() {
    if (connection_ && !shaken_) {
      shake_hands();
      if (!shaken_) return Progress::going;
      if (how_.entry == Entry::stls) return say_next();
    }
    hear();
    if (!is_whole()) return Progress::going;
    if (!answer_.starts_with("+OK")) give_up("refused: " + answer_.substr(0, 200));
    answer_.clear();
    if (script_[step_].begins_tls) {
      begin_tls();
      if (!shaken_) return Progress::going;  // a quick server has answered meanwhile
    }
    return say_next();
  }

  [[nodiscard]] Clock::time_point begun() const { return begun_; }

 private:
  Progress say_next() {
    if (++step_ == script_.size()) {
      end();
      return Progress::done;
    }
    const std::string& command = script_[step_].command;
    const ssize_t sent =
        connection_ ? SSL_write(connection_.get(), command.data(), static_cast<int>(command.size()))
                    : ::send(socket_.get(), command.data(), command.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(command.size())) give_up("send");
    return Progress::going;
  }

  void hear() {
    std::array<char, 65536> input;
    if (!connection_) {
      const ssize_t got = ::recv(socket_.get(), input.data(), input.size(), 0);
      if (got <= 0) give_up("connection lost after: " + script_[step_].command);
      answer_.append(input.data(), static_cast<std::size_t>(got));
      return;
    }
    while (true) {
      const int got = SSL_read(connection_.get(), input.data(), static_cast<int>(input.size()));
      if (got > 0) {
        answer_.append(input.data(), static_cast<std::size_t>(got));
        continue;
      }
      if (SSL_get_error(connection_.get(), got) == SSL_ERROR_WANT_READ) return;
      if (is_whole()) return;  // the last words, with the end behind them
      give_up("TLS connection lost after: " + script_[step_].command);
    }
  }

  void begin_tls() {
    ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
    shaken_ = false;
    connection_.reset(SSL_new(tls_context()));
    SSL_set_fd(connection_.get(), socket_.get());
    SSL_set_connect_state(connection_.get());
    if (how_.resumes && session_) SSL_set_session(connection_.get(), session_.get());
    shake_hands();
  }

  void shake_hands() {
    const int done = SSL_do_handshake(connection_.get());
    shaken_ = done == 1;
    if (!shaken_ && SSL_get_error(connection_.get(), done) != SSL_ERROR_WANT_READ) {
      give_up("handshake");
    }
  }

  void end() {
    if (connection_) {
      if (how_.resumes) session_.reset(SSL_get1_session(connection_.get()));
      SSL_set_shutdown(connection_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    connection_.reset();
    socket_ = Fd{};
  }

  [[nodiscard]] bool is_whole() const {
    if (!answer_.ends_with("\r\n")) return false;
    return !script_[step_].many_lines || answer_.starts_with("-ERR") ||
           answer_.ends_with("\r\n.\r\n");
  }

  Script script_;
  sockaddr_in server_;
  How how_;
  Fd socket_;
  std::unique_ptr<SSL, FreeTls> connection_;
  std::unique_ptr<SSL_SESSION, FreeTls> session_;
  bool shaken_ = false;
  std::size_t step_ = 0;
  std::string answer_;
  Clock::time_point begun_;
};

double in_milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

int run(const std::vector<std::string>& words) {
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<std::uint16_t>(std::stoul(words.at(0))));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::size_t count = std::stoul(words.at(1)), sessions = std::stoul(words.at(2));
  const Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  std::vector<Client> clients;
  const How how = how_of(words.size() > 6 ? words[6] : "clear");
  for (std::size_t i = 0; i < count; ++i) {
    clients.emplace_back(script_of(words.at(3), expand(words.at(4), i), words.at(5), how.entry),
                         server, how);
  }
  const Clock::time_point start = Clock::now();
  std::size_t begun = 0;
  std::vector<double> times;
  const auto begin = [&](std::uint32_t number) {
    ++begun;
    clients[number].begin(epoll.get(), number);
  };
  for (std::uint32_t i = 0; i < count && begun < sessions; ++i) begin(i);
  std::array<epoll_event, 64> events;
  while (times.size() < begun) {
    const int ready = ::epoll_wait(epoll.get(), events.data(), events.size(), 60'000);
    if (ready == 0) give_up("no answer for a minute");
    for (int i = 0; i < ready; ++i) {
      const std::uint32_t number = events[static_cast<std::size_t>(i)].data.u32;
      Client& client = clients[number];
      if (client.advance() == Client::Progress::going) continue;
      times.push_back(in_milliseconds(Clock::now() - client.begun()));
      if (begun < sessions) begin(number);
    }
  }
  const double whole = in_milliseconds(Clock::now() - start);
  std::ranges::sort(times);
  std::printf("%zu %.3f %.3f %.3f\n", times.size(), whole, times[times.size() / 2],
              times[times.size() * 99 / 100]);
  return EXIT_SUCCESS;
}

int make_credentials(const std::vector<std::string>& words) {
  const std::string& file = words.at(0);
  std::vector<CredentialDbWriter::Change> changes;
  crypt_data memory{};
  const std::string hash = ::crypt_r(words.at(3).c_str(), cheapest_setting, &memory);
  for (std::size_t i = 0; i < std::stoul(words.at(1)); ++i) {
    const std::string user = expand(words.at(2), i);
    Credential credential;
    credential.password_hash = hash;
    if (words.size() > 4) {
      credential.virtual_user =
          Credential::Virtual{.uid = static_cast<uid_t>(std::stoul(words.at(4))),
                              .gid = static_cast<gid_t>(std::stoul(words.at(5))),
                              .home = words.at(6),
                              .maildrop = words.at(6) + "/" + user};
    }
    changes.push_back({user, std::move(credential)});
  }
  Result<void> done = CredentialDbWriter::create(system_disk(), file);
  if (done) done = CredentialDbWriter::apply(system_disk(), file, std::move(changes));
  if (!done) give_up(done.error().text);
  std::cout << hash << '\n';
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace pop

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + std::min(count, 2), arguments + count);
  const std::string_view verb = count > 1 ? arguments[1] : "";
  if (verb == "run" && (words.size() == 6 || words.size() == 7)) return pop::run(words);
  if (verb == "credentials" && (words.size() == 4 || words.size() == 7)) {
    return pop::make_credentials(words);
  }
  pop::give_up("see the head of daemon_load.cpp for the two forms");
}
