#include "popper/gate_group.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>
#include <utility>

#include "auth/voucher.h"
#include "daemon/role.h"
#include "daemon/scoreboard.h"
#include "popper/gate.h"
#include "popper/gate_events.h"
#include "popper/kerberos.h"
#include "popper/notify/login_notifier.h"
#include "popper/stamp_ledger.h"

namespace pop {

struct AttendantKind {
  const char* role;                                          // first argument of its program
  std::string_view name;                                     // in the log
  std::int64_t (*count)(const Settings&, const Listeners&);  // for each gate
  std::string_view order;                                    // that gives the gate its channel
  /// What it inherits besides settings, channel and pulse.
  std::vector<Placed> (*inherits)(const Generation&);
  bool is_keeper = false;  // with a table in the census, and orders from the master
};

namespace {

constexpr std::chrono::seconds pause_after_failure{1};

std::vector<Placed> what_resolvers_need(const Generation&) {
  return {};
}

std::vector<Placed> what_keepers_need(const Generation& generation) {
  std::vector<Placed> needs{{generation.stamps.get(), inherited::stamps},
                            {generation.vouchers.get(), inherited::vouchers}};
  if (generation.scoreboard.is_open()) {
    needs.push_back({generation.scoreboard.get(), inherited::scoreboard});
  }
  if (generation.notifier) {
    needs.push_back({generation.notifier->keepers_end(), inherited::notices});
  }
  return needs;
}

std::vector<Placed> what_kerberos_acceptors_need(const Generation& generation) {
  return {{generation.vouchers.get(), inherited::vouchers}};
}

std::int64_t keepers(const Settings& settings, const Listeners&) {
  return settings.keepers;
}
std::int64_t resolvers(const Settings& settings, const Listeners&) {
  return settings.reverse_lookup ? 1 : 0;
}
std::int64_t kerberos_acceptors(const Settings& settings, const Listeners& listeners) {
  return want_tickets(listeners.all(), settings) || wants_gssapi(settings) ? 1 : 0;
}

// Several keepers: checks block, so one slow directory look-up must not stop every other login.
constexpr std::array attendant_kinds{
    AttendantKind{keeper_role, "keeper", keepers, gate_order::keeper, what_keepers_need, true},
    AttendantKind{resolver_role, "resolver", resolvers, gate_order::names, what_resolvers_need},
    AttendantKind{kerberos_role, "kerberos-acceptor", kerberos_acceptors, gate_order::kerberos,
                  what_kerberos_acceptors_need},
};

struct PulseEnds {
  Fd memory;
  Pulse pulse;
};

Result<PulseEnds> make_pulse() {
  Result<Fd> memory = Pulse::create();
  if (!memory) return std::unexpected(memory.error());
  Result<Pulse> pulse = Pulse::open(*memory);
  if (!pulse) return std::unexpected(pulse.error());
  return PulseEnds{std::move(*memory), std::move(*pulse)};
}

}  // namespace

Result<std::shared_ptr<const Generation>> Generation::create(const Handover& handover,
                                                             std::shared_ptr<TlsSupply> tls,
                                                             const Generation* earlier) {
  Handover without_secrets = handover;
  forget_notice_secrets(without_secrets.settings);
  forget_tls_secrets(without_secrets.settings);
  Result<Fd> settings = seal_handover(without_secrets);
  if (!settings) return std::unexpected(settings.error());
  Result<Fd> stamps = StampLedger::create();
  if (!stamps) return std::unexpected(stamps.error());
  Result<Fd> vouchers = VoucherKey::create();
  if (!vouchers) return std::unexpected(vouchers.error());
  const bool keeps_notifier = earlier && have_same_notices(earlier->values, handover.settings);
  Result<std::shared_ptr<NotifierProcess>> notifier =
      keeps_notifier ? earlier->notifier : NotifierProcess::create(handover);
  if (!notifier) return std::unexpected(notifier.error());
  Result<Fd> scoreboard = Fd{};
  const std::filesystem::path& board = handover.settings.scoreboard;
  if (!board.empty()) scoreboard = Scoreboard::open_file(board);
  std::optional<Error> no_scoreboard;
  if (!scoreboard) no_scoreboard = std::exchange(scoreboard, Fd{}).error();
  return std::make_shared<const Generation>(Generation{
      handover.settings, std::move(*settings), std::move(*stamps), std::move(*vouchers),
      std::move(*scoreboard), std::move(no_scoreboard), std::move(*notifier), std::move(tls)});
}

GateGroup::GateGroup(std::shared_ptr<const Generation> generation, const Listeners& listeners,
                     CensusOffice& census, Log& log, Clock& clock)
    : generation_{std::move(generation)},
      listeners_{listeners},
      census_{census},
      log_{log},
      clock_{clock} {
  for (const AttendantKind& kind : attendant_kinds) {
    for (std::int64_t i = 0; i < kind.count(generation_->values, listeners); ++i) {
      attendants_.emplace_back();
      attendants_.back().kind = &kind;
    }
  }
}

// --- Starting

void GateGroup::start_what_is_due() {
  const Time now = clock_.steady();
  if (gate_.pid == 0 && gate_.due <= now) {
    if (const Result<void> done = start_gate(); !done) put_off(gate_, done.error());
  }
  if (gate_.pid == 0) return;
  for (Attendant& attendant : attendants_) {
    if (attendant.pid != 0 || attendant.due > now) continue;
    if (const Result<void> done = start(attendant); !done) put_off(attendant, done.error());
  }
}

// A gate whose queue is full hears of the rest another time.
void GateGroup::tell_of_tables() {
  for (; gate_.pid != 0 && tables_told_ < census_.size(); ++tables_told_) {
    if (tables_told_ == gate_table_) continue;
    if (!gate_.orders->send(gate_order::census, census_.readable(tables_told_))) return;
  }
}

void GateGroup::tell_of_tls() {
  if (gate_.pid == 0) return;
  if (const Result<void> told = supply_tls(); !told && told.error().code != Errc::busy) {
    log_.failure("supply a gate with certificates", told.error());
  }
}

Result<void> GateGroup::supply_tls() {
  if (!generation_->tls) return {};
  const TlsSupply& supply = *generation_->tls;
  const TlsSupply::Edition edition = supply.edition();
  if (tls_told_.tickets != edition.tickets) {  // the first context wants them
    const Result<Fd> tickets = supply.tickets();
    if (!tickets) return std::unexpected(tickets.error());
    if (Result<void> sent = gate_.orders->send(gate_order::tickets, tickets->get()); !sent)
      return sent;
    tls_told_.tickets = edition.tickets;
  }
  if (tls_told_.certificates == edition.certificates) return {};
  const Result<Fd> certificates = supply.certificates();
  if (!certificates) return std::unexpected(certificates.error());
  Result<void> sent = gate_.orders->send(gate_order::certificates, certificates->get());
  if (sent) tls_told_.certificates = edition.certificates;
  return sent;
}

std::optional<GateGroup::Time> GateGroup::next_due() const {
  if (gate_.pid == 0) return gate_.due;
  std::optional<Time> next;
  for (const Attendant& attendant : attendants_) {
    if (attendant.pid == 0) next = std::min(next.value_or(attendant.due), attendant.due);
  }
  return next;
}

Result<void> GateGroup::start_gate() {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(ends.error());
  Result<PulseEnds> pulse = make_pulse();
  if (!pulse) return std::unexpected(pulse.error());
  const Result<std::size_t> table = census_.take_free();
  if (!table) return std::unexpected(table.error());
  std::vector<Placed> inherits{{generation_->settings.get(), inherited::settings},
                               {ends->second.fd(), inherited::control},
                               {pulse->memory.get(), inherited::pulse},
                               {census_.writable(*table), inherited::census}};
  if (generation_->scoreboard.is_open()) {
    inherits.push_back({generation_->scoreboard.get(), inherited::scoreboard});
  }
  const Result<pid_t> gate = spawn_role(gate_role, inherits);
  if (!gate) return std::unexpected(gate.error());
  census_.assign(*table, *gate);
  gate_table_ = *table;
  tables_told_ = 0;
  equip_to_watch(gate_, *gate, std::move(pulse->pulse));
  ::fcntl(ends->first.fd(), F_SETFL, O_NONBLOCK);  // a stuck gate must not hold us up
  gate_.orders.emplace(std::move(ends->first));
  if (const Result<void> equipped = equip_gate(); !equipped) {
    log_.failure("equip a gate", equipped.error());
    ::kill(gate_.pid, SIGKILL);
  }
  return {};
}

void GateGroup::equip_to_watch(Process& process, pid_t child, Pulse pulse) {
  process.pid = child;
  process.started = clock_.steady();
  process.pulse = std::move(pulse);
  process.last_sign.reset();
  process.unanswered = 0;
}

Result<void> GateGroup::equip_gate() {
  tls_told_ = {};
  if (Result<void> supplied = supply_tls(); !supplied) return supplied;
  for (const Listener& listener : listeners_.all()) {
    const Entrance entrance = resolved(listener.tls, listener.kerberos, generation_->values);
    Result<void> sent = gate_.orders->send(gate_order::listen_at(entrance), listener.socket.get());
    if (!sent) return sent;
  }
  return gate_.orders->send(gate_order::report);
}

Result<void> GateGroup::start(Attendant& attendant) {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(ends.error());
  Result<PulseEnds> pulse = make_pulse();
  if (!pulse) return std::unexpected(pulse.error());
  std::vector<Placed> inherits = attendant.kind->inherits(*generation_);
  inherits.push_back({generation_->settings.get(), inherited::settings});
  inherits.push_back({ends->second.fd(), inherited::gate_channel});
  inherits.push_back({pulse->memory.get(), inherited::pulse});
  Result<std::size_t> table = 0;
  std::optional<std::pair<Channel, Channel>> orders;
  if (attendant.kind->is_keeper) {
    table = census_.take_free();
    if (!table) return std::unexpected(table.error());
    inherits.push_back({census_.writable(*table), inherited::census});
    Result<std::pair<Channel, Channel>> made = Channel::pair();
    if (!made) return std::unexpected(made.error());
    orders.emplace(std::move(*made));
    inherits.push_back({orders->second.fd(), inherited::orders});
  }
  const Result<pid_t> child = spawn_role(attendant.kind->role, inherits);
  if (!child) return std::unexpected(child.error());
  equip_to_watch(attendant, *child, std::move(pulse->pulse));
  if (orders) {
    census_.assign(*table, *child);
    ::fcntl(orders->first.fd(), F_SETFL, O_NONBLOCK);
    attendant.orders.emplace(std::move(orders->first));
  }
  // If the gate cannot take it, the channel closes with this function and the attendant ends.
  return gate_.orders->send(attendant.kind->order, ends->first.fd());
}

void GateGroup::put_off(Process& process, const Error& why) {
  log_.failure("start a role", why);
  process.due = clock_.steady() + pause_after_failure;
}

// --- Ends

std::optional<std::set<pid_t>> GateGroup::take_end(pid_t child, int wait_status) {
  if (child == gate_.pid) return on_gate_end(wait_status);
  const auto attendant = std::ranges::find(attendants_, child, &Attendant::pid);
  if (attendant == attendants_.end()) return std::nullopt;
  end_gate_if_broken(*attendant);
  note_end(*attendant, attendant->kind->name, wait_status);
  return std::set<pid_t>{};
}

// Its attendants see that it has gone and end with their sessions; new ones serve the new gate.
std::set<pid_t> GateGroup::on_gate_end(int wait_status) {
  note_end(gate_, "gate", wait_status);
  std::set<pid_t> leaving;
  for (Attendant& attendant : attendants_) {
    if (attendant.pid != 0) leaving.insert(attendant.pid);
    attendant.pid = 0;
    attendant.pulse.reset();
    attendant.orders.reset();
  }
  return leaving;
}

void GateGroup::note_end(Process& process, std::string_view name, int wait_status) {
  const Time now = clock_.steady();
  const auto delay = process.delay.after_life_of(now - process.started);
  log_.event(Severity::error, std::string{name} + "-ended",
             {{"pid", std::to_string(process.pid)},
              {"by", end_of(wait_status)},
              {"restart-in-ms", std::to_string(delay.count())}});
  process.pid = 0;
  process.pulse.reset();
  process.orders.reset();
  process.due = now + delay;
}

// --- Partings

void GateGroup::add_partings(std::vector<pollfd>& waiting) const {
  for (const Attendant& attendant : attendants_) {
    if (attendant.orders) waiting.push_back({attendant.orders->fd(), 0, 0});
  }
}

// An attendant that ends closes its channel, too; take_end() hears of that. And when the gate is
// ending, its keepers part from it before we hear of its end.
std::set<pid_t> GateGroup::take_parted() {
  std::set<pid_t> parted;
  const bool gate_ends = !gate_.orders || has_hung_up(gate_.orders->fd());
  for (Attendant& attendant : attendants_) {
    if (!attendant.orders || !has_hung_up(attendant.orders->fd())) continue;
    attendant.orders.reset();
    if (gate_ends || attendant.pulse->parting() == Pulse::Parting::none) continue;
    parted.insert(attendant.pid);
    note_parting(attendant);
  }
  return parted;
}

void GateGroup::note_parting(Attendant& attendant) {
  const Time now = clock_.steady();
  log_.event(Severity::error, "keeper-parted",
             {{"gate", std::to_string(gate_.pid)}, {"keeper", std::to_string(attendant.pid)}});
  end_gate_if_broken(attendant);
  attendant.due = now + attendant.delay.after_life_of(now - attendant.started);
  attendant.pid = 0;
  attendant.pulse.reset();
}

void GateGroup::end_gate_if_broken(const Attendant& attendant) {
  if (gate_.pid == 0 || attendant.pulse->parting() != Pulse::Parting::gate_broke_rules) return;
  log_.event(Severity::error, "gate-broken", {{"pid", std::to_string(gate_.pid)}});
  ::kill(gate_.pid, SIGKILL);
}

// --- Watching

void GateGroup::watch() {
  if (gate_.pid == 0) return;
  ask_for_life(gate_, "gate");
  for (Attendant& attendant : attendants_) watch(attendant);
}

bool GateGroup::is_well() const {
  const auto works = [](const Attendant& attendant) {
    return attendant.kind->is_keeper && (attendant.pid == 0 || has_answered(attendant));
  };
  return gate_.pid == 0 || (has_answered(gate_) && std::ranges::any_of(attendants_, works));
}

// Counted in looks, not in time: after a machine has stood still everybody would seem late. The
// start may take longer, on a machine where all are started at once.
void GateGroup::ask_for_life(Process& process, std::string_view name) {
  const std::optional<Time> sign = process.pulse->last_sign();
  process.unanswered = sign != process.last_sign ? 0 : process.unanswered + 1;
  process.last_sign = sign;
  (void)process.orders->send(gate_order::report);
  if (process.unanswered > (sign ? 1 : 5) * most_unanswered) kill_stuck(process, name);
}

void GateGroup::watch(Attendant& attendant) {
  if (attendant.pid == 0) return;
  const std::optional<Time> since = attendant.pulse->marked();
  if (since && clock_.steady() - *since >= generation_->values.login_timeout) {
    return kill_stuck(attendant, attendant.kind->name);
  }
  if (since) {
    attendant.unanswered = 0;
  } else if (attendant.orders) {
    ask_for_life(attendant, attendant.kind->name);
  }
}

void GateGroup::kill_stuck(const Process& process, std::string_view name) {
  log_.event(Severity::error, std::string{name} + "-stuck", {{"pid", std::to_string(process.pid)}});
  ::kill(process.pid, SIGKILL);
}

std::set<pid_t> GateGroup::leave(std::string_view order) {
  std::set<pid_t> leaving;
  if (gate_.pid == 0) return leaving;
  if (!gate_.orders->send(order)) ::kill(gate_.pid, SIGKILL);
  leaving.insert(gate_.pid);
  for (const Attendant& attendant : attendants_) {
    if (attendant.pid != 0) leaving.insert(attendant.pid);
  }
  return leaving;
}

}  // namespace pop
