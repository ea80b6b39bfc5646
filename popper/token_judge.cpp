#include "popper/token_judge.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "auth/account.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "daemon/privileges.h"
#include "pop3/bearer_message.h"

namespace pop {
namespace {

using Time = std::chrono::steady_clock::time_point;
using Owner = std::expected<std::string, TokenFault>;
using Kind = TokenFault::Kind;

// What our process says before it becomes the program.
constexpr std::string_view claim_word = "claim ", malformed_line = "malformed\n";
constexpr std::size_t longest_claim = claim_word.size() + longest_bearer_user + 1;

std::unexpected<TokenFault> no_owner(Kind kind, std::string why) {
  const Errc code = kind == Kind::unknown ? Errc::io : Errc::denied;
  return std::unexpected(TokenFault{kind, Error{code, std::move(why)}});
}
std::unexpected<TokenFault> no_owner(Error why) {
  return std::unexpected(TokenFault{Kind::unknown, std::move(why)});
}

// --- In the process that becomes the program

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string question_text(const TokenJudge::Question& question, const BearerMessage& message) {
  std::string text = "popper-token 1\nmechanism " + std::string{question.mechanism} + "\n";
  if (!message.user.empty()) text += "user " + message.user + "\n";
  text += "address " + std::string{question.address} + "\ntoken ";
  return text.append(message.token).append("\n\n");
}

// False: there is nothing to ask the program.
bool tell(const TokenJudge::Question& question, int program, int keeper) {
  const std::optional<BearerMessage> message = question.mechanism == "XOAUTH2"
                                                   ? parse_xoauth2(question.message)
                                                   : parse_oauthbearer(question.message);
  if (!message) {
    (void)write_all(keeper, malformed_line);
    return false;
  }
  const std::string claim = std::string{claim_word} + message->user + "\n";
  return write_all(program, question_text(question, *message)) && write_all(keeper, claim) &&
         ::lseek(program, 0, SEEK_SET) == 0;
}

void reset_signals() {
  for (const int signal : {SIGINT, SIGHUP, SIGPIPE, SIGTERM, SIGCHLD}) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// What is started must not go on for nobody.
bool die_with(pid_t parent) {
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;
}

// Its input is in memory and not a pipe: nobody has to read while it is written.
[[noreturn]] void become_program(const std::filesystem::path& path, const Identity& identity,
                                 const TokenJudge::Question& question, int answers,
                                 pid_t keeper_process) {
  ::setsid();
  reset_signals();
  const struct rlimit no_core {};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int keeper = ::fcntl(answers, F_DUPFD, 3);
  const int nowhere = ::open("/dev/null", O_RDWR);
  const bool is_ready = keeper >= 0 && nowhere >= 0 && ::chdir("/") == 0 && become(identity) &&
                        die_with(keeper_process);
  const int input = is_ready ? ::memfd_create("question", MFD_CLOEXEC) : -1;
  const bool is_told = input >= 0 && tell(question, input, keeper) && ::dup2(input, 0) == 0 &&
                       ::dup2(keeper, 1) == 1 && ::dup2(nowhere, 2) == 2;
  if (!is_told) ::_exit(EXIT_FAILURE);
  ::close_range(3, ~0U, 0);
  std::string name = path.native(), search = "PATH=/usr/local/bin:/usr/bin:/bin";
  char* const arguments[] = {name.data(), nullptr};
  char* const environment[] = {search.data(), nullptr};
  ::execve(name.c_str(), arguments, environment);
  ::_exit(EXIT_FAILURE);
}

// --- In the keeper

int milliseconds_until(Time deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().steady());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

/// False: nothing by then.
bool wait_for(const Fd& descriptor, Time deadline) {
  pollfd waiting{descriptor.get(), POLLIN, 0};
  while (true) {
    const int ready = ::poll(&waiting, 1, milliseconds_until(deadline));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

/// The program, which does not outlive this, nor does what it has started and left in its process
/// group.
class Running {
 public:
  explicit Running(pid_t pid) : pid_{pid} {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { (void)end(); }

  /// Its end is a status of wait(2).
  Result<int> end() {
    if (pid_ == 0) return status_;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    int status = 0;
    pid_t ended = 0;
    do {
      ended = ::waitpid(pid_, &status, 0);
    } while (ended < 0 && errno == EINTR);
    const int saved = errno;
    status_ = status;
    if (ended < 0) status_ = fail_errno(saved, "hear how oauth-helper ended");
    pid_ = 0;
    return status_;
  }
  /// False: not by then.
  [[nodiscard]] Result<bool> wait_for_end(Time deadline) const {
    const Fd process{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
    if (process.is_open()) return wait_for(process, deadline);
    const int saved = errno;
    return fail_errno(saved, "watch oauth-helper");
  }

 private:
  pid_t pid_;
  Result<int> status_ = 0;
};

/// What came until the end or the deadline, or too much.
struct Output {
  std::string text;
  bool is_whole = false;
};

Output read_until(const Fd& answers, Time deadline) {
  Output output;
  std::array<char, 1024> piece{};
  while (output.text.size() <= longest_claim + TokenJudge::longest_answer) {
    if (!wait_for(answers, deadline)) break;
    const ssize_t got = ::read(answers.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    output.is_whole = got == 0;
    if (got <= 0) break;
    output.text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return output;
}

// Taken out of the front of the text.
std::string take_claim(std::string& text) {
  const std::size_t end = text.find('\n');
  if (!text.starts_with(claim_word) || end == text.npos) return "";
  std::string claim = text.substr(claim_word.size(), end - claim_word.size());
  text.erase(0, end + 1);
  return claim;
}

std::string ending_of(int status) {
  if (WIFSIGNALED(status)) {
    return "oauth-helper was ended by signal " + std::to_string(WTERMSIG(status));
  }
  return "oauth-helper ended with status " + std::to_string(WEXITSTATUS(status));
}

/// Nothing: it ended as it should, by then.
Result<void> await_good_end(Running& program, Time deadline) {
  const Result<bool> has_ended = program.wait_for_end(deadline);
  if (!has_ended) return std::unexpected(has_ended.error());
  if (!*has_ended) return fail(Errc::io, "oauth-helper has said all, and does not end");
  const Result<int> status = program.end();
  if (!status) return std::unexpected(status.error());
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return {};
  return fail(Errc::io, ending_of(*status));
}

std::int64_t seconds_since_epoch() {
  return std::chrono::floor<std::chrono::seconds>(system_clock().wall()).time_since_epoch().count();
}

// --- What it says

std::unexpected<TokenFault> garbage(std::string_view what) {
  return no_owner(Kind::unknown, "oauth-helper answers what it must not: " + escaped(what, 80));
}

struct Statement {
  std::optional<bool> active;
  std::optional<std::string_view> user, scope, expires;
};

// False: no line of an answer, or one that was there before.
bool take_line(std::string_view line, Statement& said) {
  const auto once = [](std::optional<std::string_view>& field, std::string_view value) {
    return !std::exchange(field, value).has_value();
  };
  if (line == "active" || line == "inactive") {
    return !std::exchange(said.active, line == "active").has_value();
  }
  const std::size_t blank = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, blank);
  const std::string_view value = line.substr(std::min(blank + 1, line.size()));
  if (word == "user") return !value.empty() && once(said.user, value);
  if (word == "scope") return once(said.scope, value);
  if (word == "expires") return decimal(value).has_value() && once(said.expires, value);
  return false;
}

/// Calls with each word until one call says false; whether none did.
template <class Each>
bool all_words(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    if (blank > 0 && !each(text.substr(0, blank))) return false;
    text.remove_prefix(std::min(blank + 1, text.size()));
  }
  return true;
}

bool holds_all(std::string_view scope, std::string_view wanted) {
  return all_words(wanted, [scope](std::string_view one) {
    return !all_words(scope, [one](std::string_view other) { return other != one; });
  });
}

// --- Whether it can be asked

Result<Identity> identity_of(const Settings& settings) {
  if (!runs_as_root()) return Identity{::getuid(), ::getgid(), {}, 0077};
  if (settings.oauth_helper_user.empty()) {
    return fail(Errc::usage,
                "oauth-helper-user: name a user that oauth-helper has for itself; useradd --system "
                "--no-create-home NAME makes one");
  }
  const Result<Account> user = find_system_account(settings.oauth_helper_user);
  if (!user) return std::unexpected(Error{user.error()}.in("oauth-helper-user"));
  if (user->uid == 0) return fail(Errc::usage, "oauth-helper-user must not be root");
  return Identity{user->uid, user->gid, {}, 0077};
}

// Processes of gate-user talk to strangers and to name services, and could trace the program;
// credential-owner's file has the secrets of all.
Result<void> check_user_is_its_own(const Settings& settings, uid_t uid) {
  if (!runs_as_root()) return {};
  for (const auto& [option, name] : {std::pair{"gate-user", settings.gate_user},
                                     std::pair{"credential-owner", settings.credential_owner}}) {
    const Result<Account> other = find_system_account(name);
    if (!other && other.error().code != Errc::not_found) return std::unexpected(other.error());
    if (!other || other->uid != uid) continue;
    return fail(Errc::usage,
                std::string{"oauth-helper-user must not be "} + option +
                    ", whose processes could see the tokens: give it a user of its own");
  }
  return {};
}

bool is_safe_owner(const struct stat& st) {
  return st.st_uid == 0 || st.st_uid == ::geteuid();
}

// In a sticky directory others can make names, but not replace root's.
Result<void> check_directories_above(const std::filesystem::path& path) {
  for (std::filesystem::path at = path.parent_path();; at = at.parent_path()) {
    struct stat st {};
    if (::stat(at.c_str(), &st) != 0) {
      const int saved = errno;
      return fail_errno(saved, "oauth-helper: look at " + at.native());
    }
    const bool is_shared = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0;
    if (!is_safe_owner(st) || is_shared) {
      return fail(Errc::denied,
                  "oauth-helper: " + at.native() +
                      ": others than root can put another program there; chown root " +
                      at.native() + "; chmod go-w " + at.native());
    }
    if (at == at.parent_path()) return {};
  }
}

// Where it is named, and where links lead.
Result<void> check_place(const std::filesystem::path& path) {
  std::error_code why;
  const std::filesystem::path real = std::filesystem::canonical(path, why);
  if (why) return fail_errno(why.value(), "oauth-helper: " + path.native());
  Result<void> good = check_directories_above(path.lexically_normal());
  return good ? check_directories_above(real) : good;
}

Result<void> check_program(const std::filesystem::path& path) {
  struct stat st {};
  const std::string option = "oauth-helper: " + path.native();
  if (::stat(path.c_str(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, option);
  }
  if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
    return fail(Errc::usage, option + ": no file that can be executed; chmod +x it");
  }
  if (is_safe_owner(st) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0) return check_place(path);
  return fail(Errc::denied, option +
                                ": others than root can change it; give it to root, and the mode "
                                "0755");
}

// RFC 6749 section 3.3; and so it can stand between quotes in JSON.
bool can_be_scope(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

}  // namespace

Owner read_token_answer(std::string_view text, std::string_view wanted_scope, std::int64_t now) {
  Statement said;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return garbage("a line without an end");
    const std::string_view line = text.substr(0, end);
    if (!take_line(line, said)) return garbage(line);
    text.remove_prefix(end + 1);
  }
  if (!said.active) return no_owner(Kind::unknown, "oauth-helper says nothing about the token");
  if (!*said.active) return no_owner(Kind::invalid, "the token is not active");
  if (!said.user) return garbage("active, without a user");
  if (said.expires && decimal(*said.expires).value_or(0) <= static_cast<std::uint64_t>(now)) {
    return no_owner(Kind::invalid, "the token has expired");
  }
  if (!holds_all(said.scope.value_or(""), wanted_scope)) {
    return no_owner(Kind::narrow_scope, "the token is for other things");
  }
  return std::string{*said.user};
}

std::chrono::milliseconds token_patience(const Settings& settings) {
  const std::chrono::milliseconds login_timeout = settings.login_timeout;
  return std::min<std::chrono::milliseconds>(settings.oauth_timeout, login_timeout / 2);
}

TokenJudge::Answer TokenJudge::ask(const Question& question) const {
  const Result<void> sound = check_program(settings_.oauth_helper);
  const Result<Identity> identity = sound ? identity_of(settings_) : std::unexpected(sound.error());
  if (!identity) return {"", no_owner({Errc::io, identity.error().text})};
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    const int saved = errno;
    return {"", no_owner(errno_error(saved, "make a pipe"))};
  }
  const Fd answers{ends[0]};
  Fd theirs{ends[1]};
  const std::chrono::milliseconds patience = token_patience(settings_);
  const Time deadline = system_clock().steady() + patience;
  const pid_t self = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return {"", no_owner(errno_error(saved, "fork oauth-helper"))};
  }
  if (child == 0) become_program(settings_.oauth_helper, *identity, question, theirs.get(), self);
  theirs = Fd{};
  Running program{child};
  Output output = read_until(answers, deadline);
  if (output.is_whole && output.text == malformed_line) {
    return {"", no_owner(Kind::malformed, "a malformed message with a token")};
  }
  std::string claimed = take_claim(output.text);
  if (output.text.size() > longest_answer) {
    return {std::move(claimed), garbage("more than it may")};
  }
  if (!output.is_whole) {
    return {std::move(claimed),
            no_owner(Kind::unknown, "oauth-helper has not answered within " +
                                        std::to_string(patience.count()) + " ms")};
  }
  if (Result<void> ended = await_good_end(program, deadline); !ended) {
    return {std::move(claimed), no_owner({Errc::io, std::move(ended).error().text})};
  }
  return {std::move(claimed),
          read_token_answer(output.text, settings_.oauth_scope, seconds_since_epoch())};
}

Result<void> check_oauth_helper(const Settings& settings) {
  if (settings.oauth_helper.empty()) return {};
  if (Result<void> sound = check_program(settings.oauth_helper); !sound) return sound;
  if (!can_be_scope(settings.oauth_scope)) {
    return fail(Errc::usage,
                "oauth-scope: a scope is of ASCII characters without quotation mark and backslash");
  }
  const Result<Identity> identity = identity_of(settings);
  if (!identity) return std::unexpected(identity.error());
  return check_user_is_its_own(settings, identity->uid);
}

}  // namespace pop
