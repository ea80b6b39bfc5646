#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/fd.h"
#include "base/hex.h"
#include "base/random.h"
#include "base/text.h"
#include "popcheck/probe_run.h"

namespace pop {
namespace {

using namespace std::chrono_literals;

constexpr auto pause_between_looks = 250ms;
constexpr std::uint64_t largest_own_message = std::uint64_t{1} << 20;

// --- Sending

/// A message that nobody else sends, with lines that servers and deliverers get wrong.
struct OwnMessage {
  std::string message_id;
  std::vector<std::string> lines;
};

OwnMessage make_message(const ProbePlan& plan) {
  const std::string token = std::to_string(random_number());
  const std::string address = plan.address.empty() ? plan.user : plan.address;
  OwnMessage own{.message_id = "Message-ID: <" + token + ".popcheck@probe.invalid>"};
  own.lines = {"From: popcheck <" + address + ">",
               "To: " + address,
               "Subject: popcheck round trip " + token,
               own.message_id,
               "",
               "This message was sent by popcheck(8) and is deleted by it.",
               ".",
               "..",
               ".one dot",
               "",
               "blanks at the end   ",
               "\ttabs\t",
               std::string(900, 'x'),
               "end"};
  return own;
}

Result<Fd> file_of(const std::vector<std::string>& lines) {
  Fd file{::memfd_create("message", MFD_CLOEXEC)};
  const int saved = errno;
  if (!file.is_open()) return fail_errno(saved, "memfd_create");
  std::string text;
  for (const std::string& line : lines) (text += line) += '\n';
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::lseek(file.get(), 0, SEEK_SET) != 0) {
    return fail(Errc::io, "write the message");
  }
  return file;
}

struct SpawnSettings {
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

Result<pid_t> spawn(const std::vector<std::string>& words, const Fd& input) {
  SpawnSettings settings;
  ::posix_spawn_file_actions_adddup2(&settings.actions, input.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_addopen(&settings.actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  sigset_t usual;
  ::sigemptyset(&usual);
  ::sigaddset(&usual, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&settings.attributes, &usual);
  ::posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> kept = words;
  std::vector<char*> arguments;
  for (std::string& word : kept) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, arguments.front(), &settings.actions,
                                    &settings.attributes, arguments.data(), environ);
  if (failed != 0) return fail_errno(failed, "run " + escaped(words.front()));
  return child;
}

/// Whoever takes longer than there is time is ended.
Result<void> wait_for(pid_t child, const std::string& name,
                      std::chrono::steady_clock::time_point until) {
  for (;;) {
    int status = 0;
    const bool is_late = system_clock().steady() >= until;
    if (is_late) ::kill(child, SIGKILL);
    const pid_t ended = ::waitpid(child, &status, is_late ? 0 : WNOHANG);
    if (ended == child) {
      if (is_late) return fail(Errc::io, escaped(name) + " did not end in time");
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
      return fail(Errc::io,
                  escaped(name) + " failed" +
                      (WIFEXITED(status) ? " with status " + std::to_string(WEXITSTATUS(status))
                                         : std::string{}));
    }
    if (ended < 0 && errno != EINTR) return fail(Errc::io, "wait for " + escaped(name));
    if (ended == 0) system_clock().sleep(10ms);
  }
}

Result<void> deliver(const ProbeRun& run, const OwnMessage& own) {
  const Result<Fd> file = file_of(own.lines);
  if (!file) return std::unexpected(file.error());
  const Result<pid_t> child = spawn(run.plan.deliver_by, *file);
  if (!child) return std::unexpected(child.error());
  return wait_for(*child, run.plan.deliver_by.front(), run.time().end);
}

// --- Looking for it

/// What a session shows of our message: its number, and the ids of all.
struct Sight {
  std::optional<std::uint64_t> number;
  std::set<std::string> ids;
};

Result<Sight> look_for(const ProbeRun& run, ProbeSession& session, const OwnMessage& own) {
  const Result<ReplyLines> listed = session.ask_lines("LIST");
  if (!listed) return std::unexpected(listed.error());
  const Result<ReplyLines> named = session.ask_lines("UIDL");
  if (!named) return std::unexpected(named.error());
  Sizes sizes;
  Ids ids;
  (void)take_sizes(listed->lines, sizes);
  (void)take_ids(named->lines, ids);
  Sight sight;
  std::set<std::string> known;
  for (const auto& [number, id] : run.ids) known.insert(id);
  for (const auto& [number, id] : ids) sight.ids.insert(id);
  for (const auto& [number, octets] : sizes) {
    const auto id = ids.find(number);
    const bool is_old = id != ids.end() && known.contains(id->second);
    if (is_old || octets > largest_own_message) continue;
    const Result<ReplyLines> whole =
        session.ask_lines("RETR " + std::to_string(number), largest_own_message * 2);
    if (!whole) return std::unexpected(whole.error());
    if (std::ranges::find(whole->lines, own.message_id) != whole->lines.end()) {
      sight.number = number;
    }
  }
  return sight;
}

/// Logs in, does this, and quits or hangs up as it says. False: no session, or it broke.
enum class Leave : std::uint8_t { quit, hang_up };
using Look = std::function<Result<Leave>(ProbeSession&, const Sight&)>;
bool in_session(ProbeRun& run, const LoginWay& way, CheckId blamed, const OwnMessage& own,
                const Look& look) {
  Reply refusal;
  std::optional<ProbeSession> session = open_logged_in(run, way, run.plan.password, refusal);
  if (!session) {
    if (!refusal.line.empty()) run.report.judge(blamed, said("login", refusal));
    return false;
  }
  session->look_at(blamed);
  return run.examine(*session, [&](ProbeSession& logged_in) -> Result<void> {
    const Result<Sight> sight = look_for(run, logged_in, own);
    if (!sight) return std::unexpected(sight.error());
    const Result<Leave> leave = look(logged_in, *sight);
    if (!leave) return std::unexpected(leave.error());
    if (*leave == Leave::hang_up) {
      logged_in.hang_up();
      return {};
    }
    const Result<Reply> bye = logged_in.quit();
    return bye ? Result<void>{} : std::unexpected(bye.error());
  });
}

Result<Leave> compare_and_abort(ProbeRun& run, ProbeSession& session, const Sight& sight,
                                const OwnMessage& own) {
  const std::string number = std::to_string(*sight.number);
  session.look_at("delivered-bytes");
  const Result<ReplyLines> whole = session.ask_lines("RETR " + number, largest_own_message * 2);
  if (!whole) return std::unexpected(whole.error());
  run.report.judge("dot-stuffing", stuffing_fault(whole->lines));
  run.report.judge("delivered-bytes", delivered_fault(own.lines, whole->plain()));
  session.look_at("abort");
  const Result<Reply> deleted = session.ask("DELE " + number);
  if (!deleted) return std::unexpected(deleted.error());
  return Leave::hang_up;
}

/// Until it is there, or there is no more time.
bool see_it(ProbeRun& run, const LoginWay& way, const OwnMessage& own,
            std::chrono::steady_clock::time_point sent) {
  // The rest of the time is for what comes after.
  const auto until = sent + (run.time().end - sent) * 2 / 3;
  for (;;) {
    bool seen = false;
    const bool alive = in_session(run, way, "delivery", own,
                                  [&](ProbeSession& session, const Sight& sight) -> Result<Leave> {
                                    seen = sight.number.has_value();
                                    if (!seen) return Leave::quit;
                                    return compare_and_abort(run, session, sight, own);
                                  });
    if (seen) {
      run.report.good("delivery");
      run.report.facts.delivery_time =
          std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - sent);
      return alive;
    }
    if (!alive || run.is_login_delayed) return false;
    if (system_clock().steady() + pause_between_looks >= until) {
      run.report.judge("delivery", "the message did not come in time");
      return false;
    }
    system_clock().sleep(pause_between_looks);
  }
}

/// Of the mail that was there before ours.
Fault lost_fault(const ProbeRun& run, const Sight& sight) {
  const auto lost = std::ranges::find_if(
      run.ids, [&](const auto& each) { return !sight.ids.contains(each.second); });
  if (lost == run.ids.end()) return std::nullopt;
  return "another message is gone, too: " + escaped(lost->second, 80);
}

}  // namespace

void probe_round_trip(ProbeRun& run, const LoginWay& way) {
  if (run.plan.deliver_by.empty()) {
    for (const CheckId check :
         {CheckId{"delivery"}, CheckId{"delivered-bytes"}, CheckId{"abort"}, CheckId{"deletion"}}) {
      run.report.skip(check, "neither --address nor --deliver-by");
    }
    return;
  }
  const OwnMessage own = make_message(run.plan);
  const auto sent = system_clock().steady();
  if (Result<void> delivered = deliver(run, own); !delivered) {
    return run.report.judge("delivery", delivered.error().text);
  }
  if (!see_it(run, way, own, sent)) return;
  bool is_there = false;
  const bool deleted = in_session(
      run, way, "abort", own, [&](ProbeSession& session, const Sight& sight) -> Result<Leave> {
        is_there = sight.number.has_value();
        run.report.judge("abort",
                         is_there ? std::nullopt
                                  : Fault{"DELE without QUIT has deleted a message; popper does "
                                          "so unless update-on-abort is off"});
        if (!is_there) return Leave::quit;
        session.look_at("deletion");
        const Result<Reply> reply = session.ask("DELE " + std::to_string(*sight.number));
        if (!reply) return std::unexpected(reply.error());
        return Leave::quit;
      });
  if (!deleted || !is_there) return;
  in_session(run, way, "deletion", own, [&](ProbeSession&, const Sight& sight) -> Result<Leave> {
    run.report.judge("deletion", sight.number ? Fault{"the message is there again after QUIT"}
                                              : lost_fault(run, sight));
    return Leave::quit;
  });
}

}  // namespace pop
