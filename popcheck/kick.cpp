#include <algorithm>
#include <string>
#include <vector>

#include "base/clock.h"
#include "popcheck/popcheck.h"
#include "popcheck/scoreboard_place.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

// A session that is just being updated ends when that is done.
constexpr std::chrono::seconds patience{30};
constexpr std::chrono::milliseconds pause{50};

std::string shown(const SeenSession& session) {
  return shown_text(session.user, Layout::one_line) + " from " +
         shown_text(session.address, Layout::one_line) + ", process " +
         std::to_string(session.process);
}

// Asked again and again: one that has just begun may not have heard it.
Result<void> end_session(const std::filesystem::path& board, const SeenSession& session) {
  const auto last = system_clock().steady() + patience;
  while (true) {
    const Result<void> asked = ask_to_end(board, session);
    if (!asked && asked.error().code == Errc::not_found) return {};
    if (!asked && asked.error().code != Errc::busy) return asked;
    system_clock().sleep(pause);
    const Result<bool> is_there = is_on(board, session);
    if (!is_there) return std::unexpected(is_there.error());
    if (!*is_there) return {};
    if (system_clock().steady() >= last) return fail(Errc::busy, "it is still there");
  }
}

class Kick {
 public:
  Kick(const std::filesystem::path& board, const ToolRun& run) : board_{board}, run_{run} {}

  void user(const std::string& name, const std::vector<SeenSession>& sessions) {
    bool is_on = false;
    for (const SeenSession& session : sessions) {
      if (session.user != name) continue;
      is_on = true;
      one(session);
    }
    if (!is_on) fail_with(Error{Errc::not_found, "not on"}.in("kick " + shown_name(name)));
  }
  [[nodiscard]] ExitStatus status() const { return status_; }

 private:
  static std::string shown_name(const std::string& name) {
    return shown_text(name, Layout::one_line);
  }
  void one(const SeenSession& session) {
    if (run_.flags.mode == RunMode::dry_run) {
      return run_.terminal.print("would end the session of " + shown(session) + "\n");
    }
    if (Result<void> done = end_session(board_, session); !done) {
      return fail_with(std::move(done).error().in("kick " + shown(session)));
    }
    if (run_.flags.verbosity == Verbosity::quiet) return;
    run_.terminal.print("ended the session of " + shown(session) + "\n");
  }
  void fail_with(const Error& error) {
    const ExitStatus status = give_up(run_.terminal, error);
    if (status_ == ExitStatus::ok) status_ = status;
  }

  const std::filesystem::path& board_;
  const ToolRun& run_;
  ExitStatus status_ = ExitStatus::ok;
};

}  // namespace

void declare_kick(Arguments& arguments, KickArguments& kick) {
  arguments.operands("USER", kick.users, Arguments::Count::one_or_more,
                     "End the sessions of these users");
}

ExitStatus run_kick(const KickArguments& arguments, const ToolRun& run) {
  if (run.flags.form == OutputForm::json) {
    return give_up(run.terminal, {Errc::usage, "kick prints no JSON"});
  }
  const std::expected<std::filesystem::path, ExitStatus> board = scoreboard_place(run);
  if (!board) return board.error();
  const std::expected<SeenScoreboard, ExitStatus> seen = see_scoreboard(run);
  if (!seen) return seen.error();
  Kick kick{*board, run};
  for (const std::string& user : arguments.users) kick.user(user, seen->sessions);
  return kick.status();
}

}  // namespace pop
