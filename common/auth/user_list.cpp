#include "auth/user_list.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/disk.h"
#include "base/fd.h"

namespace pop {
namespace {

constexpr off_t largest_list = off_t{64} << 20;
// A file may change twice within one tick of the clock that stamps it.
constexpr std::time_t settled_after = 2;

bool is_same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);  // no name can end so
    if (!line.empty()) lines.push_back(line);
  }
  std::ranges::sort(lines);
  return lines;
}

}  // namespace

bool UserList::Version::operator==(const Version& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         is_same(modified, other.modified) && is_same(changed, other.changed);
}

Result<UserList::Version> UserList::version() const {
  struct stat st {};
  if (::stat(file_.c_str(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, file_.native());
  }
  return Version{st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

Result<bool> UserList::contains(std::string_view user) {
  if (Result<void> read = refresh(); !read) return std::unexpected(std::move(read).error());
  return std::ranges::binary_search(names_, user);
}

std::optional<bool> UserList::last_known(std::string_view user) const {
  if (!was_read_) return std::nullopt;
  return std::ranges::binary_search(names_, user);
}

Result<void> UserList::refresh() {
  const Result<Version> now = version();
  if (!now) is_current_ = false;
  if (!now) return std::unexpected(now.error());
  if (is_current_ && *now == version_) return {};
  is_current_ = false;
  return read_anew();
}

Result<void> UserList::read_anew() {
  const Fd fd{::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  struct stat st {};
  if (!fd.is_open() || ::fstat(fd.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "open " + file_.native());
  }
  if (!S_ISREG(st.st_mode)) return fail(Errc::denied, file_.native() + ": not a regular file");
  if (st.st_size > largest_list) return fail(Errc::limit, file_.native() + ": larger than 64 MiB");
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  const Result<std::size_t> got = system_disk().read(fd, text, FileBytes{0});
  if (!got) return std::unexpected(Error{got.error()}.in(file_.native()));
  text.resize(*got);
  text_ = std::move(text);
  names_ = lines_of(text_);
  was_read_ = true;
  version_ = {st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
  const auto wall = std::chrono::system_clock::to_time_t(system_clock().wall());
  is_current_ =
      wall > st.st_mtim.tv_sec + settled_after && *got == static_cast<std::size_t>(st.st_size);
  return {};
}

}  // namespace pop
