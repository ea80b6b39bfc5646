#include "popspool/resume_file.h"

#include <limits>
#include <utility>

#include "base/flock.h"
#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popspool resume 1 ";
constexpr FileBytes largest{std::uint64_t{1} << 30};

std::string line_of(std::string_view text) {
  return escaped(text, std::numeric_limits<std::size_t>::max());
}

}  // namespace

Result<ResumeFile> ResumeFile::open(Disk& disk, const std::string& path, const std::string& task) {
  Result<Fd> file = disk.open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
  if (!file) return std::unexpected(std::move(file).error());
  const Result<Flock> lock = try_flock(*file);
  if (!lock) return std::unexpected(lock.error());
  if (*lock == Flock::held_by_another) {
    return fail(Errc::busy, path + " is in use by another run");
  }
  ResumeFile resume{disk, path, std::move(*file)};
  if (Result<void> read = resume.read(task); !read) return std::unexpected(std::move(read).error());
  return resume;
}

Result<void> ResumeFile::read(const std::string& task) {
  const Result<FileStatus> status = disk_->status(file_);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular() || status->size > largest) {
    return fail(Errc::usage, path_ + " is no file of done targets");
  }
  std::string text(status->size.count, '\0');
  const Result<std::size_t> got = disk_->read(file_, text, {0});
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  const std::string first = std::string{magic} + line_of(task);
  std::string_view rest = text;
  for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    if (end_.count > 0) {
      done_.emplace(line);
    } else if (line != first) {
      return fail(Errc::usage, path_ + (line.starts_with(magic)
                                            ? " belongs to another run: remove it to begin anew"
                                            : " is no file of done targets"));
    }
    rest.remove_prefix(end + 1);
    end_ += {end + 1};
  }
  if (end_.count > 0) return {};
  if (!first.starts_with(rest)) return fail(Errc::usage, path_ + " is no file of done targets");
  return append(first);
}

bool ResumeFile::contains(std::string_view target) const {
  return done_.contains(line_of(target));
}

Result<void> ResumeFile::record(std::string_view target) {
  return append(line_of(target));
}

Result<void> ResumeFile::append(const std::string& line) {
  Result<void> written = disk_->write(file_, line + "\n", end_);
  if (!written) return std::unexpected(std::move(written).error().in(path_));
  end_ += {line.size() + 1};
  return disk_->truncate(file_, end_);
}

Result<void> ResumeFile::remove() {
  return disk_->remove(AT_FDCWD, path_);
}

}  // namespace pop
