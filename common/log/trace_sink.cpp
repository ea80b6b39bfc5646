#include "log/trace_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>

#include "base/text.h"

namespace pop {
namespace {

// Whatever the locale is.
constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string stamp_of(std::chrono::system_clock::time_point when) {
  const auto since_epoch = when.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(since_epoch - seconds);
  const time_t whole = seconds.count();
  struct tm local {};
  ::localtime_r(&whole, &local);
  return fmt::format("{} {:02} {:02}:{:02}:{:02}.{:03} {:04}",
                     months[static_cast<std::size_t>(local.tm_mon)], local.tm_mday, local.tm_hour,
                     local.tm_min, local.tm_sec, rest.count(), local.tm_year + 1900);
}

}  // namespace

TraceSink::TraceSink(Fd file, const Clock& clock) : file_{std::move(file)}, clock_{clock} {}

void TraceSink::write(Severity, std::string_view line) {
  const std::string text = fmt::format("{} [{}] {}\n", stamp_of(clock_.wall()), ::getpid(), line);
  (void)!::write(file_.get(), text.data(), text.size());
}

Result<Fd> open_trace_file(const std::filesystem::path& path, uid_t owner) {
  const std::string name = escaped(path.native());
  constexpr int flags =
      O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Fd file{::open(path.c_str(), flags, 0600)};
  struct stat st {};
  if (!file.is_open() || ::fstat(file.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "open " + name);
  }
  if (!S_ISREG(st.st_mode)) return fail(Errc::denied, name + ": not a regular file");
  if (st.st_nlink != 1) return fail(Errc::denied, name + ": has more than one link");
  if (st.st_uid != owner) return fail(Errc::denied, name + ": owned by someone else");
  return file;
}

}  // namespace pop
