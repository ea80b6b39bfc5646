#include "popper/kerberos.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include "auth/account.h"
#include "auth/voucher.h"
#include "base/clock.h"
#include "daemon/privileges.h"
#include "daemon/signals.h"
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

enum class Memory : std::uint8_t { kept, lost };

// lost: nobody knows what was used before now.
Result<Memory> make_replay_file(const std::filesystem::path& path, const Identity& owner) {
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
  return st.st_size > 0 ? Memory::kept : Memory::lost;
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

Result<KerberosAcceptor> prepare(const Settings& settings) {
  const Result<Identity> identity = identity_of(settings);
  if (!identity) return std::unexpected(identity.error());
  const Result<Memory> memory = make_replay_file(settings.kerberos_replay_file, *identity);
  if (!memory) return std::unexpected(Error{memory.error()}.in("kerberos-replay-file"));
  KerberosAcceptor::Set set{
      settings.kerberos_service, settings.kerberos_keytab, settings.kerberos_replay_file, {}};
  if (*memory == Memory::lost) set.not_before = now_in_seconds();
  Result<KerberosAcceptor> acceptor = KerberosAcceptor::load(set);
  if (!acceptor) return acceptor;
  if (Result<void> done = shut_in(*identity, settings.kerberos_replay_file); !done) {
    return std::unexpected(done.error());
  }
  return acceptor;
}

// --- The work

class Acceptor {
 public:
  Acceptor(KerberosAcceptor kerberos, VoucherKey key, std::chrono::seconds voucher_life)
      : kerberos_{std::move(kerberos)}, key_{std::move(key)}, voucher_life_{voucher_life} {}

  TicketAnswer answer(const TicketQuestion& question) {
    KerberosAcceptor::Outcome outcome = kerberos_.judge(question.ap_req);
    TicketAnswer answer{.connection = question.connection, .reply = std::move(outcome.reply)};
    if (outcome.kind == KerberosAcceptor::Outcome::Kind::refused) {
      answer.text = std::move(outcome.why);
      return answer;
    }
    answer.outcome = TicketAnswer::Outcome::accepted;
    const std::chrono::sys_seconds expires = now_in_seconds() + voucher_life_;
    answer.voucher = key_.seal({question.connection, std::move(outcome.user), outcome.principal,
                                expires.time_since_epoch().count()});
    answer.text = std::move(outcome.principal);
    return answer;
  }

 private:
  KerberosAcceptor kerberos_;
  VoucherKey key_;
  std::chrono::seconds voucher_life_;
};

void serve(Channel& gate, Acceptor& acceptor, Pulse* pulse, Log& log) {
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
  Result<KerberosAcceptor> kerberos =
      key ? prepare(handover.settings) : std::unexpected(key.error());
  if (!kerberos) {
    log.failure("start a Kerberos acceptor", kerberos.error());
    return EXIT_FAILURE;
  }
  Acceptor acceptor{std::move(*kerberos), std::move(*key), handover.settings.login_timeout};
  serve(gate, acceptor, pulse, log);
  return EXIT_SUCCESS;
}

}  // namespace

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
