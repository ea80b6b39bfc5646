#include "popcheck/system/file_right.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <iterator>

#include "base/text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

Result<void> change_mode(const HostView& view, const fs::path& path, const struct stat& before,
                         mode_t mode) {
  const Result<struct stat> name = view.link_status(path);
  if (!name) return std::unexpected(name.error());
  const Result<Fd> file = view.find(path);
  if (!file) return std::unexpected(file.error());
  struct stat now {};
  const bool is_known = ::fstat(file->get(), &now) == 0 && now.st_dev == before.st_dev &&
                        now.st_ino == before.st_ino && now.st_mode == before.st_mode;
  if (S_ISLNK(name->st_mode)) {
    return fail(Errc::denied, escaped(path.native()) + ": is a symbolic link");
  }
  if (!is_known) {
    return fail(Errc::changed, escaped(path.native()) + ": has changed meanwhile");
  }
  if (S_ISREG(now.st_mode) && now.st_nlink != 1) {
    return fail(Errc::denied, escaped(path.native()) + ": has more than one name");
  }
  const std::string open_file = "/proc/self/fd/" + std::to_string(file->get());
  if (::chmod(open_file.c_str(), mode & 07777U) == 0) return {};
  const int saved = errno;
  return fail_errno(saved, "chmod " + escaped(path.native()));
}

fs::path behind_first(const fs::path& path) {
  fs::path rest;
  for (auto part = std::next(path.begin()); part != path.end(); ++part) rest /= *part;
  return rest;
}

}  // namespace

std::function<Result<void>()> change_of_mode(const HostView& view, const fs::path& path,
                                             const struct stat& before, mode_t mode) {
  return [&view, path, before, mode] { return change_mode(view, path, before, mode); };
}

std::string octal(mode_t mode) {
  std::array<char, 8> text{};
  (void)std::snprintf(text.data(), text.size(), "%04o", mode & 07777U);
  return text.data();
}

std::optional<HostFinding> unsafe_way_to(const HostView& view, const fs::path& path) {
  constexpr int most_links = 40;  // as the kernel's
  fs::path walked = "/";
  fs::path rest = path.relative_path();
  for (int links = 0; !rest.empty();) {
    const Result<struct stat> st = view.status(walked);
    if (!st) return std::nullopt;
    const bool is_open = (st->st_mode & 022) != 0 && (st->st_mode & S_ISVTX) == 0;
    const std::string shown = escaped(walked.native());
    if (st->st_uid != 0) {
      return HostFinding{.about = shown,
                         .what = "belongs to " + view.user_name(st->st_uid) +
                                 ", who can put anything in the place of " + escaped(path.native()),
                         .command = "chown root " + shell_word(walked.native())};
    }
    // The group of root's own directories is root's business.
    if (is_open && ((st->st_mode & 02) != 0 || st->st_gid != 0)) {
      return HostFinding{
          .about = shown,
          .what = "others than root may write here, and put anything in the place of " +
                  escaped(path.native()),
          .command = "chmod go-w " + shell_word(walked.native())};
    }
    const fs::path part = *rest.begin();
    rest = behind_first(rest);
    if (part.empty() || part == ".") continue;
    if (const auto target = view.link_target(walked / part)) {
      if (++links > most_links) return std::nullopt;
      const fs::path to{*target};
      if (to.is_absolute()) walked = "/";
      rest = to.relative_path() / rest;
    } else {
      walked = part == ".." ? walked.parent_path() : walked / part;
    }
  }
  return std::nullopt;
}

}  // namespace pop
