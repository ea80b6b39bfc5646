#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <ctime>

#include "base/clock.h"
#include "popcheck/popcheck.h"
#include "popcheck/scoreboard_place.h"
#include "popcheck/session_words.h"
#include "tool/json.h"
#include "tool/moment.h"
#include "tool/shown_text.h"
#include "tool/size_text.h"

namespace pop {
namespace {

constexpr std::int64_t nanoseconds_a_second = 1'000'000'000;
constexpr int default_pause = 2, longest_pause = 3600;
// Home, and clear from there on.
constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";

using Row = std::array<std::string, 11>;

const Row& head() {
  static const Row row{"USER",  "ADDRESS", "BY",   "TLS",  "SINCE",  "IDLE",
                       "STATE", "MAIL",    "READ", "SENT", "PROCESS"};
  return row;
}

std::int64_t now_in_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch())
      .count();
}

// The time, and the day only where it is another one.
std::string since_text(std::int64_t seconds, std::int64_t now) {
  const auto local = [](std::int64_t moment) {
    const std::time_t value = moment;
    std::tm parts{};
    ::localtime_r(&value, &parts);
    return parts;
  };
  const std::tm then = local(seconds), today = local(now);
  const bool is_today = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
  std::array<char, 32> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), is_today ? "%H:%M:%S" : "%m-%d %H:%M", &then);
  return {text.data(), size};
}

std::string duration_text(std::int64_t seconds) {
  if (seconds < 60) return std::to_string(std::max<std::int64_t>(seconds, 0)) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  return std::to_string(seconds / 3600) + "h";
}

Row row_of(const SeenSession& session, std::int64_t now) {
  const bool over_tls = (session.flags & ScoreboardFacts::over_tls) != 0;
  Row row{shown_text(session.user, Layout::one_line),
          shown_text(session.address, Layout::one_line),
          session.mechanism,
          over_tls ? "yes" : "no",
          since_text(session.since / nanoseconds_a_second, now),
          "-",
          std::string{state_word(session)},
          "-",
          "-",
          "-",
          std::to_string(session.process)};
  if (const auto& progress = session.progress) {
    row[5] = duration_text(now - progress->active);
    row[7] = std::to_string(progress->messages);
    row[8] = std::to_string(progress->retrieved);
    row[9] = size_text(progress->octets_sent);
  }
  return row;
}

std::string table_of(const std::vector<SeenSession>& sessions) {
  std::vector<Row> rows{head()};
  const std::int64_t now = now_in_seconds();
  for (const SeenSession& session : sessions) rows.push_back(row_of(session, now));
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] + 2 - row[i].size(), ' ');
    }
    text += '\n';
  }
  return text;
}

std::string text_of(const SeenScoreboard& seen) {
  std::string text = seen.sessions.empty() ? "nobody is on\n" : table_of(seen.sessions);
  text += std::to_string(seen.sessions.size()) + " on, " + std::to_string(seen.strangers) +
          " not logged in, " + std::to_string(seen.queued) + " waiting for their login\n";
  return text;
}

Json number(std::uint64_t value) {
  return {value};
}
Json moment(std::int64_t seconds) {
  return {moment_text(seconds)};
}

Json json_of(const SeenSession& session) {
  const auto has = [&session](ScoreboardFacts::Flag flag) {
    return Json{(session.flags & flag) != 0};
  };
  Json::Object object{{"user", Json{session.user}},
                      {"address", Json{session.address}},
                      {"connection", Json{session.connection}},
                      {"mechanism", Json{session.mechanism}},
                      {"tls", has(ScoreboardFacts::over_tls)},
                      {"read_only", has(ScoreboardFacts::read_only)},
                      {"uid", number(session.uid)},
                      {"process", number(static_cast<std::uint64_t>(session.process))},
                      {"since", moment(session.since / nanoseconds_a_second)},
                      {"state", Json{std::string{state_word(session)}}}};
  if (const auto& progress = session.progress) {
    object.emplace_back("active", moment(progress->active));
    object.emplace_back("messages", number(progress->messages));
    object.emplace_back("retrieved", number(progress->retrieved));
    object.emplace_back("deleted", number(progress->deleted));
    object.emplace_back("octets_sent", number(progress->octets_sent));
    object.emplace_back("octets_received", number(progress->octets_received));
  }
  return {std::move(object)};
}

Json json_of(const SeenScoreboard& seen) {
  Json::Array sessions;
  for (const SeenSession& session : seen.sessions) sessions.push_back(json_of(session));
  return {Json::Object{{"counted_since", moment(seen.made)},
                       {"gates", number(seen.gates)},
                       {"keepers", number(seen.keepers)},
                       {"strangers", number(seen.strangers)},
                       {"queued_logins", number(seen.queued)},
                       {"sessions", Json{std::move(sessions)}}}};
}

void keep(const std::vector<std::string>& users, std::vector<SeenSession>& sessions) {
  if (users.empty()) return;
  std::erase_if(sessions, [&users](const SeenSession& session) {
    return std::ranges::find(users, session.user) == users.end();
  });
}

Result<std::chrono::seconds> pause_of(const WhoArguments& arguments) {
  if (!arguments.every) return std::chrono::seconds{default_pause};
  int seconds = 0;
  const char* const end = arguments.every->data() + arguments.every->size();
  const auto [stop, error] = std::from_chars(arguments.every->data(), end, seconds);
  if (error == std::errc{} && stop == end && seconds >= 1 && seconds <= longest_pause) {
    return std::chrono::seconds{seconds};
  }
  return fail(Errc::usage, "--every takes 1 to " + std::to_string(longest_pause) + " seconds");
}

// Until it is interrupted, or the terminal has gone.
ExitStatus watch(const WhoArguments& arguments, std::chrono::seconds pause, const ToolRun& run) {
  while (true) {
    std::expected<SeenScoreboard, ExitStatus> seen = see_scoreboard(run);
    if (!seen) return seen.error();
    keep(arguments.users, seen->sessions);
    run.terminal.print(clear_screen);
    run.terminal.print(text_of(*seen));
    if (Result<void> written = run.terminal.flush(); !written) {
      return give_up(run.terminal, written.error());
    }
    system_clock().sleep(pause);
  }
}

}  // namespace

void declare_who(Arguments& arguments, WhoArguments& who) {
  arguments.flag("-w,--watch", who.watch, "Show it again and again, on a terminal");
  arguments.option("--every", who.every, "SECONDS", "With --watch: pause so long; default 2");
  arguments.operands("USER", who.users, Arguments::Count::any, "Show these users only");
}

ExitStatus run_who(const WhoArguments& arguments, const ToolRun& run) {
  const Result<std::chrono::seconds> pause = pause_of(arguments);
  if (!pause) return give_up(run.terminal, pause.error());
  if (arguments.watch) {
    if (run.terminal.out_is_terminal() && run.flags.form == OutputForm::text) {
      return watch(arguments, *pause, run);
    }
    return give_up(run.terminal, {Errc::usage, "--watch is for a terminal"});
  }
  std::expected<SeenScoreboard, ExitStatus> seen = see_scoreboard(run);
  if (!seen) return seen.error();
  keep(arguments.users, seen->sessions);
  run.terminal.print(run.flags.form == OutputForm::json ? to_text(json_of(*seen)) : text_of(*seen));
  return ExitStatus::ok;
}

}  // namespace pop
