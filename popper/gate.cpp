#include "popper/gate.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "daemon/listener.h"
#include "pop3/reply.h"
#include "popper/gate_events.h"
#include "popper/name_lookup.h"
#include "popper/peer_trial.h"
#include "tls/tls_material.h"
#include "tls/tls_policy.h"

namespace pop {
namespace {

constexpr std::chrono::seconds listening_pause{1};

constexpr std::array<std::pair<std::string_view, Entrance>, 5> listen_orders{
    {{"listen", {ListenTls::none, ListenKerberos::no}},
     {"listen-stls", {ListenTls::stls, ListenKerberos::no}},
     {"listen-implicit", {ListenTls::implicit, ListenKerberos::no}},
     {"listen-kerberos", {ListenTls::none, ListenKerberos::yes}},
     {"listen-implicit-kerberos", {ListenTls::implicit, ListenKerberos::yes}}}};

}  // namespace

std::string_view gate_order::listen_at(const Entrance& entrance) {
  const auto* const order =
      std::ranges::find(listen_orders, entrance, &std::pair<std::string_view, Entrance>::second);
  return order == listen_orders.end() ? listen_orders.front().first : order->first;
}

Result<Gate> Gate::create(const GateContext& context) {
  Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "epoll_create1");
  }
  return Gate{context, std::move(epoll)};
}

Gate::Gate(const GateContext& context, Fd epoll)
    : context_{context},
      names_{context.handover.settings},
      guess_hash_{context.census.seed()},
      failures_{context.handover.settings, context.census},
      // Checked when the configuration was read.
      proxies_{
          NetworkList::parse(context.handover.settings.proxy_networks).value_or(NetworkList{})},
      epoll_{std::move(epoll)},
      last_id_{static_cast<std::uint64_t>(::getpid()) << 32} {
  for (const ListenAddress& listener : context.handover.for_old_devices) {
    old_devices_doors_.push_back(
        {listener, NetworkList::parse(listener.old_devices->networks).value_or(NetworkList{})});
  }
  plan_shedding();
}

void Gate::add_keeper(Channel keeper) {
  make_non_blocking(keeper.fd());
  epoll_event event = event_for(Source::keeper, ++last_keeper_, EPOLLIN);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, keeper.fd(), &event);
  keepers_.push_back({std::move(keeper), last_keeper_});
  dispatch();
}

void Gate::add_listener(Fd socket, Entrance entrance) {
  find_vanished_peers(socket.get());
  epoll_event event = event_for(Source::listener, listeners_.size(), EPOLLIN | EPOLLEXCLUSIVE);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event);
  OldDevicesDoor* const old_devices = old_devices_door(socket);
  listeners_.push_back({std::move(socket), entrance, old_devices});
}

Gate::OldDevicesDoor* Gate::old_devices_door(const Fd& listener) {
  const ListenAddress* const found = listener_of(listener.get(), context_.handover.for_old_devices);
  const auto door = std::ranges::find_if(
      old_devices_doors_, [found](const OldDevicesDoor& one) { return &one.listener == found; });
  return door == old_devices_doors_.end() ? nullptr : &*door;
}

void Gate::serve_tls(std::shared_ptr<const TlsContext> context) {
  tls_ = std::move(context);
}

void Gate::obey(Channel master) {
  make_non_blocking(master.fd());
  epoll_event event = event_for(Source::master, 0, EPOLLIN);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, master.fd(), &event);
  master_.emplace(std::move(master));
}

void Gate::ask_names_of(Channel resolver) {
  make_non_blocking(resolver.fd());
  epoll_event event = event_for(Source::resolver, 0, EPOLLIN);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, resolver.fd(), &event);
  resolver_.emplace(std::move(resolver));
}

void Gate::retire() {
  retiring_ = true;
  stop_listening();
  listeners_.clear();
}

// The other gates hold the same sockets, so closing ours would not take them
// out of the set.
void Gate::stop_listening() {
  for (const Door& door : listeners_) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, door.socket.get(), nullptr);
  }
}

bool Gate::is_done() const {
  return retiring_ && strangers_.empty() && relays_.empty();
}

Result<void> Gate::run() {
  while (!is_done()) {
    take_events();
    go_on();
    take_due();
    context_.census.tell_oldest_idle(oldest_idle());
    tell_activity();
  }
  return {};
}

void Gate::tell_activity() {
  ScoreboardPage& page = context_.activity.page();
  page.strangers.store(strangers_.size(), std::memory_order_relaxed);
  page.queued.store(queued_.size() + queued_doubtful_.size(), std::memory_order_relaxed);
}

void Gate::take_events() {
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 milliseconds_to_wait());
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const std::uint64_t number = event.data.u64 & number_mask;
    switch (static_cast<Source>(event.data.u64 >> source_shift)) {
      case Source::connection:
        relays_.contains(number) ? step_relay(number) : on_event(number, event.events);
        break;
      case Source::session:
        step_relay(number);
        break;
      case Source::keeper:
        on_keeper(number);
        break;
      case Source::listener:
        if (number < listeners_.size()) accept_from(listeners_[number]);
        break;
      case Source::master:
        take_order();
        break;
      case Source::resolver:
        take_names();
        break;
      case Source::acceptor:
        take_ticket_answers();
        break;
    }
  }
}

int Gate::milliseconds_to_wait() const {
  if (!again_.empty()) return 0;
  const std::optional<Time> next = deadlines_.earliest();
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - context_.clock.steady());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

void Gate::take_due() {
  const Time now = context_.clock.steady();
  while (const std::optional<std::uint64_t> id = deadlines_.take_due(now)) {
    if (*id == resume_listening_mark) {
      resume_listening();
    } else if (*id == shed_excess_mark) {
      shed_excess();
      plan_shedding();
    } else if (*id == stamps_mark) {
      ask_others_for_stamps();
    } else {
      on_deadline(*id);
    }
  }
}

// --- Orders and listeners

void Gate::take_order() {
  if (!master_) return;
  Result<std::optional<Channel::Received>> received = master_->receive();
  if (!received && received.error().code == Errc::busy) return;
  if (!received || !*received) {  // the master has gone: serve whom we have
    master_.reset();
    return retire();
  }
  Channel::Received& order = **received;
  if (order.record == gate_order::keeper) return add_keeper(Channel{std::move(order.descriptor)});
  if (take_supply(order)) return;
  for (const auto& [record, entrance] : listen_orders) {
    if (order.record == record) return add_listener(std::move(order.descriptor), entrance);
  }
  if (order.record == gate_order::report) {
    if (context_.pulse != nullptr) context_.pulse->show_life(context_.clock.steady());
    return;
  }
  if (order.record == gate_order::names) return ask_names_of(Channel{std::move(order.descriptor)});
  if (order.record == gate_order::kerberos) {
    return ask_tickets_of(Channel{std::move(order.descriptor)});
  }
  if (order.record == gate_order::census) {
    const Result<void> watched = context_.census.watch(order.descriptor);
    if (!watched) context_.log.failure("count the connections of others", watched.error());
    return;
  }
  retire();
  if (order.record == gate_order::drain) send_idle_strangers_away();
}

// What TLS is served with. An order that fails leaves what was there.
bool Gate::take_supply(const Channel::Received& order) {
  Result<void> taken;
  if (order.record == gate_order::certificates) {
    taken = take_certificates(order.descriptor);
  } else if (order.record == gate_order::tickets) {
    taken = take_tickets(order.descriptor);
  } else {
    return false;
  }
  if (!taken) context_.log.failure("take " + order.record + " over", taken.error());
  return true;
}

Result<void> Gate::take_certificates(const Fd& sealed) {
  const Result<Secret> octets = read_sealed(sealed);
  if (!octets) return std::unexpected(octets.error());
  const Result<TlsMaterial> material = decode_tls_material(octets->octets());
  if (!material) return std::unexpected(material.error());
  const TlsPolicyReading reading = tls_policy_of(context_.handover.settings);
  Result<std::shared_ptr<const TlsContext>> context =
      TlsContext::create({*material, reading.policy, tickets_, context_.clock});
  if (!context) return std::unexpected(context.error());
  if (!old_devices_doors_.empty()) {
    const TlsPolicy policy = old_device_policy_of(context_.handover.settings);
    Result<std::shared_ptr<const TlsContext>> old =
        TlsContext::create({*material, policy, tickets_, context_.clock});
    if (!old) return std::unexpected(old.error());
    old_tls_ = std::move(*old);
  }
  serve_tls(std::move(*context));
  return {};
}

// Contexts share them, so they change in their place.
Result<void> Gate::take_tickets(const Fd& sealed) {
  const Result<Secret> octets = read_sealed(sealed);
  if (!octets) return std::unexpected(octets.error());
  Result<TicketKeys> keys = TicketKeys::decode(octets->octets());
  if (!keys) return std::unexpected(keys.error());
  if (tickets_) {
    *tickets_ = std::move(*keys);
  } else {
    tickets_ = std::make_shared<TicketKeys>(std::move(*keys));
  }
  return {};
}

void Gate::send_idle_strangers_away() {
  std::vector<std::uint64_t> idle;
  for (const auto& [id, stranger] : strangers_) {
    const bool is_talking = stranger.state == State::talking && !stranger.attempt;
    const bool is_beginning =
        stranger.state == State::awaiting_header || stranger.state == State::handshaking ||
        stranger.state == State::exchanging || stranger.state == State::awaiting_ticket;
    if (is_talking || is_beginning) idle.push_back(id);
  }
  for (const std::uint64_t id : idle) {
    Stranger& stranger = strangers_.at(id);
    if (!can_hear(stranger)) {
      drop(id);
      continue;
    }
    say(stranger, reply::shutting_down(facts_for(stranger)));
    leave(id, stranger);
    settle(id);
  }
}

void Gate::accept_from(const Door& door) {
  for (std::int64_t i = 0; i < context_.handover.settings.accepts; ++i) {
    Fd client{::accept4(door.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (client.is_open()) {
      adopt(std::move(client), door);
      continue;
    }
    const int saved = errno;
    if (saved == ECONNABORTED) continue;
    if (!would_block(saved)) pause_listening(saved);
    return;
  }
}

// Out of descriptors or memory: without a pause the loop would only spin.
void Gate::pause_listening(int saved_errno) {
  context_.log.failure("accept a connection", errno_error(saved_errno, "accept"));
  if (!std::exchange(listening_, false)) return;
  stop_listening();
  deadlines_.add(resume_listening_mark, context_.clock.steady() + listening_pause);
}

void Gate::resume_listening() {
  if (std::exchange(listening_, true)) return;
  std::vector<Door> doors = std::exchange(listeners_, {});
  for (Door& door : doors) add_listener(std::move(door.socket), door.entrance);
}

// --- Clients' names

// A resolver that has too much to do, or has gone, is no reason to wait: then
// there is no name.
void Gate::ask_name(std::uint64_t id, const Stranger& stranger) {
  if (!resolver_ || !context_.handover.settings.reverse_lookup) return;
  (void)resolver_->send(encode(NameQuestion{id, stranger.address}));
}

void Gate::take_names() {
  while (resolver_) {
    Result<std::optional<Channel::Received>> received = resolver_->receive();
    if (!received && received.error().code == Errc::busy) return;
    if (!received || !*received) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, resolver_->fd(), nullptr);
      return resolver_.reset();
    }
    Result<NameAnswer> answer = decode_name_answer((*received)->record);
    const auto found = answer ? strangers_.find(answer->connection) : strangers_.end();
    if (found == strangers_.end() || answer->name.empty()) continue;
    found->second.name = std::make_unique<std::string>(std::move(answer->name));
  }
}

}  // namespace pop
