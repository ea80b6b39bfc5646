#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "conf/settings.h"
#include "daemon/process_identity.h"
#include "daemon/scoreboard.h"
#include "log/log.h"
#include "popper/session_start.h"

namespace pop {

/// The scoreboard as the process that lets clients in writes it: its own counts, and a place for
/// each session process. Without a scoreboard nothing is written anywhere. A forked child may call
/// activity() and nothing else.
class SessionBoard {
 public:
  using Place = std::optional<Scoreboard::Place>;  // nullopt: not on the board
  enum class Turns : std::uint8_t { one, one_after_another };

  /// On no board.
  SessionBoard() = default;
  /// Takes a place for this process. Failures are logged, and nothing is written then.
  SessionBoard(Scoreboard board, Log& log);

  /// This process's own.
  [[nodiscard]] const Activity& own() const { return own_; }

  /// For a process to be forked.
  [[nodiscard]] Place take();
  /// When it has ended.
  void give_back(Place place);
  /// What the process at this place writes.
  [[nodiscard]] Activity activity(Place place) const;

  /// 0 without a scoreboard.
  [[nodiscard]] std::uint64_t next_serial();
  /// From now on this process serves this client there.
  struct Server {
    pid_t process = 0;
    Birth birth;
    Turns turns = Turns::one;
  };
  void tell(Place place, const Server& server, const ScoreboardFacts& session);
  void tell_idle(Place place);

  /// This process itself becomes the session, and gives up the board: only own() stays good.
  void become_session(const ScoreboardFacts& session);

 private:
  std::optional<Scoreboard> board_;
  Place place_;
  ScoreboardFacts self_;
  Activity own_;
  std::vector<Scoreboard::Place> kept_;  // of sessions that have ended, for the next ones
};

/// All but process, birth and time.
[[nodiscard]] ScoreboardFacts scoreboard_facts(const SessionStart& start, const Settings& settings);

/// What the master has handed to this role; not open: nothing.
[[nodiscard]] Fd take_inherited_scoreboard(const Settings& settings);

/// What the process that is to have only its own page does with the board's file.
[[nodiscard]] Activity take_own_page(Fd scoreboard, PlaceKind kind, Log& log);

}  // namespace pop
