#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "popcheck/log_event.h"

namespace pop {

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const {
    return std::hash<std::string_view>{}(name);
  }
};
template <class T>
using ByName = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;

/// Takes the ways in which one fact is told for one: the n-th telling of a kind belongs to the n-th
/// of the others, as long as less than a minute passes between.
class Twins {
 public:
  [[nodiscard]] bool is_new(std::uint8_t telling, std::int64_t time);

 private:
  std::int64_t last_ = 0;
  std::array<std::uint32_t, tellings> told_{};
};

/// One address from which a user comes.
struct ClientUse {
  std::string address;
  std::int64_t last = 0;
  Twins logins, ends;
  std::uint64_t open = 0;                      // sessions that have not ended yet
  std::optional<std::uint64_t> messages_left;  // after the last session
  std::uint64_t last_octets = 0;               // that it was sent in the last session
  Protection protection = Protection::none;    // of the last login
};

/// Pauses between logins, by their upper limits in seconds; the last one is open.
inline constexpr std::array<std::int64_t, 11> pauses{10,  30,   60,   120,   300,  600,
                                                     900, 1800, 3600, 21600, 86400};

/// What a user did.
struct UserUse {
  std::uint64_t logins = 0, sessions = 0, unclean = 0;
  std::int64_t first_login = 0, last_login = 0;
  std::string last_address, mechanism;
  Protection protection = Protection::none;  // of the last login
  std::array<std::uint64_t, protections> logins_by{};
  std::uint64_t sent_octets = 0, retrieved = 0, deleted = 0;
  std::uint64_t counted_ends = 0;  // sessions of which it is known how many messages they deleted
  std::optional<std::uint64_t> left, left_octets;  // after the last session
  std::uint64_t again = 0, again_octets = 0, again_sessions = 0;
  std::array<std::uint64_t, pauses.size() + 1> pauses_seen{};
  std::uint32_t hours = 0;  // bit n: logged in between n and n + 1 o'clock UTC
  std::vector<ClientUse> clients;
  std::size_t last_client = 0;  // that ended a session
};

struct FailureCount {
  std::uint64_t failures = 0;
  std::int64_t last = 0;
  std::vector<std::uint32_t> others;  // hashes of users of an address, of addresses of a user
  Twins twins;
};

struct DayUse {
  std::uint64_t logins = 0, failures = 0, sent_octets = 0;
};

/// What is remembered of connections until they log in or end. Whoever is remembered in the same
/// place later takes it over, so memory and time are bounded, and a few ties are lost in a flood.
template <class T>
class ConnectionTies {
 public:
  [[nodiscard]] T& put(std::string_view key) {
    Entry& entry = entry_of(key);
    entry.hash = NameHash{}(key);
    entry.is_used = true;
    return entry.value;
  }
  /// nullptr for one that is not remembered.
  [[nodiscard]] const T* find(std::string_view key) const {
    if (entries_.empty()) return nullptr;
    const std::size_t hash = NameHash{}(key);
    const Entry& entry = entries_[hash % places];
    return entry.is_used && entry.hash == hash ? &entry.value : nullptr;
  }

 private:
  static constexpr std::size_t places = 65536;
  struct Entry {
    std::size_t hash = 0;
    bool is_used = false;
    T value{};
  };
  Entry& entry_of(std::string_view key) {
    if (entries_.empty()) entries_.resize(places);
    return entries_[NameHash{}(key) % places];
  }
  std::vector<Entry> entries_;
};

/// A user or an address has so many different partners at least, when it has so many.
inline constexpr std::size_t most_partners = 64;

/// Counts what logs tell.
class LogSurvey {
 public:
  /// Names and causes beyond so many of a kind are counted under "(others)".
  explicit LogSurvey(std::size_t most_names = 1000000) : most_names_{most_names} {}

  /// `time` in seconds since 1970. Lines of one log come in order; a little disorder does no harm.
  void add(std::int64_t time, const LogEvent& event);

  struct Totals {
    std::uint64_t logins = 0, failures = 0, sessions = 0, unclean = 0;
    std::uint64_t sent_octets = 0, retrieved = 0, deleted = 0;
    std::array<std::uint64_t, log_servers> events{};
    std::array<std::uint64_t, protections> logins_by{}, users_by{};
    std::array<std::uint64_t, 24> logins_in_hour{};
    std::int64_t first = 0, last = 0;  // of what was counted; 0: nothing was
  };
  /// Of all that was added.
  [[nodiscard]] Totals totals() const;

  [[nodiscard]] const ByName<UserUse>& users() const { return users_; }
  [[nodiscard]] const ByName<FailureCount>& failing_addresses() const { return bad_addresses_; }
  [[nodiscard]] const ByName<FailureCount>& failing_users() const { return bad_users_; }
  [[nodiscard]] const std::map<std::int64_t, DayUse>& days() const { return days_; }
  [[nodiscard]] const ByName<std::uint64_t>& mechanisms() const { return mechanisms_; }
  [[nodiscard]] const ByName<std::uint64_t>& failed_handshakes() const { return bad_handshakes_; }

 private:
  struct Handshake {
    Protection protection = Protection::none;
    std::int64_t time = 0;
  };
  void add_login(std::int64_t time, const LogEvent& event);
  void add_failure(std::int64_t time, const LogEvent& event);
  void add_end(std::int64_t time, const LogEvent& event);
  void add_failed_handshake(std::int64_t time, const LogEvent& event);
  void note_handshake(std::int64_t time, const LogEvent& event);
  void count_login(std::int64_t time, const LogEvent& event, UserUse& user, ClientUse& client);
  void correct_protection(UserUse& user, ClientUse& client, Protection found);
  [[nodiscard]] Protection protection_of(std::int64_t time, const LogEvent& event);
  [[nodiscard]] std::string_view address_of(const LogEvent& event, const UserUse& user) const;
  [[nodiscard]] DayUse& day_of(std::int64_t time);
  template <class T>
  [[nodiscard]] T& entry(ByName<T>& names, std::string_view name);

  std::size_t most_names_;
  Totals totals_;
  ByName<UserUse> users_;
  ByName<FailureCount> bad_addresses_, bad_users_;
  std::map<std::int64_t, DayUse> days_;
  ByName<std::uint64_t> mechanisms_, bad_handshakes_;
  Twins handshake_twins_;
  ConnectionTies<Handshake> handshakes_;         // by connection's id, and by address
  ConnectionTies<std::string> session_address_;  // by Dovecot's session
  std::int64_t known_day_ = INT64_MIN;
  DayUse* day_ = nullptr;
};

/// The usual pause between a user's logins in seconds, as the upper limit of its class; 0 for less
/// than two logins.
[[nodiscard]] std::int64_t usual_pause(const UserUse& user);
/// A program that logs in round the clock: fifty logins at least, half of them within a quarter of
/// an hour after another, and in twenty different hours of the day.
[[nodiscard]] bool is_robot(const UserUse& user);
/// Five sessions at least, and none deleted anything, though there was mail.
[[nodiscard]] bool never_deletes(const UserUse& user);
/// In two sessions at least, messages were retrieved that the client had already.
[[nodiscard]] bool downloads_again(const UserUse& user);

}  // namespace pop
