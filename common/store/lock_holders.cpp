#include "store/lock_holders.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/text.h"

namespace pop {
namespace {

/// As the list has it: "08:01:1234".
std::string place_of(const FileStatus& file) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%02x:%02x:%llu", major(file.device),
                                 minor(file.device), static_cast<unsigned long long>(file.inode));
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string_view take_word(std::string_view& line) {
  line = trimmed(line);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

/// "1: FLOCK  ADVISORY  WRITE 1234 08:01:1234 0 EOF"; who waits has "->" before the kind.
std::optional<LockHolder> holder_of(std::string_view line, std::string_view place) {
  take_word(line);
  const std::string_view kind = take_word(line);
  if (kind != "POSIX" && kind != "OFDLCK" && kind != "FLOCK") return std::nullopt;
  take_word(line);
  LockHolder holder{.kind = kind == "FLOCK" ? LockHolder::Kind::flock : LockHolder::Kind::fcntl,
                    .is_exclusive = take_word(line) == "WRITE",
                    .pid = std::nullopt};
  const std::optional<std::uint64_t> pid = decimal(take_word(line));
  if (pid && *pid > 0) holder.pid = static_cast<pid_t>(*pid);
  if (take_word(line) != place) return std::nullopt;
  return holder;
}

}  // namespace

std::vector<LockHolder> lock_holders(std::string_view list, const FileStatus& file) {
  const std::string place = place_of(file);
  std::vector<LockHolder> holders;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('\n'), list.size());
    if (const auto holder = holder_of(list.substr(0, end), place)) holders.push_back(*holder);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return holders;
}

Result<std::vector<LockHolder>> lock_holders(const FileStatus& file) {
  const Fd list{::open("/proc/locks", O_RDONLY | O_CLOEXEC)};
  if (!list.is_open()) return fail_errno(errno, "read the kernel's list of locks");
  std::string text;
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t got = ::read(list.get(), piece.data(), piece.size());
    if (got < 0) return fail_errno(errno, "read the kernel's list of locks");
    if (got == 0) return lock_holders(text, file);
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace pop
