#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "auth/guess_hash.h"
#include "auth/login_name.h"
#include "auth/password_check.h"
#include "auth/sasl_server.h"
#include "auth/voucher.h"
#include "base/clock.h"
#include "conf/network_list.h"
#include "daemon/scoreboard.h"
#include "ipc/channel.h"
#include "ipc/frame.h"
#include "log/log.h"
#include "popper/handover.h"
#include "popper/open_exchanges.h"
#include "popper/session_start.h"
#include "popper/stamp_ledger.h"

namespace pop {

/// What a keeper works with; all must outlive it.
struct KeeperContext {
  const Handover& handover;
  PasswordChecker& checker;
  StampLedger& stamps;
  const VoucherKey& vouchers;
  Log& log;
  std::uint64_t guess_seed = 0;  // as the gate's
  SaslServer* sasl = nullptr;    // null: AUTH is not offered
  Activity activity{};           // that logins are counted in
};

/// Answers one gate's requests: the only door between what strangers sent and root. Checks
/// credentials, and itself starts the session of whoever is right, so that a gate that was broken
/// into cannot invent a login. One mechanism is an exception: for EXTERNAL the gate's word counts
/// about the client's certificate, since the handshake is the gate's; it is offered only where
/// tls-client-user is set.
class Keeper {
 public:
  /// Gives the client to a session. Errors are the keeper's to log; the client comes again later.
  using StartSession = std::function<Result<void>(SessionStart)>;
  /// many: for a pool. one: the first login ends all.
  enum class Logins : std::uint8_t { one, many };

  Keeper(const KeeperContext& context, Logins logins, StartSession start_session);

  /// Decides about one record from the gate: the answer, to be sent back. Any error means that the
  /// gate cannot be trusted any more: hang up on it.
  [[nodiscard]] Result<KeeperMessage> answer(Channel::Received received);

  /// After a verdict that let a relayed client in: the other end of the session's socket pair, for
  /// the gate. Not open after any other answer.
  [[nodiscard]] Fd take_relay_end() { return std::exchange(relay_end_, Fd{}); }

  /// Exchanges of AUTH whose clients think too long end at this time; nullopt: there are none.
  [[nodiscard]] std::optional<OpenExchanges::Time> next_expiry() const {
    return exchanges_.next_expiry();
  }
  void expire_exchanges(OpenExchanges::Time now);
  /// No client will go on with one any more.
  void end_exchanges();

  /// For a process that was forked to be a session: it must not know what others are about to prove
  /// themselves with.
  void forget_exchanges() { exchanges_.clear(); }

  /// After the one login nothing more is answered.
  [[nodiscard]] bool is_over() const { return phase_ == Phase::over; }

 private:
  enum class Phase : std::uint8_t { authorization, over };
  /// once: for a connection that was accepted or rejected there is no second try.
  enum class Repeat : std::uint8_t { once, many };
  enum class Descriptor : std::uint8_t { none, client };
  struct RequestRule {
    std::string_view name;
    Phase phase;
    Repeat repeat;
    Descriptor descriptor;
  };
  static const std::array<RequestRule, std::variant_size_v<GateMessage>> rules;

  using Attempt = LoginAttempt;

  [[nodiscard]] Result<void> check_rule(const GateMessage& message, bool has_descriptor) const;
  [[nodiscard]] Result<KeeperMessage> answer(StampsWanted& wanted, Fd client);
  [[nodiscard]] Result<KeeperMessage> answer(PasswordAttempt& attempt, Fd client);
  [[nodiscard]] Result<KeeperMessage> answer(ApopAttempt& attempt, Fd client);
  [[nodiscard]] Result<KeeperMessage> answer(SaslBegin& begin, Fd client);
  [[nodiscard]] Result<KeeperMessage> answer(SaslResponse& response, Fd client);
  [[nodiscard]] Result<KeeperMessage> answer(KerberosAttempt& attempt, Fd client);

  [[nodiscard]] bool may_use_gssapi(const Attempt& attempt) const;
  [[nodiscard]] Result<void> check_address(const Attempt& attempt) const;
  /// What to answer where the address is not the client's.
  [[nodiscard]] std::optional<Result<KeeperMessage>> objection_to(const Attempt& attempt);
  using Users = std::vector<std::string>;
  /// Who alone may log in there; nullptr: anybody.
  [[nodiscard]] const Users* only_users_of(const Fd& client) const;
  [[nodiscard]] Result<Account> check(const PasswordAttempt& attempt, const Users* only) const;
  [[nodiscard]] Result<Account> check(const ApopAttempt& attempt, const Users* only) const;
  [[nodiscard]] Result<std::unique_ptr<SaslExchange>> begin_exchange(SaslBegin& begin) const;
  [[nodiscard]] KeeperMessage step(OpenExchange open, const Secret* response);
  [[nodiscard]] KeeperMessage keep_open(OpenExchange open, SaslChallenge answer);
  [[nodiscard]] static bool must_wait_first(const OpenExchange& open);
  void note_left(const OpenExchanges::Dropped& dropped) const;
  [[nodiscard]] Result<Account> check_proven(const OpenExchange& open) const;
  [[nodiscard]] Result<void> check_admission(const Attempt& attempt, const Account& account) const;
  [[nodiscard]] Result<void> check_shell(Attempt& attempt, const Account& account) const;
  [[nodiscard]] Verdict judge(Attempt attempt, Result<Account> account);
  [[nodiscard]] Result<void> start(Attempt& attempt, Account account);
  [[nodiscard]] static std::string refusal_of(const Attempt& attempt, Errc why,
                                              const std::string& user);
  [[nodiscard]] Verdict reject(const Attempt& attempt, const Error& why);
  [[nodiscard]] Verdict put_off(const Attempt& attempt, const Error& why);
  void count(const Attempt& attempt, LoginOutcome outcome);
  void log_refusal(const Attempt& attempt, std::string_view reply) const;

  [[nodiscard]] bool was_judged(std::uint64_t connection) const;
  void remember_judged(std::uint64_t connection);

  KeeperContext context_;
  LoginNames names_;
  GuessHash guesses_;
  Logins logins_;
  StartSession start_session_;
  NetworkList proxies_;
  Fd relay_end_;
  OpenExchanges exchanges_;
  Phase phase_ = Phase::authorization;
  std::array<std::uint64_t, 256> judged_{};  // the latest, in a ring
  std::size_t next_judged_ = 0;
};

/// For a process that holds what PAM and NSS read: freed memory is overwritten, so that a session
/// which is forked later inherits nobody's password hash, and a crash leaves no core file.
void prepare_keeper_memory();

/// Program of a keeper in a pool, with its inherited descriptors in place: serves its gate, and
/// when that has gone waits for the sessions. SIGTERM ends the sessions, too.
[[nodiscard]] int run_keeper();

}  // namespace pop
