#include "popcheck/session_words.h"

namespace pop {

std::string_view state_word(const SeenSession& session) {
  if ((session.flags & ScoreboardFacts::by_program) != 0) return "session-program";
  if (!session.progress) return "starting";
  switch (session.progress->state) {
    case SessionState::starting:
      return "starting";
    case SessionState::opening:
      return "opening";
    case SessionState::waiting:
      return "waiting";
    case SessionState::answering:
      return "answering";
    case SessionState::updating:
      return "updating";
  }
  return "starting";
}

}  // namespace pop
