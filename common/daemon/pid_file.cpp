#include "daemon/pid_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

namespace pop {
namespace {

constexpr mode_t everybody_reads = 0644;
constexpr int most_tries = 10;

bool is_what_the_name_means(const Fd& file, const std::filesystem::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(file.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

Result<Fd> open_and_lock(const std::filesystem::path& path) {
  Fd file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                 everybody_reads)};
  if (!file.is_open()) {
    const int saved = errno;
    Error error = errno_error(saved, "open " + path.native());
    if (saved == ENOENT) {
      error.text += "; make the directory " + path.parent_path().native() + " or set another file";
    }
    return std::unexpected(std::move(error));
  }
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    const int saved = errno;
    if (saved == EWOULDBLOCK) return fail(Errc::busy, path.native() + ": its daemon is running");
    return fail_errno(saved, "lock " + path.native());
  }
  return file;
}

// A wrong path must not cost somebody a file.
Result<void> check_content(const Fd& file, const std::filesystem::path& path) {
  std::array<char, 32> content{};
  const ssize_t size = ::pread(file.get(), content.data(), content.size(), 0);
  const std::string_view text{content.data(), static_cast<std::size_t>(size < 0 ? 0 : size)};
  if (size >= 0 && text.find_first_not_of("0123456789 \n") == text.npos) return {};
  return fail(Errc::denied, path.native() + " holds something else than a process number");
}

Result<void> write_number(const Fd& file, const std::filesystem::path& path) {
  const std::string number = std::to_string(::getpid()) + "\n";
  if (::fchmod(file.get(), everybody_reads) == 0 && ::ftruncate(file.get(), 0) == 0 &&
      ::pwrite(file.get(), number.data(), number.size(), 0) ==
          static_cast<ssize_t>(number.size())) {
    return {};
  }
  const int saved = errno;
  return fail_errno(saved, "write " + path.native());
}

}  // namespace

Result<PidFile> PidFile::take(const std::filesystem::path& path) {
  if (path.empty()) return PidFile{};
  for (int i = 0; i < most_tries; ++i) {
    Result<Fd> file = open_and_lock(path);
    if (!file) return std::unexpected(file.error());
    if (!is_what_the_name_means(*file, path)) continue;  // the daemon before us removed it just now
    if (const Result<void> ours = check_content(*file, path); !ours) {
      return std::unexpected(ours.error());
    }
    if (const Result<void> done = write_number(*file, path); !done) {
      return std::unexpected(done.error());
    }
    return PidFile{path, std::move(*file)};
  }
  return fail(Errc::busy, path.native() + " keeps changing");
}

PidFile& PidFile::operator=(PidFile other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  return *this;
}

PidFile::~PidFile() {
  if (file_.is_open() && is_what_the_name_means(file_, path_)) ::unlink(path_.c_str());
}

}  // namespace pop
