// The process tells its parent what it finds in frames over a pipe: a kind, four bytes of length,
// the content. It has the rights of the mail's owner, so the parent believes none of it further
// than it must: lengths are bounded and JSON is read anew.

#include "popspool/target_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>

#include "base/clock.h"
#include "base/read_only_disk.h"
#include "base/text.h"
#include "conf/scope.h"

namespace pop {
namespace {

constexpr char text_frame = 't';
constexpr char complaint_frame = 'c';
constexpr char error_frame = 'e';
constexpr char member_frame = 'm';
constexpr char hand_over_frame = 'h';
constexpr char taken = 'y', refused = 'n';  // how an answer begins; it ends with an LF

constexpr std::size_t largest_frame = std::size_t{256} << 20;
constexpr std::size_t gathered_at_most = std::size_t{32} << 10;

/// The child's end.
class PipeOutput final : public TargetOutput {
 public:
  PipeOutput(Fd pipe, OutputForm form) : pipe_{std::move(pipe)}, form_{form} {}

  void print(std::string_view text) override {
    if (form_ == OutputForm::json) return;
    while (!text.empty()) {
      const std::string_view piece = text.substr(0, gathered_at_most);
      send(text_frame, piece);
      text.remove_prefix(piece.size());
    }
  }
  void complain(std::string_view text) override { send(complaint_frame, text); }
  void add(std::string key, Json value) override {
    send(member_frame, key + '\n' + to_line(value));
  }
  /// Standard input brings the answer.
  Result<Json::Object> hand_over() override {
    send(hand_over_frame, "");
    flush();
    std::string answer;
    while (!answer.ends_with('\n')) {
      std::array<char, 4096> piece;
      const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return fail(Errc::busy, "popspool was ended");
      answer.append(piece.data(), static_cast<std::size_t>(got));
    }
    answer.pop_back();
    Result<Json> content = parse_json(std::string_view{answer}.substr(1));
    if (!content) return std::unexpected(std::move(content).error());
    if (answer.front() == taken) {
      if (auto* members = std::get_if<Json::Object>(&content->value)) return std::move(*members);
    } else if (const auto* error = std::get_if<Json::Array>(&content->value)) {
      return std::unexpected(error_of(*error));
    }
    return fail(Errc::corrupt, "an answer that nobody understands");
  }
  void fail_with(const Error& error) { send(error_frame, error.text); }

  /// A parent that has gone does not keep us from ending what was begun.
  void flush() {
    std::string_view rest = gathered_;
    while (!rest.empty()) {
      const ssize_t put = ::write(pipe_.get(), rest.data(), rest.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) break;
      rest.remove_prefix(static_cast<std::size_t>(put));
    }
    gathered_.clear();
  }

 private:
  static Error error_of(const Json::Array& code_and_text) {
    const auto* code = std::get_if<std::uint64_t>(&code_and_text.at(0).value);
    const auto* text = std::get_if<std::string>(&code_and_text.at(1).value);
    if (code == nullptr || text == nullptr) return {Errc::io, "an error that nobody understands"};
    return {static_cast<Errc>(*code), *text};
  }

  void send(char kind, std::string_view content) {
    const auto size = static_cast<std::uint32_t>(content.size());
    std::array<char, sizeof size> length{};
    std::memcpy(length.data(), &size, sizeof size);
    gathered_ += kind;
    gathered_.append(length.data(), length.size());
    gathered_ += content;
    if (gathered_.size() >= gathered_at_most) flush();
  }

  Fd pipe_;
  OutputForm form_;
  std::string gathered_;
};

/// What of the parent the child must not keep: other targets' pipes above all, which would not end.
Result<void> let_go_of_all_but(const Fd& pipe, std::optional<int> input, const Fd& output) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int read_from = input.value_or(null);
  const bool in_place = read_from == STDIN_FILENO || ::dup2(read_from, STDIN_FILENO) >= 0;
  const int written_to = output.is_open() ? output.get() : null;
  if (null < 0 || !in_place || ::dup2(written_to, STDOUT_FILENO) < 0) {
    return fail_errno(errno, "open the null device");
  }
  const auto kept = static_cast<unsigned>(pipe.get());
  if (kept > 3) (void)::close_range(3, kept - 1, 0);
  (void)::close_range(kept + 1, ~0U, 0);
  return {};
}

/// `parent` may have gone before the kernel was asked. Not before the uid changes, which takes it
/// back.
Result<void> end_with(pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return fail_errno(errno, "prctl");
  if (::getppid() != parent) return fail(Errc::busy, "popspool was ended");
  return {};
}

Result<ExitStatus> work_on(const TargetVerb& verb, const MailTarget& target,
                           const Settings& settings, const ToolFlags& flags, bool is_alone,
                           pid_t parent, TargetOutput& output) {
  const bool becomes_owner = verb.rights == TargetVerb::Rights::owner;
  Result<void> ready;
  if (target.identity && becomes_owner) ready = become(*target.identity);
  if (ready && verb.input) ready = end_with(parent);
  if (!ready) return std::unexpected(std::move(ready).error());
  ReadOnlyDisk looking{system_disk()};
  const bool reads = verb.access == TargetVerb::Access::reading;
  Disk& disk = reads ? static_cast<Disk&>(looking) : system_disk();
  const UserSettings own =
      becomes_owner ? settings_of_user(settings, disk,
                                       {.name = target.user.name,
                                        .uid = target.user.uid,
                                        .home = target.user.home.native()})
                    : UserSettings{.settings = settings, .complaints = {}, .failures = {}};
  for (const Error& failure : own.failures) output.complain(failure.text);
  for (const Complaint& complaint : own.complaints) output.complain(to_string(complaint));
  const MaildropContext context{own.settings, disk, system_clock()};
  return verb.work({.target = target,
                    .user = target.user,
                    .context = context,
                    .flags = flags,
                    .is_alone = is_alone,
                    .output = output});
}

[[noreturn]] void be_the_process(const TargetVerb& verb, const MailTarget& target,
                                 const Settings& settings, const ToolFlags& flags,
                                 const TargetProcess::Circumstances& circumstances, pid_t parent,
                                 Fd pipe, std::optional<int> input) {
  ExitStatus status = ExitStatus::software;
  if (verb.access == TargetVerb::Access::reading) ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit of file sizes is an error of writing
  const Result<void> alone = let_go_of_all_but(pipe, input, circumstances.output);
  PipeOutput output{std::move(pipe), flags.form};
  try {
    const Result<ExitStatus> done =
        alone ? work_on(verb, target, settings, flags, circumstances.is_alone, parent, output)
              : std::unexpected(alone.error());
    if (!done) output.fail_with(done.error());
    status = done ? *done : consequence_of(done.error().code).exit;
  } catch (const std::exception& bug) {
    output.fail_with({Errc::io, std::string{"internal error: "} + bug.what()});
  }
  output.flush();
  ::_exit(static_cast<int>(status));
}

}  // namespace

Result<TargetProcess> TargetProcess::start(const TargetVerb& verb, const MailTarget& target,
                                           const Settings& settings, const ToolFlags& flags,
                                           const Circumstances& circumstances) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  Fd reading{ends[0]};
  Fd writing{ends[1]};
  Fd answers_here, answers_there;
  if (verb.take_over) {
    // A socket: who has gone costs an error, and not a signal.
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return fail_errno(errno, "make a socket pair");
    }
    answers_here = Fd{ends[0]};
    answers_there = Fd{ends[1]};
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) {
    const std::optional<int> input = answers_there.is_open() ? answers_there.get() : verb.input;
    be_the_process(verb, target, settings, flags, circumstances, parent, std::move(writing), input);
  }
  return TargetProcess{pid, std::move(reading), std::move(answers_here)};
}

void TargetProcess::answer(const Result<Json::Object>& members) {
  hands_over_ = false;
  std::string text;
  if (members) {
    text = taken + to_line({*members});
  } else {
    text = refused + to_line({Json::Array{{static_cast<std::uint64_t>(members.error().code)},
                                          {members.error().text}}});
  }
  text += '\n';
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t put = ::send(answers_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return;  // its end is seen where its output is read
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
}

bool TargetProcess::take_in() {
  std::array<char, std::size_t{64} << 10> piece;
  const ssize_t got = ::read(pipe_.get(), piece.data(), piece.size());
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) {
    end();
    return false;
  }
  received_.append(piece.data(), static_cast<std::size_t>(got));
  understand();
  return true;
}

void TargetProcess::understand() {
  constexpr std::size_t head = 1 + sizeof(std::uint32_t);
  std::string_view rest = received_;
  while (rest.size() >= head) {
    std::uint32_t size = 0;
    std::memcpy(&size, rest.data() + 1, sizeof size);
    if (size > largest_frame) {
      complaints_.push_back(
          {"internal error: its process says nothing that can be understood", true});
      ::kill(pid_, SIGKILL);
      received_.clear();
      return;
    }
    if (rest.size() - head < size) break;
    understand_frame(rest.front(), rest.substr(head, size));
    rest.remove_prefix(head + size);
  }
  received_.erase(0, received_.size() - rest.size());
}

void TargetProcess::understand_frame(char kind, std::string_view content) {
  if (kind == text_frame) {
    text_ += content;
  } else if (kind == complaint_frame || kind == error_frame) {
    complaints_.push_back({std::string{content}, kind == error_frame});
  } else if (kind == hand_over_frame) {
    hands_over_ = true;
  } else if (kind == member_frame) {
    const std::size_t key_end = content.find('\n');
    if (key_end == content.npos) return;
    Result<Json> value = parse_json(content.substr(key_end + 1));
    if (value) members_.emplace_back(content.substr(0, key_end), std::move(*value));
  }
}

void TargetProcess::end() {
  int how = 0;
  while (::waitpid(pid_, &how, 0) < 0 && errno == EINTR) {
  }
  pipe_ = Fd{};
  answers_ = Fd{};
  if (WIFEXITED(how)) {
    status_ = static_cast<ExitStatus>(WEXITSTATUS(how));
  } else {
    complaints_.push_back(
        {"its process was ended by signal " + std::to_string(WTERMSIG(how)), true});
  }
}

}  // namespace pop
