#include "popper/kerberos.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <list>
#include <optional>
#include <utility>

#include "auth/account.h"
#include "auth/sasl_policy.h"
#include "auth/voucher.h"
#include "base/clock.h"
#include "daemon/privileges.h"
#include "daemon/signals.h"
#include "popper/fair_places.h"
#include "popper/gss_acceptor.h"
#include "popper/kerberos_acceptor.h"
#include "popper/kerberos_message.h"
#include "popper/landlock.h"
#include "popper/pulse.h"
#include "popper/role_log.h"
#include "popper/session_filter.h"

namespace pop {
namespace {

std::chrono::sys_seconds now_in_seconds() {
  return std::chrono::floor<std::chrono::seconds>(system_clock().wall());
}

Result<Identity> identity_of(const Settings& settings) {
  if (!runs_as_root()) return Identity{::getuid(), ::getgid(), {}, 0077};
  const Result<Account> user = find_system_account(settings.gate_user);
  if (!user) return std::unexpected(Error{user.error()}.in("gate-user"));
  return Identity{user->uid, user->gid, {}, 0077};
}

// --- What has been used

// Nobody else can put anything there: else a name could lead root's hand elsewhere.
Result<void> check_directory(const std::filesystem::path& directory) {
  struct stat st {};
  const bool is_new = ::mkdir(directory.c_str(), 0700) == 0;
  if ((!is_new && errno != EEXIST) || (is_new && ::chmod(directory.c_str(), 0755) != 0)) {
    const int saved = errno;
    return fail_errno(saved, "make " + directory.native());
  }
  if (::lstat(directory.c_str(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "look at " + directory.native());
  }
  if (!S_ISDIR(st.st_mode)) return fail(Errc::denied, directory.native() + ": not a directory");
  const bool is_ours = st.st_uid == 0 || st.st_uid == ::geteuid();
  if (!is_ours || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Errc::denied,
                directory.native() + ": others than its owner, root, may write there");
  }
  return {};
}

// When the file was made; the epoch where the file system does not know.
std::chrono::sys_seconds birth_of(const Fd& file) {
  struct statx stx {};
  const bool is_known = ::statx(file.get(), "", AT_EMPTY_PATH, STATX_BTIME, &stx) == 0 &&
                        (stx.stx_mask & STATX_BTIME) != 0;
  return std::chrono::sys_seconds{std::chrono::seconds{is_known ? stx.stx_btime.tv_sec : 0}};
}

// What was used before the result nobody knows. An acceptor that starts after another has begun to
// write must not think that all is remembered.
Result<std::chrono::sys_seconds> make_replay_file(const std::filesystem::path& path,
                                                  const Identity& owner) {
  if (Result<void> good = check_directory(path.parent_path()); !good) {
    return std::unexpected(good.error());
  }
  const Fd file{::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600)};
  struct stat st {};
  if (!file.is_open() || ::fstat(file.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "open " + path.native());
  }
  const bool is_file = S_ISREG(st.st_mode) && st.st_nlink == 1;
  if (!is_file || (st.st_uid != ::geteuid() && st.st_uid != owner.uid)) {
    return fail(Errc::denied, path.native() + ": not a file of gate-user's own: remove it");
  }
  if (::fchmod(file.get(), 0600) != 0 || ::fchown(file.get(), owner.uid, owner.gid) != 0) {
    const int saved = errno;
    return fail_errno(saved, "give " + path.native() + " to gate-user");
  }
  return st.st_size > 0 ? std::min(birth_of(file), now_in_seconds()) : now_in_seconds();
}

// --- Confinement

Result<void> shut_in(const Identity& identity, const std::filesystem::path& replay_file) {
  const struct rlimit no_core {};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const Result<SessionFilter> filter = SessionFilter::make();
  if (!filter) return std::unexpected(filter.error());
  if (Result<void> done = become(identity); !done) return done;
  const std::array<std::filesystem::path, 1> writable{replay_file.parent_path()};
  const std::array<std::filesystem::path, 2> readable{"/etc", "/usr/share"};
  if (Result<void> done = enter_landlock({writable, readable}); !done) return done;
  return filter->enter();
}

/// gss: nothing where AUTH GSSAPI is not wanted, or cannot be served.
struct Libraries {
  KerberosAcceptor kerberos;
  std::optional<GssAcceptor> gss;
};

Result<Libraries> prepare(const Settings& settings, Log& log) {
  const Result<Identity> identity = identity_of(settings);
  if (!identity) return std::unexpected(identity.error());
  const Result<std::chrono::sys_seconds> since =
      make_replay_file(settings.kerberos_replay_file, *identity);
  if (!since) return std::unexpected(Error{since.error()}.in("kerberos-replay-file"));
  Result<KerberosAcceptor> kerberos = KerberosAcceptor::load(
      {settings.kerberos_service, settings.kerberos_keytab, settings.kerberos_replay_file, *since});
  if (!kerberos) return std::unexpected(kerberos.error());
  Libraries libraries{std::move(*kerberos), std::nullopt};
  if (wants_gssapi(settings)) {
    Result<GssAcceptor> gss = GssAcceptor::load(KerberosAcceptor::keys_in_memory);
    if (!gss) log.failure("serve AUTH GSSAPI", gss.error());
    if (gss) libraries.gss.emplace(std::move(*gss));
  }
  if (Result<void> done = shut_in(*identity, settings.kerberos_replay_file); !done) {
    return std::unexpected(done.error());
  }
  return libraries;
}

// --- The work

/// An exchange of AUTH GSSAPI that waits for its client.
struct OpenGss {
  std::uint64_t connection = 0;
  AddressKey address;
  std::chrono::steady_clock::time_point begun;
  std::string principal, user;  // of the ticket, and whom it maps to
  std::unique_ptr<GssAcceptor::Exchange> exchange;
};

class Acceptor {
 public:
  Acceptor(Libraries libraries, VoucherKey key, std::chrono::seconds login_timeout)
      : libraries_{std::move(libraries)}, key_{std::move(key)}, login_timeout_{login_timeout} {}

  [[nodiscard]] bool has_gss() const { return libraries_.gss.has_value(); }

  TicketAnswer answer(const TicketQuestion& question) {
    switch (question.kind) {
      case TicketQuestion::Kind::gss_begin:
        return begin(question);
      case TicketQuestion::Kind::gss_continue:
        return go_on(question);
      case TicketQuestion::Kind::ap_req:
        break;
    }
    KerberosAcceptor::Outcome outcome = libraries_.kerberos.judge(question.message);
    if (outcome.kind == KerberosAcceptor::Outcome::Kind::refused) {
      return refused(question, std::move(outcome.why), std::move(outcome.reply));
    }
    TicketAnswer answer = accepted(question, outcome.user, std::move(outcome.principal));
    answer.reply = std::move(outcome.reply);
    return answer;
  }

 private:
  static TicketAnswer refused(const TicketQuestion& question, std::string why,
                              std::string reply = "") {
    TicketAnswer answer{.connection = question.connection, .reply = std::move(reply)};
    answer.text = std::move(why);
    return answer;
  }

  TicketAnswer accepted(const TicketQuestion& question, std::string user,
                        std::string principal) const {
    TicketAnswer answer{.connection = question.connection};
    answer.outcome = TicketAnswer::Outcome::accepted;
    const std::chrono::sys_seconds expires = now_in_seconds() + login_timeout_;
    answer.voucher = key_.seal(
        {question.connection, std::move(user), principal, expires.time_since_epoch().count()});
    answer.text = std::move(principal);
    return answer;
  }

  // The ticket is judged as KPOP's is: once, and by the same rules.
  TicketAnswer begin(const TicketQuestion& question) {
    (void)take(question.connection);
    if (!libraries_.gss) return refused(question, "GSSAPI is not offered");
    const std::optional<std::string_view> ap_req = ap_req_in(question.message);
    if (!ap_req) return refused(question, "GSSAPI: a first message without a Kerberos 5 ticket");
    KerberosAcceptor::Outcome outcome = libraries_.kerberos.judge(*ap_req);
    if (outcome.kind == KerberosAcceptor::Outcome::Kind::refused) {
      return refused(question, std::move(outcome.why));
    }
    OpenGss open{question.connection,     address_key(question.address),
                 system_clock().steady(), outcome.principal,
                 std::move(outcome.user), libraries_.gss->begin(outcome.principal)};
    return step(question, std::move(open));
  }

  TicketAnswer go_on(const TicketQuestion& question) {
    std::optional<OpenGss> open = take(question.connection);
    if (open) return step(question, *std::move(open));
    return {.connection = question.connection, .outcome = TicketAnswer::Outcome::forgotten};
  }

  TicketAnswer step(const TicketQuestion& question, OpenGss open) {
    GssAcceptor::Step step = open.exchange->take(question.message);
    if (step.kind == GssAcceptor::Step::Kind::refused) {
      return refused(question, open.principal + ": " + step.why);
    }
    if (step.kind == GssAcceptor::Step::Kind::challenge) {
      keep(std::move(open));
      return {.connection = question.connection,
              .outcome = TicketAnswer::Outcome::challenge,
              .reply = std::move(step.challenge)};
    }
    TicketAnswer answer = accepted(question, open.user, std::move(open.principal));
    answer.user = step.claimed.empty() ? std::move(open.user) : std::move(step.claimed);
    return answer;
  }

  // Whoever has shown a good ticket has a place, and may think as long as a login may take.
  void keep(OpenGss open) {
    const auto gone = one_to_go(open_, exchange_places, open.address, &OpenGss::address);
    if (gone != open_.end()) open_.erase(gone);
    open_.push_back(std::move(open));
  }

  std::optional<OpenGss> take(std::uint64_t connection) {
    const auto now = system_clock().steady();
    std::erase_if(open_, [&](const OpenGss& one) { return one.begun + login_timeout_ < now; });
    const auto found = std::ranges::find(open_, connection, &OpenGss::connection);
    if (found == open_.end()) return std::nullopt;
    OpenGss taken = std::move(*found);
    open_.erase(found);
    return taken;
  }

  Libraries libraries_;
  VoucherKey key_;
  std::chrono::seconds login_timeout_;
  std::list<OpenGss> open_;  // the oldest first
};

void serve(Channel& gate, Acceptor& acceptor, Pulse* pulse, Log& log) {
  TicketAnswer hello;
  hello.outcome =
      acceptor.has_gss() ? TicketAnswer::Outcome::gss_ready : TicketAnswer::Outcome::ready;
  if (!gate.send(encode(hello))) return;
  while (true) {
    Result<std::optional<Channel::Received>> received = gate.receive();
    if (!received) return log.failure("hear the gate", received.error());
    if (!*received) return;
    const Result<TicketQuestion> question = decode_ticket_question((*received)->record);
    if (!question) return log.failure("gate broke the rules", question.error());
    if (pulse != nullptr) pulse->mark(system_clock().steady());
    const TicketAnswer answer = acceptor.answer(*question);
    if (pulse != nullptr) pulse->clear();
    if (!gate.send(encode(answer))) return;
  }
}

int run(const Handover& handover, Log& log, Channel gate, const Fd& vouchers, Pulse* pulse) {
  ::prctl(PR_SET_NAME, "pop-kerberos");
  Result<VoucherKey> key = VoucherKey::open(vouchers);
  Result<Libraries> libraries =
      key ? prepare(handover.settings, log) : std::unexpected(key.error());
  if (!libraries) {
    log.failure("start a Kerberos acceptor", libraries.error());
    return EXIT_FAILURE;
  }
  Acceptor acceptor{std::move(*libraries), std::move(*key), handover.settings.login_timeout};
  serve(gate, acceptor, pulse, log);
  return EXIT_SUCCESS;
}

}  // namespace

bool wants_gssapi(const Settings& settings) {
  const SaslMechanism* const mechanism = find_sasl_mechanism("GSSAPI");
  return mechanism != nullptr && is_wanted(*mechanism, settings);
}

int run_kerberos_acceptor() {
  ignore_terminal_signals();
  Fd memory{inherited::settings}, shared{inherited::pulse};
  const Fd vouchers{inherited::vouchers};
  Channel gate{Fd{inherited::gate_channel}};
  const Result<Handover> handover = take_handover(memory);
  Result<Pulse> pulse = Pulse::open(shared);
  if (!handover || !pulse) return EXIT_FAILURE;
  memory = Fd{};
  shared = Fd{};
  Log log = open_log(handover->log, handover->settings);
  return run(*handover, log, std::move(gate), vouchers, &*pulse);
}

int run_single_kerberos_acceptor(const Handover& handover, Log& log, Channel gate,
                                 const Fd& vouchers) {
  return run(handover, log, std::move(gate), vouchers, nullptr);
}

}  // namespace pop
