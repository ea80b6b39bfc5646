#include "daemon/process_identity.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

namespace pop {
namespace {

/// The state and the start of a process, from /proc/PID/stat.
struct Life {
  char state = 'Z';
  std::uint64_t start_ticks = 0;
};

Result<std::string> stat_line_of(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/stat";
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 1024> text{};
  const ssize_t size = file.is_open() ? ::read(file.get(), text.data(), text.size()) : -1;
  if (size > 0) return std::string{text.data(), static_cast<std::size_t>(size)};
  return fail(Errc::not_found, "no process " + std::to_string(process));
}

// The name, in parentheses, may hold anything. Behind it comes the state, field 3; the start is
// field 22.
Result<Life> life_of(pid_t process) {
  const Result<std::string> line = stat_line_of(process);
  if (!line) return std::unexpected(line.error());
  std::string_view rest{*line};
  const std::size_t name_end = rest.rfind(") ");
  const Error strange{Errc::corrupt, "/proc/" + std::to_string(process) + "/stat: no status line"};
  if (name_end == rest.npos || name_end + 2 >= rest.size()) return std::unexpected(strange);
  rest.remove_prefix(name_end + 2);
  Life life;
  life.state = rest.front();
  for (int field = 3; field < 22; ++field) {
    rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
    if (rest.empty()) return std::unexpected(strange);
  }
  const auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), life.start_ticks);
  if (error != std::errc{}) return std::unexpected(strange);
  return life;
}

std::chrono::nanoseconds tick() {
  return std::chrono::nanoseconds{std::chrono::seconds{1}} / ::sysconf(_SC_CLK_TCK);
}

}  // namespace

std::chrono::nanoseconds time_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

Result<std::uint64_t> start_ticks_of(pid_t process) {
  const Result<Life> life = life_of(process);
  if (!life) return std::unexpected(life.error());
  return life->start_ticks;
}

Birth birth_at(std::uint64_t start_ticks) {
  const std::chrono::nanoseconds begin = tick() * static_cast<std::int64_t>(start_ticks);
  return {begin, begin + tick()};
}

bool is_running(pid_t process, const Birth& birth) {
  if (process <= 0) return false;
  const Result<Life> life = life_of(process);
  if (!life || life->state == 'Z' || life->state == 'X') return false;
  const Birth told = birth_at(life->start_ticks);
  return told.after <= birth.before && birth.after <= told.before;
}

Result<Fd> open_process(pid_t process, const Birth& birth) {
  const std::string name = "process " + std::to_string(process);
  Fd opened{process <= 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, process, 0))};
  if (process > 0 && !opened.is_open() && errno != ESRCH) {
    const int saved = errno;
    return fail_errno(saved, "open " + name);
  }
  // After the opening: whoever has the number now is who was opened, or that one has ended.
  if (!opened.is_open() || !is_running(process, birth)) {
    return fail(Errc::not_found, name + " has ended");
  }
  return opened;
}

Result<void> signal_process(const Fd& process, int signal) {
  if (::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0) == 0) return {};
  const int saved = errno;
  if (saved == ESRCH) return fail(Errc::not_found, "the process has ended");
  return fail_errno(saved, "signal a process");
}

bool has_ended(const Fd& process) {
  pollfd waiting{process.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace pop
