#include "popcheck/system/host_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <mntent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <ranges>

#include "base/text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_text = 8U << 20U;
/// Below it there is never anything.
constexpr std::string_view nowhere = "/proc/self/fd/-1";

struct FileClose {
  void operator()(FILE* file) const noexcept { (void)std::fclose(file); }
};
struct DirectoryClose {
  void operator()(DIR* directory) const noexcept { (void)::closedir(directory); }
};

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (const auto part : std::views::split(line, ':'))
    fields.emplace_back(part.begin(), part.end());
  return fields;
}

/// passwd(5).
std::vector<Account> parse_passwd(std::string_view text) {
  std::vector<Account> accounts;
  for (const auto line : std::views::split(text, '\n')) {
    const std::vector<std::string_view> fields = fields_of({line.begin(), line.end()});
    if (fields.size() != 7) continue;
    const auto uid = decimal(fields[2]), gid = decimal(fields[3]);
    if (!uid || !gid) continue;
    Account account;
    account.name = account.login = fields[0];
    account.uid = static_cast<uid_t>(*uid);
    account.gid = static_cast<gid_t>(*gid);
    account.home = fs::path{fields[5]};
    account.shell = fields[6];
    accounts.push_back(std::move(account));
  }
  return accounts;
}

/// Whether `place` is `path` or a directory above it.
bool holds(std::string_view place, std::string_view path) {
  if (place == "/") return true;
  return path.starts_with(place) && (path.size() == place.size() || path[place.size()] == '/');
}

}  // namespace

bool has_option(const Mount& mount, std::string_view option) {
  return std::ranges::any_of(std::views::split(mount.options, ','), [option](const auto part) {
    const std::string_view word{part.begin(), part.end()};
    return word == option || word.substr(0, word.find('=')) == option;
  });
}

std::vector<Mount> parse_mounts(const std::string& table) {
  std::vector<Mount> mounts;
  std::string copy = table;  // fmemopen() reads from what it may write
  if (copy.empty()) return mounts;
  const std::unique_ptr<FILE, FileClose> file{::fmemopen(copy.data(), copy.size(), "r")};
  if (!file) return mounts;
  mntent entry{};
  std::array<char, 16384> buffer{};
  while (::getmntent_r(file.get(), &entry, buffer.data(), buffer.size()) != nullptr) {
    mounts.push_back({entry.mnt_fsname, entry.mnt_dir, entry.mnt_type, entry.mnt_opts});
  }
  return mounts;
}

HostView::HostView(fs::path root, Fd directory)
    : root_{std::move(root)}, directory_{std::move(directory)}, is_this_{root_ == "/"} {
  if (!is_this_) accounts_ = parse_passwd(text_or_nothing("/etc/passwd"));
  for (std::size_t i = 0; i < accounts_.size(); ++i) {
    by_name_.emplace(accounts_[i].name, i);
    by_uid_.emplace(accounts_[i].uid, i);
  }
  std::string table = text_or_nothing("/proc/self/mounts");
  if (table.empty()) table = text_or_nothing("/etc/fstab");
  mounts_ = parse_mounts(table);
}

Result<HostView> HostView::open(const fs::path& root) {
  std::error_code failed;
  const fs::path real = fs::canonical(root, failed);
  if (failed) return std::unexpected(errno_error(failed.value(), escaped(root.native())));
  Fd directory{::open(real.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!directory.is_open()) {
    const int saved = errno;
    return fail_errno(saved, escaped(root.native()));
  }
  return HostView{real, std::move(directory)};
}

Result<Fd> HostView::open_as(const fs::path& path, int flags) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT;
  const long raw = is_this_
                       ? ::open(path.c_str(), flags | O_CLOEXEC)
                       : ::syscall(SYS_openat2, directory_.get(), path.c_str(), &how, sizeof how);
  const int saved = errno;
  if (raw >= 0) return Fd{static_cast<int>(raw)};
  return fail_errno(saved, escaped(path.native()));
}

Result<Fd> HostView::find(const fs::path& path) const {
  return open_as(path, O_PATH);
}

Result<struct stat> HostView::status(const fs::path& path) const {
  const Result<Fd> file = find(path);
  if (!file) return std::unexpected(file.error());
  struct stat st {};
  if (::fstat(file->get(), &st) == 0) return st;
  const int saved = errno;
  return fail_errno(saved, escaped(path.native()));
}

Result<struct stat> HostView::link_status(const fs::path& path) const {
  const Result<Fd> file = open_as(path, O_PATH | O_NOFOLLOW);
  if (!file) return std::unexpected(file.error());
  struct stat st {};
  if (::fstat(file->get(), &st) == 0) return st;
  const int saved = errno;
  return fail_errno(saved, escaped(path.native()));
}

bool HostView::has(const fs::path& path) const {
  return status(path).has_value();
}

std::optional<std::string> HostView::link_target(const fs::path& path) const {
  const Result<Fd> link = open_as(path, O_PATH | O_NOFOLLOW);
  if (!link) return std::nullopt;
  std::array<char, 4096> target{};
  const ssize_t size = ::readlinkat(link->get(), "", target.data(), target.size());
  if (size < 0) return std::nullopt;
  return std::string{target.data(), static_cast<std::size_t>(size)};
}

Result<std::string> HostView::text(const fs::path& path) const {
  const Result<Fd> file = open_as(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return std::unexpected(file.error());
  struct stat st {};
  if (::fstat(file->get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, escaped(path.native()));
  }
  if (!S_ISREG(st.st_mode)) {
    return fail(Errc::denied, escaped(path.native()) + ": not a regular file");
  }
  std::string content;
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t got = ::read(file->get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int saved = errno;
      return fail_errno(saved, "read " + escaped(path.native()));
    }
    if (got == 0) return content;
    content.append(piece.data(), static_cast<std::size_t>(got));
    if (content.size() > largest_text) {
      return fail(Errc::limit, escaped(path.native()) + ": more than 8 MiB");
    }
  }
}

std::string HostView::text_or_nothing(const fs::path& path) const {
  return text(path).value_or("");
}

std::vector<std::string> HostView::names(const fs::path& directory) const {
  Result<Fd> opened = open_as(directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return {};
  const std::unique_ptr<DIR, DirectoryClose> entries{::fdopendir(opened->get())};
  if (!entries) return {};
  (void)opened->release();  // closedir() closes it
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name{entry->d_name};
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<fs::path> HostView::real_path(const fs::path& path) const {
  const Result<Fd> file = find(path);
  if (!file) return std::unexpected(file.error());
  std::error_code failed;
  const fs::path real = fs::read_symlink("/proc/self/fd/" + std::to_string(file->get()), failed);
  if (failed) return std::unexpected(errno_error(failed.value(), escaped(path.native())));
  if (is_this_) return real;
  const fs::path inside = "/" / real.lexically_relative(root_);
  return inside == "/." ? fs::path{"/"} : inside;
}

fs::path HostView::outside(const fs::path& path) const {
  if (is_this_ || path.empty()) return path;
  const Result<fs::path> real = real_path(path);
  return (real ? root_ : fs::path{nowhere}) / (real ? *real : path).relative_path();
}

std::string HostView::inside(std::string text) const {
  if (is_this_) return text;
  for (const std::string& prefix : {root_.native(), std::string{nowhere}}) {
    for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at)) {
      text.erase(at, prefix.size());
    }
  }
  return text;
}

Result<Account> HostView::user(const std::string& name) const {
  if (is_this_) return find_system_account(name);
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return accounts_[found->second];
  return fail(Errc::not_found, "there is no user " + escaped(name, 80));
}

Result<Account> HostView::user(uid_t uid) const {
  if (is_this_) return find_system_account(uid);
  const auto found = by_uid_.find(uid);
  if (found != by_uid_.end()) return accounts_[found->second];
  return fail(Errc::not_found, "there is no user " + std::to_string(uid));
}

std::vector<Account> HostView::users() const {
  return is_this_ ? system_accounts() : accounts_;
}

std::string HostView::user_name(uid_t uid) const {
  const Result<Account> account = user(uid);
  return account ? escaped(account->name, 80) : std::to_string(uid);
}

std::optional<Mount> HostView::mount_of(const fs::path& path) const {
  const Result<fs::path> real = real_path(path);
  if (!real) return std::nullopt;
  const Mount* best = nullptr;  // the longest place, and the last one mounted there
  for (const Mount& mount : mounts_) {
    if (!holds(mount.place, real->native())) continue;
    if (best == nullptr || mount.place.size() >= best->place.size()) best = &mount;
  }
  return best == nullptr ? std::nullopt : std::optional{*best};
}

}  // namespace pop
