#pragma once

#include <chrono>
#include <cstddef>

#include "base/error.h"
#include "conf/settings.h"
#include "daemon/connection_census.h"

namespace pop {

/// What one stranger may use up before it has logged in.
struct StrangerLimits {
  std::size_t lines = 50;                          // a client needs about four
  std::size_t octets = std::size_t{8} * 1024;      // sent by it
  std::size_t responses = std::size_t{16} * 1024;  // answers to challenges of AUTH, beyond that
  std::size_t unsent = std::size_t{8} * 1024;      // replies that it does not read
  std::size_t discarded = std::size_t{64} * 1024;  // thrown away while its connection is closed
  std::chrono::seconds farewell{2};                // for reading our last line
};

/// How many connections there may be, in this process and in all. Counts; the
/// caller closes what does not fit.
class ConnectionLimits {
 public:
  ConnectionLimits(std::size_t here, const Settings& settings);

  /// As the limit of open files allows; raises the soft limit to the hard one.
  [[nodiscard]] static Result<ConnectionLimits> from_open_files(const Settings& settings);

  [[nodiscard]] bool has_room_here(std::size_t connections) const { return connections < here_; }
  /// `connections` of all processes, the new one not among them.
  [[nodiscard]] bool has_room(std::size_t connections) const {
    return most_ == 0 || connections < most_;
  }
  /// A newcomer may come in before a stranger of another process has made room.
  [[nodiscard]] bool has_slack(std::size_t connections) const {
    return connections <= most_ + most_ / 16 + 4;
  }
  /// So somebody has to make room after the fact.
  [[nodiscard]] bool is_exceeded_by(std::size_t connections) const {
    return most_ != 0 && connections > most_;
  }
  [[nodiscard]] bool has_room_for_address(std::size_t connections_from_it) const {
    return most_from_address_ == 0 || connections_from_it < most_from_address_;
  }
  [[nodiscard]] bool are_for_all() const { return most_ != 0; }

 private:
  std::size_t here_, most_, most_from_address_;  // the last two: 0 for no limit
};

/// The limit of open files that lets one process hold all of max-connections.
[[nodiscard]] std::size_t files_for_connections(const Settings& settings);

/// How long an address waits after failed logins: a first time, doubled by each
/// further failure up to a most. All connections of an address wait together,
/// and nobody else does. And how long everybody waits where many share in failures.
class FailureDelays {
 public:
  explicit FailureDelays(const Settings& settings);

  /// From now until the next check; zero: now.
  [[nodiscard]] std::chrono::milliseconds left(const Failures& failures) const;
  /// How long each waits whose guess is one of `failures` that began elsewhere, the first `free` of
  /// which make nobody wait: the first time, doubled by each further failure up to a quarter of the
  /// most, so that who is right comes in before its program loses patience.
  [[nodiscard]] std::chrono::milliseconds shared(unsigned failures, unsigned free) const;
  /// How long failures must be remembered: whoever lets them be forgotten tries
  /// no more often than who does not.
  [[nodiscard]] std::chrono::milliseconds memory() const { return 2 * most_; }

 private:
  [[nodiscard]] std::chrono::milliseconds doubled(unsigned failures,
                                                  std::chrono::milliseconds most) const;

  std::chrono::milliseconds first_, most_;
};

}  // namespace pop
