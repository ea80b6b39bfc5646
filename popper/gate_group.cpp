#include "popper/gate_group.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>

#include "popper/gate.h"
#include "popper/notify/login_notifier.h"
#include "popper/role.h"
#include "popper/stamp_ledger.h"

namespace pop {

struct AttendantKind {
  const char* role;        // first argument of its program
  std::string_view name;   // in the log
  int count;               // for each gate
  std::string_view order;  // that gives the gate its channel
  bool (*wanted)(const Settings&);
  /// What it inherits besides settings, channel and pulse.
  std::vector<Placed> (*inherits)(const Generation&);
  bool has_connections = false;  // and so a table in the census
};

namespace {

constexpr std::chrono::seconds pause_after_failure{1};

bool always(const Settings&) {
  return true;
}

bool wants_names(const Settings& settings) {
  return settings.reverse_lookup;
}

std::vector<Placed> what_resolvers_need(const Generation&) {
  return {};
}

std::vector<Placed> what_keepers_need(const Generation& generation) {
  std::vector<Placed> needs{{generation.stamps.get(), inherited::stamps}};
  if (generation.notifier) {
    needs.push_back({generation.notifier->keepers_end(), inherited::notices});
  }
  return needs;
}

// Two keepers: checks block, so one slow directory look-up must not stop every other login.
constexpr std::array attendant_kinds{
    AttendantKind{keeper_role, "keeper", 2, gate_order::keeper, always, what_keepers_need, true},
    AttendantKind{resolver_role, "resolver", 1, gate_order::names, wants_names,
                  what_resolvers_need},
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
                                                             const Generation* earlier) {
  Handover without_secrets = handover;
  forget_notice_secrets(without_secrets.settings);
  Result<Fd> settings = seal_handover(without_secrets);
  if (!settings) return std::unexpected(settings.error());
  Result<Fd> stamps = StampLedger::create();
  if (!stamps) return std::unexpected(stamps.error());
  const bool keeps_notifier = earlier && have_same_notices(earlier->values, handover.settings);
  Result<std::shared_ptr<NotifierProcess>> notifier =
      keeps_notifier ? earlier->notifier : NotifierProcess::create(handover);
  if (!notifier) return std::unexpected(notifier.error());
  return std::make_shared<const Generation>(Generation{handover.settings, std::move(*settings),
                                                       std::move(*stamps), std::move(*notifier)});
}

GateGroup::GateGroup(std::shared_ptr<const Generation> generation, const Listeners& listeners,
                     CensusOffice& census, Log& log, Clock& clock)
    : generation_{std::move(generation)},
      listeners_{listeners},
      census_{census},
      log_{log},
      clock_{clock} {
  for (const AttendantKind& kind : attendant_kinds) {
    if (!kind.wanted(generation_->values)) continue;
    for (int i = 0; i < kind.count; ++i) {
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
    if (!orders_->send(gate_order::census, census_.readable(tables_told_))) return;
  }
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
  const std::array<Placed, 4> inherits{{{generation_->settings.get(), inherited::settings},
                                        {ends->second.fd(), inherited::control},
                                        {pulse->memory.get(), inherited::pulse},
                                        {census_.writable(*table), inherited::census}}};
  const Result<pid_t> gate = spawn_role(gate_role, inherits);
  if (!gate) return std::unexpected(gate.error());
  gate_.pid = *gate;
  census_.assign(*table, *gate);
  gate_table_ = *table;
  tables_told_ = 0;
  gate_.started = clock_.steady();
  gate_.pulse = std::move(pulse->pulse);
  last_sign_.reset();
  unanswered_ = 0;
  ::fcntl(ends->first.fd(), F_SETFL, O_NONBLOCK);  // a stuck gate must not hold us up
  orders_.emplace(std::move(ends->first));
  if (const Result<void> equipped = equip_gate(); !equipped) {
    log_.failure("equip a gate", equipped.error());
    ::kill(gate_.pid, SIGKILL);
  }
  return {};
}

Result<void> GateGroup::equip_gate() {
  for (const Listener& listener : listeners_.all()) {
    Result<void> sent = orders_->send(gate_order::listen, listener.socket.get());
    if (!sent) return sent;
  }
  return orders_->send(gate_order::report);
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
  if (attendant.kind->has_connections) {
    table = census_.take_free();
    if (!table) return std::unexpected(table.error());
    inherits.push_back({census_.writable(*table), inherited::census});
  }
  const Result<pid_t> child = spawn_role(attendant.kind->role, inherits);
  if (!child) return std::unexpected(child.error());
  attendant.pid = *child;
  if (attendant.kind->has_connections) census_.assign(*table, *child);
  attendant.started = clock_.steady();
  attendant.pulse = std::move(pulse->pulse);
  // If the gate cannot take it, the channel closes with this function and the attendant ends.
  return orders_->send(attendant.kind->order, ends->first.fd());
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
  note_end(*attendant, attendant->kind->name, wait_status);
  return std::set<pid_t>{};
}

// Its attendants see that it has gone and end with their sessions; new ones serve the new gate.
std::set<pid_t> GateGroup::on_gate_end(int wait_status) {
  note_end(gate_, "gate", wait_status);
  orders_.reset();
  std::set<pid_t> leaving;
  for (Attendant& attendant : attendants_) {
    if (attendant.pid != 0) leaving.insert(attendant.pid);
    attendant.pid = 0;
    attendant.pulse.reset();
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
  process.due = now + delay;
}

// --- Watching

void GateGroup::watch() {
  if (gate_.pid == 0) return;
  watch_gate();
  for (Attendant& attendant : attendants_) watch(attendant);
}

// Counted in looks, not in time: after a machine has stood still everybody would seem late.
void GateGroup::watch_gate() {
  const std::optional<Time> sign = gate_.pulse->marked();
  unanswered_ = sign != last_sign_ ? 0 : unanswered_ + 1;
  last_sign_ = sign;
  const bool asked = orders_->send(gate_order::report).has_value();
  if (asked && unanswered_ <= most_unanswered) return;
  log_.event(Severity::error, "gate-stuck", {{"pid", std::to_string(gate_.pid)}});
  ::kill(gate_.pid, SIGKILL);
}

void GateGroup::watch(Attendant& attendant) {
  if (attendant.pid == 0) return;
  const std::optional<Time> since = attendant.pulse->marked();
  const auto most = generation_->values.login_timeout;
  if (!since || clock_.steady() - *since < most) return;
  log_.event(Severity::error, std::string{attendant.kind->name} + "-stuck",
             {{"pid", std::to_string(attendant.pid)}, {"seconds", std::to_string(most.count())}});
  ::kill(attendant.pid, SIGKILL);
}

std::set<pid_t> GateGroup::leave(std::string_view order) {
  std::set<pid_t> leaving;
  if (gate_.pid == 0) return leaving;
  if (!orders_->send(order)) ::kill(gate_.pid, SIGKILL);
  leaving.insert(gate_.pid);
  for (const Attendant& attendant : attendants_) {
    if (attendant.pid != 0) leaving.insert(attendant.pid);
  }
  return leaving;
}

}  // namespace pop
