#include "popbull/user_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>

#include "base/fd.h"

namespace pop {
namespace {

// What the process says: one octet, '+' before the text of a success, else '0' and the number of
// the Errc before the text of a failure.
constexpr char success = '+';
constexpr char first_failure = '0';
constexpr std::size_t largest_answer = std::size_t{64} << 20;

void write_all(const Fd& pipe, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(pipe.get(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return;  // nobody waits any more
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

Result<std::string> work_as(const std::optional<Identity>& identity, const UserWork& work) {
  if (identity) {
    if (Result<void> became = become(*identity); !became) {
      return std::unexpected(std::move(became).error());
    }
  }
  try {
    return work();
  } catch (const std::exception& bug) {
    return fail(Errc::io, std::string{"internal error: "} + bug.what());
  }
}

[[noreturn]] void be_the_process(const std::optional<Identity>& identity, const UserWork& work,
                                 const Fd& pipe) {
  const Result<std::string> done = work_as(identity, work);
  if (done) {
    write_all(pipe, success + *done);
  } else {
    const char code = static_cast<char>(first_failure + static_cast<char>(done.error().code));
    write_all(pipe, code + done.error().text);
  }
  ::_exit(0);
}

std::string read_answer(const Fd& pipe) {
  std::string answer;
  std::array<char, 4096> piece;
  while (answer.size() < largest_answer) {
    const ssize_t got = ::read(pipe.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  return answer;
}

Result<std::string> understood(std::string_view answer) {
  if (answer.empty()) return fail(Errc::io, "the process for it ended early");
  const char kind = answer.front();
  std::string said{answer.substr(1)};
  if (kind == success) return said;
  const auto code = static_cast<std::size_t>(kind - first_failure);
  if (kind < first_failure || code >= consequences.size()) {
    return fail(Errc::io, "the process for it said nothing that can be understood");
  }
  return fail(static_cast<Errc>(code), std::move(said));
}

}  // namespace

Result<std::string> run_as_user(const std::optional<Identity>& identity, const UserWork& work) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  const Fd reading{ends[0]};
  Fd writing{ends[1]};
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) be_the_process(identity, work, writing);
  writing = Fd{};
  const std::string answer = read_answer(reading);
  int how = 0;
  while (::waitpid(pid, &how, 0) < 0 && errno == EINTR) {
  }
  return understood(answer);
}

}  // namespace pop
