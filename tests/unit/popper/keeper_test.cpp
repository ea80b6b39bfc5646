#include "popper/keeper.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/disk.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;

namespace {

class Lines final : public LogSink {
 public:
  explicit Lines(std::vector<std::string>& lines) : lines_{lines} {}
  void write(Severity, std::string_view line) override { lines_.emplace_back(line); }

 private:
  std::vector<std::string>& lines_;
};

/// Knows jo with password "right", and fails for "unlucky".
class OneUser final : public PasswordChecker {
 public:
  Result<Account> check_password(std::string_view user, const Secret& password,
                                 const LoginOrigin&) override {
    if (user == "unlucky") return fail(Errc::io, "directory service is down");
    if (user != "jo" || password.octets() != "right") return fail(Errc::denied, "wrong password");
    return account();
  }
  Result<Account> check_apop(std::string_view user, std::string_view, std::string_view digest,
                             const LoginOrigin&) override {
    if (user != "jo" || digest != "good") return fail(Errc::denied, "wrong digest");
    return account();
  }
  Result<Account> check_identity(std::string_view user, const LoginOrigin&) override {
    if (user != "jo") return fail(Errc::denied, "unknown user");
    return account();
  }
  bool apop_usable() const override { return usable; }

  bool usable = true;
  uid_t uid = ::geteuid() == 0 ? 12345 : ::geteuid();
  std::string shell;

 private:
  Account account() const {
    Account jo;
    jo.name = "jo";
    jo.uid = uid;
    jo.shell = shell;
    return jo;
  }
};

/// A keeper whose sessions are only counted.
struct Bench {
  std::vector<std::string> lines;
  Log log{std::make_unique<Lines>(lines), Severity::debug};
  Handover handover{{}, "host.example", LogTarget::standard_error};
  OneUser checker;
  StampLedger stamps = [] {
    const Result<Fd> memory = StampLedger::create();
    return std::move(*StampLedger::open(*memory));
  }();
  VoucherKey vouchers = std::move(*VoucherKey::open(*VoucherKey::create()));
  std::vector<SessionStart> started;

  Keeper keeper(Keeper::Logins logins = Keeper::Logins::many) {
    return Keeper{{handover, checker, stamps, vouchers, log}, logins, [this](SessionStart start) {
                    started.push_back(std::move(start));
                    return Result<void>{};
                  }};
  }
};

struct Client {
  Fd ours, theirs;

  Client() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    ours = Fd{ends[0]};
    theirs = Fd{ends[1]};
  }
};

Channel::Received with_descriptor(const GateMessage& message, Fd descriptor) {
  Channel::Received received;
  received.record = encode(message);
  received.descriptor = std::move(descriptor);
  return received;
}

Channel::Received password_attempt(std::uint64_t connection, std::string user,
                                   std::string_view password, std::string address = "127.0.0.1") {
  return with_descriptor(PasswordAttempt{connection, std::move(user), Secret{password},
                                         std::move(address), "STAT\r\n"},
                         Client{}.theirs.duplicate().value());
}

Verdict verdict_of(const Result<KeeperMessage>& answer) {
  REQUIRE(answer);
  REQUIRE(std::holds_alternative<Verdict>(*answer));
  return std::get<Verdict>(*answer);
}

}  // namespace

TEST_CASE("A right password starts a session with the client and what it sent", "[popper]") {
  Bench bench;
  Keeper keeper = bench.keeper();
  const Verdict verdict = verdict_of(keeper.answer(password_attempt(7, "jo", "right")));
  CHECK(verdict.outcome == Verdict::Outcome::accepted);
  CHECK(verdict.connection == 7);
  CHECK(verdict.reply.empty());
  REQUIRE(bench.started.size() == 1);
  CHECK(bench.started[0].account.name == "jo");
  CHECK(bench.started[0].pipelined == "STAT\r\n");
  CHECK(bench.started[0].client.is_open());
}

TEST_CASE("The session of a relayed client talks to the gate", "[popper][tls]") {
  Bench bench;
  bench.handover.settings.tls_server_cert_file = "/etc/popper/certificate.pem";
  Keeper keeper = bench.keeper();
  PasswordAttempt attempt{9, "jo", Secret{"right"}, "127.0.0.1", "", ""};
  attempt.relayed = attempt.over_tls = true;
  const auto answer_to = [&](PasswordAttempt one) {
    return verdict_of(keeper.answer(
        with_descriptor(GateMessage{std::move(one)}, Client{}.theirs.duplicate().value())));
  };
  REQUIRE(answer_to(std::move(attempt)).outcome == Verdict::Outcome::accepted);
  const Fd gates_end = keeper.take_relay_end();
  REQUIRE(gates_end.is_open());
  REQUIRE(bench.started.size() == 1);
  CHECK(bench.started[0].over_tls);
  REQUIRE(::send(bench.started[0].client.get(), "+OK", 3, 0) == 3);
  char heard[8];
  CHECK(::recv(gates_end.get(), heard, sizeof heard, 0) == 3);
  CHECK_FALSE(keeper.take_relay_end().is_open());

  PasswordAttempt wrong{10, "jo", Secret{"wrong"}, "127.0.0.1", "", ""};
  wrong.relayed = true;
  REQUIRE(answer_to(std::move(wrong)).outcome == Verdict::Outcome::rejected);
  CHECK_FALSE(keeper.take_relay_end().is_open());
}

TEST_CASE("A gate that relays where there is no TLS was broken into", "[popper][tls]") {
  Bench bench;
  const auto answer_to = [&](bool relayed, bool over_tls) {
    PasswordAttempt attempt{9, "jo", Secret{"right"}, "127.0.0.1", "", "", relayed, over_tls};
    return bench.keeper().answer(
        with_descriptor(GateMessage{std::move(attempt)}, Client{}.theirs.duplicate().value()));
  };
  CHECK(answer_to(true, true).error().code == Errc::corrupt);
  CHECK(answer_to(false, true).error().code == Errc::corrupt);
  bench.handover.settings.tls_server_cert_file = "/etc/popper/certificate.pem";
  CHECK(answer_to(false, true).error().code == Errc::corrupt);
  CHECK(answer_to(true, true));
}

TEST_CASE("A refusal tells the client one text, and the log why", "[popper]") {
  Bench bench;
  Keeper keeper = bench.keeper();
  const Verdict wrong = verdict_of(keeper.answer(password_attempt(1, "jo", "sesame")));
  CHECK(wrong.outcome == Verdict::Outcome::rejected);
  CHECK(wrong.reply.starts_with("-ERR [AUTH]"));
  CHECK(wrong.reply.find_first_of("\r\n") == std::string::npos);
  const Verdict down = verdict_of(keeper.answer(password_attempt(2, "unlucky", "sesame")));
  CHECK(down.outcome == Verdict::Outcome::unavailable);
  CHECK(bench.started.empty());
  bool says_why = false;
  for (const std::string& line : bench.lines) {
    CHECK(line.find("sesame") == std::string::npos);
    says_why = says_why || line.find("wrong password") != std::string::npos;
  }
  CHECK(says_why);
}

TEST_CASE("Nobody becomes root, whatever the checker says", "[popper]") {
  Bench bench;
  bench.checker.uid = 0;
  Keeper keeper = bench.keeper();
  CHECK(verdict_of(keeper.answer(password_attempt(1, "jo", "right"))).outcome ==
        Verdict::Outcome::rejected);
  CHECK(bench.started.empty());
}

TEST_CASE("Only who knows the password hears of the shell", "[popper]") {
  Bench bench;
  bench.handover.settings.require_shell = true;
  Keeper keeper = bench.keeper();
  const auto reply_to = [&](std::uint64_t connection, std::string_view password) {
    return verdict_of(keeper.answer(password_attempt(connection, "jo", password))).reply;
  };
  CHECK(reply_to(1, "right") == "-ERR [AUTH] No user shell defined");
  bench.checker.shell = "/no/such/shell";
  CHECK(reply_to(2, "right") == "-ERR [AUTH] \"jo\": shell not found.");
  CHECK(reply_to(3, "wrong") == "-ERR [AUTH] Password supplied for \"jo\" is incorrect.");
  CHECK(bench.started.empty());
  const auto guesses = [&](std::string_view kind) {
    return std::ranges::count_if(bench.lines, [&](const std::string& line) {
      return line.find("guess=" + std::string{kind}) != line.npos;
    });
  };
  CHECK(guesses("none") == 2);
  CHECK(guesses("new") == 1);
}

TEST_CASE("A gate that breaks the rules is found out", "[popper]") {
  Bench bench;
  Keeper keeper = bench.keeper();
  SECTION("noise") {
    Channel::Received noise;
    noise.record = "noise";
    CHECK_FALSE(keeper.answer(std::move(noise)));
  }
  SECTION("an attempt without a client") {
    CHECK_FALSE(keeper.answer(
        with_descriptor(PasswordAttempt{1, "jo", Secret{"right"}, "127.0.0.1", ""}, Fd{})));
  }
  SECTION("a descriptor that is no use") {
    CHECK_FALSE(
        keeper.answer(with_descriptor(StampsWanted{1}, Client{}.theirs.duplicate().value())));
  }
  SECTION("a descriptor that is no socket") {
    CHECK_FALSE(keeper.answer(with_descriptor(
        PasswordAttempt{1, "jo", Secret{"right"}, "127.0.0.1", ""}, Fd{::dup(STDIN_FILENO)})));
  }
  SECTION("an address that is not the client's") {
    CHECK_FALSE(keeper.answer(password_attempt(1, "jo", "right", "192.0.2.1")));
  }
  SECTION("a socket that is no connection of a client") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd other{ends[1]};
    CHECK_FALSE(keeper.answer(
        with_descriptor(PasswordAttempt{1, "jo", Secret{"right"}, "127.0.0.1", ""}, Fd{ends[0]})));
  }
  SECTION("a second attempt for a connection that was rejected") {
    (void)verdict_of(keeper.answer(password_attempt(1, "jo", "wrong")));
    CHECK_FALSE(keeper.answer(password_attempt(1, "jo", "right")));
  }
  SECTION("a connection without a name") {
    CHECK_FALSE(keeper.answer(password_attempt(0, "jo", "right")));
  }
  SECTION("more stamps than one record holds") {
    CHECK_FALSE(keeper.answer(with_descriptor(StampsWanted{most_stamps + 1}, Fd{})));
  }
  CHECK(bench.started.empty());
}

TEST_CASE("Only from a proxy may the client be somebody else", "[popper][proxy]") {
  Bench bench;
  bench.handover.settings.proxy_networks = "127.0.0.0/8";
  Keeper keeper = bench.keeper();
  SECTION("an address of either family") {
    CHECK(verdict_of(keeper.answer(password_attempt(1, "jo", "right", "192.0.2.1"))).outcome ==
          Verdict::Outcome::accepted);
    CHECK(verdict_of(keeper.answer(password_attempt(2, "jo", "right", "2001:db8::1"))).outcome ==
          Verdict::Outcome::accepted);
    REQUIRE(bench.started.size() == 2);
    CHECK(bench.started[0].address == "192.0.2.1");
  }
  SECTION("no address at all") {
    CHECK_FALSE(keeper.answer(password_attempt(1, "jo", "right", "localhost")));
    CHECK_FALSE(keeper.answer(password_attempt(2, "jo", "right", "")));
  }
  SECTION("another network") {
    bench.handover.settings.proxy_networks = "192.0.2.0/24";
    Keeper other = bench.keeper();
    CHECK_FALSE(other.answer(password_attempt(1, "jo", "right", "192.0.2.1")));
  }
}

TEST_CASE("After the one login nothing more is answered", "[popper]") {
  Bench bench;
  Keeper keeper = bench.keeper(Keeper::Logins::one);
  CHECK_FALSE(keeper.is_over());
  (void)verdict_of(keeper.answer(password_attempt(1, "jo", "right")));
  CHECK(keeper.is_over());
  CHECK_FALSE(keeper.answer(password_attempt(2, "jo", "right")));
  CHECK_FALSE(keeper.answer(with_descriptor(StampsWanted{1}, Fd{})));
  CHECK(bench.started.size() == 1);
}

TEST_CASE("APOP needs a stamp of ours, and each is good once", "[popper][apop]") {
  Bench bench;
  Keeper keeper = bench.keeper();
  const Result<KeeperMessage> answer = keeper.answer(with_descriptor(StampsWanted{2}, Fd{}));
  REQUIRE(answer);
  const Stamps stamps = std::get<Stamps>(*answer);
  REQUIRE(stamps.stamps.size() == 2);
  std::uint64_t connection = 0;
  const auto attempt = [&](const std::string& stamp, const std::string& digest) {
    return verdict_of(keeper.answer(with_descriptor(
                          ApopAttempt{++connection, "jo", stamp, digest, "127.0.0.1", ""},
                          Client{}.theirs.duplicate().value())))
        .outcome;
  };
  CHECK(attempt("<1.2.3.4@host.example>", "good") == Verdict::Outcome::rejected);
  CHECK(attempt(stamps.stamps[0], "bad") == Verdict::Outcome::rejected);
  CHECK(attempt(stamps.stamps[0], "good") == Verdict::Outcome::rejected);
  CHECK(attempt(stamps.stamps[1], "good") == Verdict::Outcome::accepted);
}

TEST_CASE("A stamp that was given back is refused", "[popper][apop]") {
  Bench bench;
  Keeper keeper = bench.keeper();
  const Result<KeeperMessage> answer = keeper.answer(with_descriptor(StampsWanted{2}, Fd{}));
  REQUIRE(answer);
  const Stamps stamps = std::get<Stamps>(*answer);
  REQUIRE(keeper.answer(with_descriptor(StampsWanted{0, {stamps.stamps[0]}}, Fd{})));
  CHECK(verdict_of(keeper.answer(with_descriptor(
                       ApopAttempt{1, "jo", stamps.stamps[0], "good", "127.0.0.1", ""},
                       Client{}.theirs.duplicate().value())))
            .outcome == Verdict::Outcome::rejected);
  CHECK(verdict_of(keeper.answer(with_descriptor(
                       ApopAttempt{2, "jo", stamps.stamps[1], "good", "127.0.0.1", ""},
                       Client{}.theirs.duplicate().value())))
            .outcome == Verdict::Outcome::accepted);
}

TEST_CASE("There are no stamps while APOP cannot be used", "[popper][apop]") {
  Bench bench;
  bench.checker.usable = false;
  Keeper keeper = bench.keeper();
  const Result<KeeperMessage> answer = keeper.answer(with_descriptor(StampsWanted{8}, Fd{}));
  REQUIRE(answer);
  CHECK(std::get<Stamps>(*answer).stamps.empty());
}

// --- AUTH

namespace {

/// A keeper that takes EXTERNAL and SCRAM.
struct SaslBench : Bench {
  std::unique_ptr<SaslServer> sasl;

  SaslBench() {
    handover.settings.tls_server_cert_file = "/etc/popper/certificate.pem";
    handover.settings.tls_client_user = ClientUser::subject_cn;
    sasl = std::make_unique<SaslServer>(handover.settings, "host.example");
  }
  Keeper sasl_keeper() {
    return Keeper{{handover, checker, stamps, vouchers, log, 0, sasl.get()},
                  Keeper::Logins::many,
                  [this](SessionStart start) {
                    started.push_back(std::move(start));
                    return Result<void>{};
                  }};
  }
};

Channel::Received sasl_begin(std::string mechanism, std::string identity,
                             std::string_view response = "") {
  SaslBegin begin;
  begin.connection = 5;
  begin.mechanism = std::move(mechanism);
  begin.has_response = true;
  begin.response = Secret{response};
  begin.address = "127.0.0.1";
  begin.pipelined = "STAT\r\n";
  begin.relayed = begin.over_tls = true;
  begin.tls_bits = 256;
  begin.identity = std::move(identity);
  return with_descriptor(std::move(begin), Client{}.theirs.duplicate().value());
}

Channel::Received sasl_response(std::uint64_t connection) {
  return with_descriptor(SaslResponse{connection, Secret{"x"}, "", ""},
                         Client{}.theirs.duplicate().value());
}

}  // namespace

TEST_CASE("a mechanism that has proved a user starts the session", "[popper][sasl]") {
  SaslBench bench;
  Keeper keeper = bench.sasl_keeper();
  const Verdict verdict = verdict_of(keeper.answer(sasl_begin("EXTERNAL", "jo")));
  CHECK(verdict.outcome == Verdict::Outcome::accepted);
  REQUIRE(bench.started.size() == 1);
  CHECK(bench.started[0].mechanism == "EXTERNAL");
  CHECK(bench.started[0].pipelined == "STAT\r\n");
  CHECK_FALSE(bench.started[0].layer);
  // For one connection there is one verdict.
  CHECK_FALSE(keeper.answer(sasl_begin("EXTERNAL", "jo")));
}

TEST_CASE("a mechanism that was proved wrong, or is not offered, is a failed login",
          "[popper][sasl]") {
  for (const auto& [mechanism, identity, response] :
       {std::array{"EXTERNAL", "jo", "al"}, std::array{"EXTERNAL", "al", ""},
        std::array{"EXTERNAL", "", "jo"}, std::array{"DIGEST-MD5", "", ""},
        std::array{"PLAIN", "jo", ""}, std::array{"SCRAM-SHA-256", "jo", "jo"}}) {
    CAPTURE(mechanism, identity, response);
    SaslBench bench;
    Keeper keeper = bench.sasl_keeper();
    const Verdict verdict = verdict_of(keeper.answer(sasl_begin(mechanism, identity, response)));
    CHECK(verdict.outcome == Verdict::Outcome::rejected);
    CHECK(verdict.reply == "-ERR [AUTH] authentication failure");
    CHECK(bench.started.empty());
  }
}

TEST_CASE("only mechanisms that there are can be asked for", "[popper][sasl]") {
  SaslBench bench;
  Keeper keeper = bench.sasl_keeper();
  CHECK_FALSE(keeper.answer(sasl_begin("NO-SUCH", "jo")));
}

TEST_CASE("an answer to an exchange that is not there is nobody's fault", "[popper][sasl]") {
  SaslBench bench;
  Keeper keeper = bench.sasl_keeper();
  const Verdict verdict = verdict_of(keeper.answer(sasl_response(9)));
  CHECK(verdict.outcome == Verdict::Outcome::unavailable);
  CHECK(verdict.connection == 9);
}

TEST_CASE("a guess whose name comes with the proof is told to the gate before the verdict",
          "[popper][sasl]") {
  SaslBench bench;
  const test::TemporaryDirectory directory;
  bench.handover.settings.credential_file = directory.path() / "credentials";
  REQUIRE(CredentialDbWriter::create(system_disk(), bench.handover.settings.credential_file));
  bench.sasl = {};
  bench.sasl = std::make_unique<SaslServer>(bench.handover.settings, "host.example");
  Keeper keeper = bench.sasl_keeper();
  std::vector<GuessKeys> guesses;
  for (const char* user : {"jo", "nobody"}) {
    SaslBegin begin;
    begin.connection = 5 + guesses.size();
    begin.mechanism = "CRAM-MD5";
    begin.address = "127.0.0.1";
    const auto send = [&](GateMessage message) {
      return keeper.answer(
          with_descriptor(std::move(message), Client{}.theirs.duplicate().value()));
    };
    const auto challenge_of = [](const Result<KeeperMessage>& answer) {
      REQUIRE(answer);
      REQUIRE(std::holds_alternative<SaslChallenge>(*answer));
      return std::get<SaslChallenge>(*answer);
    };
    const std::uint64_t connection = begin.connection;
    const SaslChallenge first = challenge_of(send(std::move(begin)));
    CHECK(first.to == SaslChallenge::To::client);
    CHECK(first.guess == GuessKeys{});
    const std::string answer = std::string{user} + " 0123456789abcdef0123456789abcdef";
    const SaslChallenge named =
        challenge_of(send(SaslResponse{connection, Secret{answer}, "", ""}));
    CHECK(named.to == SaslChallenge::To::gate);
    CHECK(named.challenge.empty());
    CHECK(named.guess.user != 0);
    const Verdict verdict = verdict_of(send(SaslResponse{connection, {}, "", ""}));
    CHECK(verdict.outcome == Verdict::Outcome::rejected);
    CHECK(verdict.guess == named.guess);
    guesses.push_back(named.guess);
  }
  CHECK(guesses[0] != guesses[1]);
}

TEST_CASE("a password that came by AUTH is checked and told as one by PASS", "[popper][sasl]") {
  Bench bench;
  Keeper keeper = bench.keeper();
  PasswordAttempt attempt{7, "jo", Secret{"wrong"}, "127.0.0.1", "", ""};
  attempt.by = PasswordBy::plain;
  const Verdict verdict = verdict_of(
      keeper.answer(with_descriptor(std::move(attempt), Client{}.theirs.duplicate().value())));
  CHECK(verdict.reply == "-ERR [AUTH] Password supplied for \"jo\" is incorrect.");
}

// --- Kerberos

namespace {

Channel::Received kerberos_attempt(std::uint64_t connection, std::string user,
                                   std::string voucher) {
  return with_descriptor(
      KerberosAttempt{connection, std::move(user), std::move(voucher), "127.0.0.1", "", ""},
      Client{}.theirs.duplicate().value());
}

constexpr std::int64_t far_away = std::int64_t{1} << 40;

}  // namespace

TEST_CASE("A gate brought a voucher by AUTH though GSSAPI was not offered", "[popper][kerberos]") {
  Bench bench;
  bool is_allowed = false;
  SECTION("no keytab") {}
  SECTION("another mechanism is named") {
    bench.handover.settings.kerberos_keytab = "/etc/krb5.keytab";
    bench.handover.settings.sasl_mechanisms = "SCRAM-SHA-256";
  }
  SECTION("strength is wanted, and there is no TLS") {
    bench.handover.settings.kerberos_keytab = "/etc/krb5.keytab";
    bench.handover.settings.sasl_min_ssf = 1;
  }
  SECTION("it is") {
    bench.handover.settings.kerberos_keytab = "/etc/krb5.keytab";
    is_allowed = true;
  }
  Keeper keeper = bench.keeper();
  KerberosAttempt attempt;
  attempt.connection = 1;
  attempt.user = "jo";
  attempt.voucher = bench.vouchers.seal({1, "jo", "jo@EXAMPLE.ORG", far_away});
  attempt.address = "127.0.0.1";
  attempt.by_auth = true;
  const Verdict verdict = verdict_of(
      keeper.answer(with_descriptor(std::move(attempt), Client{}.theirs.duplicate().value())));
  CHECK((verdict.outcome == Verdict::Outcome::accepted) == is_allowed);
}

TEST_CASE("A voucher by AUTH tells a stranger nothing", "[popper][kerberos]") {
  Bench bench;
  bench.handover.settings.kerberos_keytab = "/etc/krb5.keytab";
  Keeper keeper = bench.keeper();
  const auto answer = [&](std::uint64_t connection, std::string user, std::string voucher) {
    KerberosAttempt attempt;
    attempt.connection = connection;
    attempt.user = std::move(user);
    attempt.voucher = std::move(voucher);
    attempt.address = "127.0.0.1";
    attempt.by_auth = true;
    if (attempt.voucher.empty()) attempt.why = "the ticket is torn";
    return verdict_of(keeper.answer(with_descriptor(attempt, Client{}.theirs.duplicate().value())));
  };
  const std::string good = bench.vouchers.seal({1, "jo", "jo@EXAMPLE.ORG", far_away});
  CHECK(answer(1, "jo", good).outcome == Verdict::Outcome::accepted);
  REQUIRE(bench.started.size() == 1);
  CHECK(bench.started[0].mechanism == "GSSAPI");
  const std::string other = bench.vouchers.seal({2, "al", "al@EXAMPLE.ORG", far_away});
  for (const Verdict& verdict : {answer(2, "jo", other), answer(3, "", "")}) {
    CHECK(verdict.outcome == Verdict::Outcome::rejected);
    CHECK(verdict.reply == "-ERR [AUTH] authentication failure");
  }
  CHECK(std::ranges::any_of(bench.lines, [](const std::string& line) {
    return line.find("by=GSSAPI") != line.npos && line.find("the ticket is torn") != line.npos;
  }));
}

TEST_CASE("A voucher lets in whom it names, on its own connection", "[popper][kerberos]") {
  Bench bench;
  Keeper keeper = bench.keeper();
  const auto voucher_for = [&](std::uint64_t connection, std::string user) {
    return bench.vouchers.seal({connection, user, user + "@EXAMPLE.ORG", far_away});
  };
  CHECK(verdict_of(keeper.answer(kerberos_attempt(1, "jo", voucher_for(1, "jo")))).outcome ==
        Verdict::Outcome::accepted);
  CHECK(bench.started.size() == 1);
  const Verdict other = verdict_of(keeper.answer(kerberos_attempt(2, "jo", voucher_for(2, "al"))));
  CHECK(other.outcome == Verdict::Outcome::rejected);
  CHECK(other.reply == "-ERR [AUTH] Wrong username supplied (al@EXAMPLE.ORG vs. jo).");
  const std::string whole_name = bench.vouchers.seal({9, "jo.local", "jo", far_away});
  CHECK(verdict_of(keeper.answer(kerberos_attempt(9, "jo", whole_name))).outcome ==
        Verdict::Outcome::accepted);
  const Verdict unknown =
      verdict_of(keeper.answer(kerberos_attempt(3, "al", voucher_for(3, "al"))));
  CHECK(unknown.outcome == Verdict::Outcome::rejected);
  const std::string expired = bench.vouchers.seal({4, "jo", "jo@EXAMPLE.ORG", 1});
  CHECK(verdict_of(keeper.answer(kerberos_attempt(4, "jo", expired))).outcome ==
        Verdict::Outcome::rejected);
  std::string forged = voucher_for(5, "jo");
  forged.back() = '!';
  CHECK(verdict_of(keeper.answer(kerberos_attempt(5, "jo", forged))).outcome ==
        Verdict::Outcome::rejected);
  CHECK(verdict_of(keeper.answer(kerberos_attempt(6, "jo", ""))).outcome ==
        Verdict::Outcome::rejected);
  CHECK(bench.started.size() == 2);
  SECTION("elsewhere it is taken for theft") {
    CHECK_FALSE(keeper.answer(kerberos_attempt(8, "jo", voucher_for(7, "jo"))));
  }
  SECTION("nor is it good twice") {
    CHECK_FALSE(keeper.answer(kerberos_attempt(1, "jo", voucher_for(1, "jo"))));
  }
}
