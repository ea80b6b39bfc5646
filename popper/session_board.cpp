#include "popper/session_board.h"

#include <fcntl.h>

#include <utility>

#include "popper/handover.h"

namespace pop {
namespace {

/// A place of this process, told; nullopt: no room.
struct Held {
  Scoreboard::Place place;
  ScoreboardFacts facts;
  Activity activity;
};

Result<Held> hold_place(Scoreboard& board, PlaceKind kind) {
  Result<ScoreboardFacts> facts = facts_of_this_process(kind);
  if (!facts) return std::unexpected(facts.error());
  const std::optional<Scoreboard::Place> place = board.claim();
  if (!place) return fail(Errc::full, "no place is left");
  Result<Activity> activity = board.activity(*place);
  if (!activity) return std::unexpected(activity.error());
  board.tell(*place, *facts);
  return Held{*place, *facts, std::move(*activity)};
}

void log_failure(Log& log, const Error& error) {
  log.failure("note on the scoreboard", error);
}

}  // namespace

SessionBoard::SessionBoard(Scoreboard board, Log& log) {
  Result<Held> held = hold_place(board, PlaceKind::keeper);
  if (!held) {
    log_failure(log, held.error());
    return;
  }
  place_ = held->place;
  self_ = held->facts;
  own_ = std::move(held->activity);
  board_.emplace(std::move(board));
}

SessionBoard::Place SessionBoard::take() {
  if (!board_) return std::nullopt;
  if (kept_.empty()) return board_->claim();
  const Scoreboard::Place place = kept_.back();
  kept_.pop_back();
  return place;
}

void SessionBoard::give_back(Place place) {
  if (!place) return;
  tell_idle(place);
  kept_.push_back(*place);
}

Activity SessionBoard::activity(Place place) const {
  if (!board_ || !place) return {};
  Result<Activity> activity = board_->activity(*place);
  return activity ? std::move(*activity) : Activity{};
}

std::uint64_t SessionBoard::next_serial() {
  return board_ ? board_->next_serial() : 0;
}

void SessionBoard::tell(Place place, const Server& server, const ScoreboardFacts& session) {
  if (!place) return;
  ScoreboardFacts facts = session;
  facts.process = server.process;
  facts.born_after = server.birth.after.count();
  facts.born_before = server.birth.before.count();
  facts.since = scoreboard_time();
  if (server.turns == Turns::one_after_another) facts.flags |= ScoreboardFacts::in_turn;
  board_->tell(*place, facts);
}

void SessionBoard::tell_idle(Place place) {
  if (place) board_->tell(*place, {});
}

void SessionBoard::become_session(const ScoreboardFacts& session) {
  if (!board_) return;
  tell(place_,
       {self_.process,
        {std::chrono::nanoseconds{self_.born_after}, std::chrono::nanoseconds{self_.born_before}},
        Turns::one},
       session);
  board_.reset();
}

ScoreboardFacts scoreboard_facts(const SessionStart& start, const Settings& settings) {
  const Account& account = start.account;
  ScoreboardFacts facts;
  facts.kind = PlaceKind::session;
  facts.uid = account.uid;
  facts.serial = start.serial;
  facts.mechanism = static_cast<std::uint32_t>(login_mechanism(start.proved_by));
  if (start.over_tls) facts.flags |= ScoreboardFacts::over_tls;
  if (account.is_read_only) facts.flags |= ScoreboardFacts::read_only;
  if (!settings.session_program.empty()) facts.flags |= ScoreboardFacts::by_program;
  if (!put_text(facts.user, account.name)) facts.flags |= ScoreboardFacts::name_is_cut;
  put_text(facts.address, start.address);
  put_text(facts.connection, start.connection);
  return facts;
}

Fd take_inherited_scoreboard(const Settings& settings) {
  if (settings.scoreboard.empty() || ::fcntl(inherited::scoreboard, F_GETFD) < 0) return {};
  ::fcntl(inherited::scoreboard, F_SETFD, FD_CLOEXEC);
  return Fd{inherited::scoreboard};
}

Activity take_own_page(Fd scoreboard, PlaceKind kind, Log& log) {
  Result<Scoreboard> board = Scoreboard::map(std::move(scoreboard));
  if (!board) {
    log_failure(log, board.error());
    return {};
  }
  Result<Held> held = hold_place(*board, kind);
  if (!held) {
    log_failure(log, held.error());
    return {};
  }
  return std::move(held->activity);
}

}  // namespace pop
