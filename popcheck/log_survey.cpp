#include "popcheck/log_survey.h"

#include <algorithm>
#include <bit>

namespace pop {
namespace {

constexpr std::int64_t minute = 60, hour = 3600, day = 86400;
constexpr std::size_t longest_name = 256;
constexpr std::string_view others = "(others)";

std::int64_t day_number(std::int64_t time) {
  return time >= 0 ? time / day : (time - day + 1) / day;
}

std::size_t hour_number(std::int64_t time) {
  return static_cast<std::size_t>((time - day_number(time) * day) / hour);
}

void note_partner(FailureCount& count, std::string_view partner) {
  if (count.others.size() >= most_partners) return;
  const auto hash = static_cast<std::uint32_t>(NameHash{}(partner));
  if (std::ranges::find(count.others, hash) == count.others.end()) count.others.push_back(hash);
}

/// The user's client of this address; one that was not seen for long gives its place up.
ClientUse& client_of(UserUse& user, std::string_view address) {
  const auto found = std::ranges::find(user.clients, address, &ClientUse::address);
  if (found != user.clients.end()) return *found;
  ClientUse client;
  client.address = address.substr(0, longest_name);
  if (user.clients.size() < most_partners) return user.clients.emplace_back(std::move(client));
  ClientUse& oldest = *std::ranges::min_element(user.clients, {}, &ClientUse::last);
  oldest = std::move(client);
  return oldest;
}

std::size_t pause_class(std::int64_t pause) {
  return static_cast<std::size_t>(std::ranges::lower_bound(pauses, pause) - pauses.begin());
}

/// Messages that this client has retrieved before, as far as the numbers tell.
std::uint64_t repeated(const LogEvent& event, const UserUse& user, const ClientUse& client) {
  if (event.again) return *event.again;
  const bool was_last =
      user.last_client < user.clients.size() && &user.clients[user.last_client] == &client;
  if (!event.messages || !event.retrieved || !client.messages_left || !was_last) return 0;
  const std::uint64_t known = std::min(*event.messages, *client.messages_left);
  const std::uint64_t arrived = *event.messages - known;
  return *event.retrieved > arrived ? std::min(*event.retrieved - arrived, known) : 0;
}

/// Where only octets are told: as many as in the session before, to the octet.
bool repeats_octets(const LogEvent& event, const ClientUse& client) {
  constexpr std::uint64_t least = 10000;
  return !event.messages && event.sent_octets.value_or(0) >= least &&
         *event.sent_octets == client.last_octets;
}

void note_again(UserUse& user, std::uint64_t messages, std::uint64_t octets) {
  if (messages == 0 && octets == 0) return;
  ++user.again_sessions;
  user.again += messages;
  user.again_octets += octets;
}

void note_repetition(const LogEvent& event, UserUse& user, ClientUse& client) {
  const std::uint64_t octets = event.sent_octets.value_or(0);
  const std::uint64_t messages = repeated(event, user, client);
  if (messages > 0) {
    const std::uint64_t all = std::max(event.retrieved.value_or(messages), messages);
    note_again(user, messages, octets / all * messages);
  } else if (repeats_octets(event, client)) {
    note_again(user, 0, octets);
  }
  client.last_octets = octets;
  if (event.messages && event.deleted) {
    client.messages_left = *event.messages - std::min(*event.messages, *event.deleted);
  }
}

}  // namespace

bool Twins::is_new(std::uint8_t telling, std::int64_t time) {
  if (time - last_ > minute || last_ - time > minute) told_ = {};
  last_ = time;
  const std::uint32_t count = ++told_.at(telling);
  for (std::size_t i = 0; i < told_.size(); ++i) {
    if (i != telling && told_.at(i) >= count) return false;
  }
  return true;
}

template <class T>
T& LogSurvey::entry(ByName<T>& names, std::string_view name) {
  name = name.substr(0, longest_name);
  const auto found = names.find(name);
  if (found != names.end()) return found->second;
  if (names.size() >= most_names_) name = others;
  return names[std::string{name}];
}

void LogSurvey::add(std::int64_t time, const LogEvent& event) {
  ++totals_.events.at(static_cast<std::size_t>(event.server));
  if (totals_.first == 0 || time < totals_.first) totals_.first = time;
  totals_.last = std::max(totals_.last, time);
  switch (event.kind) {
    case LogKind::login:
      return add_login(time, event);
    case LogKind::failure:
      return add_failure(time, event);
    case LogKind::handshake:
      return note_handshake(time, event);
    case LogKind::failed_handshake:
      return add_failed_handshake(time, event);
    case LogKind::session_end:
      return add_end(time, event);
  }
}

DayUse& LogSurvey::day_of(std::int64_t time) {
  const std::int64_t number = day_number(time);
  if (number != known_day_) {
    known_day_ = number;
    day_ = &days_[number];
  }
  return *day_;
}

void LogSurvey::note_handshake(std::int64_t time, const LogEvent& event) {
  const Handshake handshake{event.protection.value_or(Protection::some_tls), time};
  if (!event.id.empty()) handshakes_.put(event.id) = handshake;
  if (!event.address.empty()) handshakes_.put(event.address) = handshake;
}

/// A login is tied to its handshake by the connection's id, or else, for a minute, by the address.
Protection LogSurvey::protection_of(std::int64_t time, const LogEvent& event) {
  if (event.protection) return *event.protection;
  const Handshake* const found = handshakes_.find(event.id.empty() ? event.address : event.id);
  if (found == nullptr) return Protection::none;
  const std::int64_t longest = event.id.empty() ? minute : hour;
  return time - found->time <= longest ? found->protection : Protection::none;
}

void LogSurvey::add_login(std::int64_t time, const LogEvent& event) {
  UserUse& user = entry(users_, event.user);
  ClientUse& client = client_of(user, event.address);
  client.last = time;
  if (event.server == LogServer::dovecot && !event.id.empty()) {
    session_address_.put(event.id) = event.address;
  }
  if (client.logins.is_new(event.telling, time)) {
    count_login(time, event, user, client);
    ++client.open;
  }
  if (!event.mechanism.empty()) {
    ++entry(mechanisms_, event.mechanism);
    user.mechanism = event.mechanism.substr(0, longest_name);
  }
  if (!event.id.empty()) correct_protection(user, client, protection_of(time, event));
}

void LogSurvey::count_login(std::int64_t time, const LogEvent& event, UserUse& user,
                            ClientUse& client) {
  ++totals_.logins;
  ++day_of(time).logins;
  ++totals_.logins_in_hour.at(hour_number(time));
  if (user.logins == 0) {
    user.first_login = time;
  } else {
    ++user.pauses_seen.at(pause_class(std::max<std::int64_t>(time - user.last_login, 0)));
  }
  ++user.logins;
  user.last_login = std::max(user.last_login, time);
  user.last_address = client.address;
  user.hours |= 1U << hour_number(time);
  client.protection = user.protection =
      event.id.empty() ? protection_of(time, event) : event.protection.value_or(Protection::none);
  ++user.logins_by.at(static_cast<std::size_t>(client.protection));
  ++totals_.logins_by.at(static_cast<std::size_t>(client.protection));
}

/// The last login was counted before it was known what protected it.
void LogSurvey::correct_protection(UserUse& user, ClientUse& client, Protection found) {
  if (found == Protection::none || client.protection != Protection::none) return;
  for (auto* const counts : {&user.logins_by, &totals_.logins_by}) {
    std::uint64_t& before = counts->at(static_cast<std::size_t>(client.protection));
    if (before == 0) continue;
    --before;
    ++counts->at(static_cast<std::size_t>(found));
  }
  client.protection = user.protection = found;
}

void LogSurvey::add_failure(std::int64_t time, const LogEvent& event) {
  FailureCount& address = entry(bad_addresses_, event.address);
  address.last = std::max(address.last, time);
  if (!address.twins.is_new(event.telling, time)) return;
  totals_.failures += event.times;
  day_of(time).failures += event.times;
  address.failures += event.times;
  note_partner(address, event.user);
  FailureCount& user = entry(bad_users_, event.user);
  user.failures += event.times;
  user.last = std::max(user.last, time);
  note_partner(user, event.address);
}

/// Only the event tells how many there were.
void LogSurvey::add_failed_handshake(std::int64_t time, const LogEvent& event) {
  const bool is_new = handshake_twins_.is_new(event.telling, time);
  entry(bad_handshakes_, event.why) +=
      is_new ? event.times : event.times - std::min(event.times, std::uint64_t{1});
}

std::string_view LogSurvey::address_of(const LogEvent& event, const UserUse& user) const {
  if (!event.address.empty()) return event.address;
  const std::string* const found = session_address_.find(event.id);
  return found != nullptr ? *found : user.last_address;
}

void LogSurvey::add_end(std::int64_t time, const LogEvent& event) {
  UserUse& user = entry(users_, event.user);
  ClientUse& client = client_of(user, address_of(event, user));
  client.last = std::max(client.last, time);
  const bool is_new = client.ends.is_new(event.telling, time);
  if (is_new) {
    // Where logins are not logged, the end of a session is the only sign of one.
    if (client.open == 0) {
      count_login(time, event, user, client);
    } else {
      --client.open;
    }
    ++user.sessions;
    ++totals_.sessions;
  }
  if (event.protection) correct_protection(user, client, *event.protection);
  // What is told twice is told first by Qpopper's sentence, which knows nothing of how it ended.
  const bool tells_how = event.server != LogServer::popper || event.telling == 0;
  if (tells_how && !event.is_clean) {
    ++user.unclean;
    ++totals_.unclean;
  }
  if (is_new && event.deleted) {
    user.deleted += *event.deleted;
    totals_.deleted += *event.deleted;
    ++user.counted_ends;
  }
  if (event.retrieved) {
    user.retrieved += *event.retrieved;
    totals_.retrieved += *event.retrieved;
  }
  if (event.sent_octets) {
    user.sent_octets += *event.sent_octets;
    totals_.sent_octets += *event.sent_octets;
    day_of(time).sent_octets += *event.sent_octets;
  }
  if (event.messages && event.deleted) {
    user.left = *event.messages - std::min(*event.messages, *event.deleted);
  }
  if (event.left_octets) user.left_octets = event.left_octets;
  if (event.octets && event.deleted == 0U) user.left_octets = event.octets;
  if (event.sent_octets) note_repetition(event, user, client);
  user.last_client = static_cast<std::size_t>(&client - user.clients.data());
}

LogSurvey::Totals LogSurvey::totals() const {
  Totals totals = totals_;
  for (const auto& [name, user] : users_) {
    for (std::size_t i = 0; i < protections; ++i) {
      if (user.logins_by.at(i) > 0) ++totals.users_by.at(i);
    }
  }
  return totals;
}

std::int64_t usual_pause(const UserUse& user) {
  std::uint64_t all = 0, passed = 0;
  for (const std::uint64_t count : user.pauses_seen) all += count;
  if (all == 0) return 0;
  for (std::size_t i = 0; i < pauses.size(); ++i) {
    passed += user.pauses_seen.at(i);
    if (passed * 2 >= all) return pauses.at(i);
  }
  return pauses.back();
}

bool is_robot(const UserUse& user) {
  constexpr std::uint64_t least_logins = 50;
  constexpr int least_hours = 20;
  constexpr std::int64_t longest_pause = 900;
  return user.logins >= least_logins && usual_pause(user) <= longest_pause &&
         std::popcount(user.hours) >= least_hours;
}

bool never_deletes(const UserUse& user) {
  constexpr std::uint64_t least_sessions = 5;
  return user.counted_ends >= least_sessions && user.deleted == 0 && user.left.value_or(0) > 0;
}

bool downloads_again(const UserUse& user) {
  return user.again_sessions >= 2;
}

}  // namespace pop
