// Whatever an honest gate takes from strangers must be in order for the keeper, which takes a gate
// that breaks the rules for one that was broken into.

#include <sys/socket.h>

#include <random>

#include "conf/network_list.h"
#include "daemon/connection_limits.h"
#include "pop3/line_reader.h"
#include "pop3/login_dialogue.h"
#include "popper/keeper.h"
#include "popper/name_lookup.h"
#include "popper/proxy_header.h"
#include "support/catch.h"

using namespace pop;
using namespace std::string_literals;

namespace {

class NoSink final : public LogSink {
 public:
  void write(Severity, std::string_view) override {}
};

class Nobody final : public PasswordChecker {
 public:
  Result<Account> check_password(std::string_view, const Secret&, const LoginOrigin&) override {
    return fail(Errc::denied, "nobody");
  }
  Result<Account> check_apop(std::string_view, std::string_view, std::string_view,
                             const LoginOrigin&) override {
    return fail(Errc::denied, "nobody");
  }
  Result<Account> check_identity(std::string_view, const LoginOrigin&) override {
    return fail(Errc::denied, "nobody");
  }
  bool apop_usable() const override { return true; }
};

/// A keeper behind a proxy at 127.0.0.1, which is what a local socket counts as.
class Desk {
 public:
  Desk() {
    handover_.settings.proxy_networks = "127.0.0.1";
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    client_ = Fd{ends[0]};
    peer_ = Fd{ends[1]};
    keeper_.emplace(KeeperContext{handover_, nobody_, stamps_, vouchers_, log_},
                    Keeper::Logins::many, [](SessionStart) { return Result<void>{}; });
  }

  [[nodiscard]] std::uint64_t next_connection() { return ++connection_; }

  /// As it comes over the channel.
  void require_in_order(const GateMessage& message) {
    Channel::Received received;
    received.record = encode(message);
    REQUIRE(received.record.size() <= longest_frame);
    received.descriptor = client_.duplicate().value();
    const Result<KeeperMessage> answer = keeper_->answer(std::move(received));
    if (!answer) FAIL(answer.error().text);
    REQUIRE(std::holds_alternative<Verdict>(*answer));
  }

 private:
  Handover handover_{{}, "host.example", LogTarget::standard_error};
  Nobody nobody_;
  Log log_{std::make_unique<NoSink>(), Severity::error};
  StampLedger stamps_ = std::move(*StampLedger::open(*StampLedger::create()));
  VoucherKey vouchers_ = std::move(*VoucherKey::open(*VoucherKey::create()));
  Fd client_, peer_;
  std::optional<Keeper> keeper_;
  std::uint64_t connection_ = 0;
};

std::string version_2(char family, const std::string& addresses) {
  return "\r\n\r\n\0\r\nQUIT\n\x21"s + family + '\0' + static_cast<char>(addresses.size()) +
         addresses;
}

// Zeros, ones and mapped prefixes are likelier than chance would have them.
std::string random_source(std::mt19937& random, std::size_t size) {
  std::string octets(size, '\0');
  for (char& octet : octets) {
    const auto kind = random() % 4;
    octet = static_cast<char>(kind == 0 ? random() : kind == 1 ? 0xff : 0);
  }
  if (size == 16 && random() % 3 == 0) octets.replace(0, 12, "\0\0\0\0\0\0\0\0\0\0\xff\xff"s);
  if (random() % 50 == 0) octets.assign(size, '\0');
  return octets;
}

std::string random_line(std::mt19937& random) {
  static const std::vector<std::string> beginnings{"USER ", "USER ", "PASS ", "PASS ", "APOP ", ""};
  std::string line = beginnings[random() % beginnings.size()];
  const std::size_t size = random() % 8 == 0 ? random() % 1100 : random() % 40;
  for (std::size_t i = 0; i < size; ++i) line += static_cast<char>(random());
  if (random() % 5 == 0) line += " 0123456789abcdef0123456789ABCDEF";
  return line + "\r\n";
}

const std::string longest_name(longest_host_name, 'n');

}  // namespace

TEST_CASE("A keeper takes every client's address that a proxy header can bring in",
          "[popper][proxy]") {
  Desk desk;
  std::mt19937 random{7};
  std::size_t taken = 0;
  const auto offer = [&](const std::string& header) {
    const ProxyReading reading = read_proxy_header(header);
    if (reading.state != ProxyReading::State::whole || reading.header.address.empty()) return;
    CAPTURE(reading.header.address);
    CHECK(decode_name_question(encode(NameQuestion{1, reading.header.address})));
    desk.require_in_order(
        PasswordAttempt{desk.next_connection(), "jo", Secret{"x"}, reading.header.address, "", ""});
    ++taken;
  };
  for (int i = 0; i < 5000; ++i) {
    const bool is_ipv4 = random() % 4 == 0;
    const std::size_t size = is_ipv4 ? 4 : 16;
    const std::string source = random_source(random, size);
    offer(version_2(is_ipv4 ? '\x11' : '\x21', source + std::string(size + 4, '\x01')));
  }
  for (const char* const source : {"::", "::0", "0:0:0:0:0:0:0:0", "::0.0.0.0", "::ffff:0.0.0.0",
                                   "::ffff:0:0", "::1", "::1.2.3.4", "fe80::1", "fe80::1%lo"}) {
    offer("PROXY TCP6 "s + source + " ::1 1 2\r\n");
  }
  for (const char* const source : {"0.0.0.0", "255.255.255.255", "127.0.0.1", "1.2.3", "0x7f.1"}) {
    offer("PROXY TCP4 "s + source + " 127.0.0.1 1 2\r\n");
  }
  CHECK(taken > 4000);
}

TEST_CASE("A keeper takes every login that a client can type, with all that is kept behind it",
          "[popper]") {
  Desk desk;
  std::mt19937 random{8};
  const std::string stamp = "<1." + std::string(65, '9') + "@host.example>";
  std::size_t checks = 0;
  for (int i = 0; i < 2000; ++i) {
    LineReader lines;
    LoginDialogue dialogue{{}, stamp};
    for (int line = 0; line < 8; ++line) lines.feed(random_line(random));
    bool goes_on = true;
    for (auto line = lines.next(); goes_on && line; line = lines.next()) {
      if (line->too_long) continue;
      for (LoginAction& action : dialogue.on_line(line->text)) {
        if (std::holds_alternative<SendText>(action)) continue;
        goes_on = false;
        const std::string behind(StrangerLimits{}.octets, '\xff');
        if (auto* const check = std::get_if<CheckPassword>(&action)) {
          desk.require_in_order(PasswordAttempt{desk.next_connection(), check->user,
                                                std::move(check->password), "127.0.0.1", behind,
                                                longest_name});
          ++checks;
        } else if (auto* const apop = std::get_if<CheckApop>(&action)) {
          desk.require_in_order(ApopAttempt{desk.next_connection(), apop->user, stamp, apop->digest,
                                            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", behind,
                                            longest_name});
          ++checks;
        }
      }
    }
  }
  CHECK(checks > 500);
}
