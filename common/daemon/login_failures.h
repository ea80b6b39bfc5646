#pragma once

#include <chrono>
#include <cstdint>

#include "conf/settings.h"
#include "daemon/connection_census.h"
#include "daemon/connection_limits.h"
#include "ipc/frame.h"

namespace pop {

/// Who has to wait before a password is looked at, by what has failed before: whatever the
/// mechanism, each verdict comes here once. Counts lie in the census, so all gates of a daemon
/// share them and they outlive a reload; what was tried is there as GuessKeys only.
///
/// - An address waits as FailureDelays says, all its connections one after the other.
/// - Whoever tries a user for whom many secrets were wrong lately, or a password that was wrong for
///   many users lately, waits a time of its own, and others with it, not one after the other;
///   nobody who has logged in as the user from the same address before.
/// - The secret that was wrong for a user from an address before counts no more when it comes
/// again.
class LoginFailures {
 public:
  using Time = Census::Time;

  /// Wrong secrets of one user, and users of one wrong password, that make nobody wait.
  static constexpr unsigned free_of_user = 5, free_of_password = 10;
  static constexpr std::chrono::minutes guess_memory{10};
  static constexpr std::chrono::hours repeat_memory{24}, success_memory{30 * 24};

  /// `census` must outlive it.
  LoginFailures(const Settings& settings, Census& census);

  /// How long the office keeps what a gate has noted.
  [[nodiscard]] static TallyMemory memory(const Settings& settings);

  /// The address has failed lately, or the guess must wait(): not to be served before others.
  [[nodiscard]] bool is_doubtful(AddressKey address, const GuessKeys& guess, Time now) const;
  /// From now until the address may try again; zero: it does now.
  [[nodiscard]] std::chrono::milliseconds left(AddressKey address, Time now) const;
  /// From the moment on at which the secret came.
  [[nodiscard]] std::chrono::milliseconds wait(AddressKey address, const GuessKeys& guess,
                                               Time now) const;
  /// The same wrong secret as before.
  [[nodiscard]] bool is_repeated(AddressKey address, const GuessKeys& guess, Time now) const;

  void note_attempt(AddressKey address, Time now);
  void note_failure(AddressKey address, const GuessKeys& guess, Time now);
  void note_success(AddressKey address, const GuessKeys& guess, Time now);

 private:
  [[nodiscard]] unsigned guesses_at(std::uint64_t key, Time now) const;

  FailureDelays delays_;
  Census& census_;
};

}  // namespace pop
