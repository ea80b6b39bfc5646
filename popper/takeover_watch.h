#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "popper/peer_trial.h"
#include "popper/takeover_call.h"

namespace pop {

/// A session's ear for those who want its maildrop. Looks at the client's connection when one of
/// them asks, and answers whom it does not make way for.
class TakeoverWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `socket` outlives this. One that is no TCP connection cannot be looked at: then the client is
  /// taken to be there.
  explicit TakeoverWatch(int socket);
  void watch(int socket) { socket_ = socket; }

  /// Calls for this maildrop are meant for us.
  void hear_calls_for(std::uint64_t maildrop) { maildrops_.push_back(maildrop); }
  /// The client sent or took something now.
  void note_life();

  /// Takes what has been called. Quick; once true, for good.
  [[nodiscard]] bool must_end();
  /// For who has waited for next_look(): whether the client's host has vanished, without a call.
  [[nodiscard]] bool has_lost_client();
  /// After so long must_end() may have something new to say, though nobody called.
  [[nodiscard]] std::chrono::milliseconds next_answer() const;
  /// The same for a wait that only the client's host can end.
  [[nodiscard]] std::chrono::milliseconds next_look() const;

  enum class Ending : std::uint8_t {
    gone,    // the client's connection is dead
    silent,  // its client has been silent for longer than another login allows
    wanted   // another login wanted it, whatever the client does
  };
  [[nodiscard]] std::optional<Ending> ending() const { return ending_; }
  /// For the log.
  [[nodiscard]] std::string_view reason() const;
  /// The process that asked; 0: nobody did.
  [[nodiscard]] pid_t asked_by() const { return asked_by_; }

 private:
  void hear(const ReceivedCall& call, Time now);
  void judge(Time now);
  void stay();
  void end_trial();

  int socket_;
  std::vector<std::uint64_t> maildrops_;
  Time last_life_;
  std::optional<ReceivedCall> call_;  // that the trial is for
  std::optional<PeerTrial> trial_;
  std::optional<Ending> ending_;
  pid_t asked_by_ = 0;
};

}  // namespace pop
