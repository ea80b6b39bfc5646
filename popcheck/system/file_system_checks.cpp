// What file systems the mail lies on, and whether there is room.
#include <fcntl.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "popcheck/system/spool_quota.h"
#include "popcheck/system/spool_tree.h"
#include "popcheck/system/system_checks.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

/// What a directory is for, which decides what a file system must be able to do.
enum class Use : std::uint8_t { spool, drop, index };

struct UsedDirectory {
  Use use;
  std::string_view option;
  fs::path path;
};

std::vector<UsedDirectory> used_directories(const Settings& settings) {
  std::vector<UsedDirectory> used;
  if (settings.home_dir_mail.empty()) {
    used.push_back({Use::spool, "spool-dir", settings.spool_dir});
  }
  if (settings.home_dir_misc) return used;
  if (!settings.temp_dir.empty()) used.push_back({Use::drop, "temp-dir", settings.temp_dir});
  if (!settings.cache_dir.empty()) used.push_back({Use::index, "cache-dir", settings.cache_dir});
  return used;
}

bool is_nfs(const Mount& mount) {
  return mount.type == "nfs" || mount.type == "nfs4";
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

/// One directory and the file system below it.
class MountCheck {
 public:
  MountCheck(const Settings& settings, const UsedDirectory& used, Mount mount,
             HostFindings& findings)
      : settings_{settings}, used_{used}, mount_{std::move(mount)}, findings_{findings} {}

  void run() {
    check_read_only();
    check_kind();
    if (is_nfs(mount_)) check_nfs();
  }

 private:
  void report(Gravity gravity, const std::string& what, std::string command) {
    findings_.push_back({.gravity = gravity,
                         .about = escaped(used_.path.native()),
                         .what = std::string{used_.option} + " is on " + escaped(mount_.type, 40) +
                                 " (mounted at " + escaped(mount_.place) + "): " + what,
                         .command = std::move(command)});
  }

  [[nodiscard]] std::string remount(const std::string& change) const {
    return "in /etc/fstab: " + change + " of " + escaped(mount_.place) + "; then umount " +
           shell_word(mount_.place) + " && mount " + shell_word(mount_.place);
  }
  [[nodiscard]] std::string elsewhere() const {
    return "in the configuration: " + std::string{used_.option} +
           " = a directory on a local disk (ext4, xfs, btrfs, zfs) or NFS";
  }

  void check_read_only() {
    if (!has_option(mount_, "ro")) return;
    report(Gravity::error, "it is mounted read-only, so nobody can log in",
           "mount -o remount,rw " + shell_word(mount_.place));
  }

  void check_kind() {
    if (is_one_of(mount_.type, {"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "iso9660",
                                "cifs", "smb3", "9p", "fuse.sshfs"})) {
      report(Gravity::error,
             "it lacks owners, locks or renaming as mail needs them, and mail can be lost",
             elsewhere());
    }
    if (is_one_of(mount_.type, {"tmpfs", "ramfs", "devtmpfs"})) check_memory();
    if (mount_.type == "overlay" && used_.use == Use::spool) {
      report(Gravity::warning,
             "it is the layer of a container, and the mail in it goes away with the container",
             "mount a volume at " + shell_word(used_.path.native()));
    }
  }

  void check_memory() {
    switch (used_.use) {
      case Use::spool:
        report(Gravity::error, "it is in memory, and all mail is gone at the next restart",
               elsewhere());
        return;
      case Use::drop:
        report(Gravity::warning,
               "it is in memory: mail in a temporary drop of Qpopper's would be gone at the next "
               "restart, and copies of large spools fill the memory",
               elsewhere());
        return;
      case Use::index:
        report(Gravity::notice, "it is in memory: after a restart all mail is read anew",
               elsewhere());
    }
  }

  // Locks that only this host sees are no locks where others mount the same directory.
  void check_nfs() {
    if (has_option(mount_, "nolock") || mount_.options.find("local_lock=all") != npos_ ||
        mount_.options.find("local_lock=posix") != npos_) {
      report(Gravity::error,
             "its locks hold on this host alone, so another one can write meanwhile",
             remount("take nolock and local_lock out of the options"));
    }
    if (has_option(mount_, "soft") || has_option(mount_, "softerr")) {
      report(Gravity::error,
             "it is mounted soft: when the server is slow, writing mail fails half-way",
             remount("put hard in the place of soft in the options"));
    }
    const bool is_version_2 = has_option(mount_, "v2") || mount_.options.find("vers=2") != npos_;
    if (is_version_2 && !settings_.no_atomic_open && used_.use == Use::spool) {
      report(Gravity::error, "NFS 2 cannot make a lock file in one step",
             "in the configuration: no-atomic-open = true, or mount it with vers=4.2");
    }
  }

  static constexpr std::size_t npos_ = std::string::npos;
  const Settings& settings_;
  const UsedDirectory& used_;
  Mount mount_;
  HostFindings& findings_;
};

/// Spools that several hosts share, and session locks that they do not.
void check_shared_sessions(const CheckedHost& host, HostFindings& findings) {
  const Settings& settings = host.settings;
  if (settings.temp_dir.empty() || settings.home_dir_misc || !settings.home_dir_mail.empty())
    return;
  const auto spool = host.view.mount_of(settings.spool_dir);
  const auto drop = host.view.mount_of(settings.temp_dir);
  if (!spool || !drop || !is_nfs(*spool) || is_nfs(*drop)) return;
  findings.push_back(
      {.gravity = Gravity::warning,
       .about = escaped(settings.temp_dir.native()),
       .what = "temp-dir is local and spool-dir is on NFS: if another host serves the same spools, "
               "nothing keeps a user from two sessions at once",
       .command = "in the configuration: temp-dir on the same NFS, or none"});
}

// --- Room

struct Room {
  dev_t device = 0;
  std::uint64_t free_bytes = 0;  // for others than root
  std::uint64_t files = 0, free_files = 0;
};

std::optional<Room> room_at(const HostView& view, const fs::path& path) {
  const Result<Fd> directory = view.find(path);
  if (!directory) return std::nullopt;
  struct stat st {};
  struct statvfs room {};
  if (::fstat(directory->get(), &st) != 0 || ::fstatvfs(directory->get(), &room) != 0) {
    return std::nullopt;
  }
  return Room{.device = st.st_dev,
              .free_bytes = static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize,
              .files = room.f_files,
              .free_files = room.f_favail};
}

struct LargestSpool {
  fs::path path;
  std::uint64_t bytes = 0;
};

LargestSpool largest_spool(const CheckedHost& host) {
  LargestSpool largest;
  visit_spool_tree(host.view, host.settings.spool_dir, host.settings.hash_spool,
                   [&largest](const SpoolTreeEntry& entry) {
                     if (!S_ISREG(entry.st.st_mode) || entry.name.starts_with('.')) return;
                     const auto bytes = static_cast<std::uint64_t>(entry.st.st_size);
                     if (bytes > largest.bytes) largest = {entry.path, bytes};
                   });
  return largest;
}

std::string megabytes(std::uint64_t bytes) {
  return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MB";
}

void check_bytes(const fs::path& path, const Room& room, std::uint64_t times,
                 const LargestSpool& largest, HostFindings& findings) {
  if (largest.bytes == 0 || room.free_bytes / times >= largest.bytes) return;
  const bool has_room_for_one = room.free_bytes >= largest.bytes;
  findings.push_back({.gravity = has_room_for_one ? Gravity::warning : Gravity::error,
                      .about = escaped(path.native()),
                      .what = "has " + megabytes(room.free_bytes) +
                              " left, and the largest spool, " + escaped(largest.path.native()) +
                              ", of " + megabytes(largest.bytes) + ", needs " +
                              (times == 2 ? "twice its size for its copy and its update"
                                          : "its size once more to be served and updated"),
                      .command = "popspool top"});
}

void check_files(const fs::path& path, const Room& room, HostFindings& findings) {
  constexpr std::uint64_t few = 1000;
  if (room.files == 0 || room.free_files >= few) return;
  findings.push_back({.gravity = room.free_files == 0 ? Gravity::error : Gravity::warning,
                      .about = escaped(path.native()),
                      .what = "its file system can hold " + std::to_string(room.free_files) +
                              " more files only, and each session and delivery makes some",
                      .command = "df -i " + shell_word(path.native())});
}

// --- Quotas

std::optional<SpoolQuota> quota_of(const HostView& view, const SpoolTreeEntry& entry) {
  const Result<Fd> directory = view.find(entry.path.parent_path());
  if (!directory) return std::nullopt;
  dqblk block{};
  const Fd open{::openat(directory->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (::syscall(SYS_quotactl_fd, open.get(), QCMD(Q_GETQUOTA, USRQUOTA), entry.st.st_uid, &block) !=
          0 ||
      (block.dqb_valid & QIF_BLIMITS) == 0) {
    return std::nullopt;
  }
  constexpr std::uint64_t unit = 1024;
  return SpoolQuota{.used = block.dqb_curspace,
                    .soft = block.dqb_bsoftlimit * unit,
                    .hard = block.dqb_bhardlimit * unit};
}

}  // namespace

std::optional<HostFinding> judge_quota(const SpoolQuota& quota, std::uint64_t spool_bytes,
                                       const std::string& user, ServingMode mode) {
  const std::uint64_t limit = quota.hard != 0 ? quota.hard : quota.soft;
  if (limit == 0) return std::nullopt;
  const std::uint64_t left = limit > quota.used ? limit - quota.used : 0;
  const std::uint64_t needed = mode == ServingMode::from_copy ? 2 * spool_bytes : spool_bytes;
  if (left != 0 && left >= needed) return std::nullopt;
  return HostFinding{
      .gravity = left == 0 ? Gravity::error : Gravity::warning,
      .about = user,
      .what = left == 0
                  ? "has used up the quota: nothing can be delivered, and deleting mail needs "
                    "room for the update"
                  : "has " + megabytes(left) +
                        " of quota left, and serving and updating the "
                        "spool may need " +
                        megabytes(needed),
      .command = "edquota " + shell_word(user)};
}

HostFindings check_file_systems(const CheckedHost& host) {
  HostFindings findings;
  for (const UsedDirectory& used : used_directories(host.settings)) {
    if (!host.view.has(used.path)) continue;  // another check says so
    if (auto mount = host.view.mount_of(used.path)) {
      MountCheck{host.settings, used, std::move(*mount), findings}.run();
      continue;
    }
    findings.push_back({.gravity = Gravity::notice,
                        .about = escaped(used.path.native()),
                        .what = "what file system it is on is not known here: there is neither a "
                                "/proc/self/mounts nor an /etc/fstab",
                        .command = ""});
  }
  check_shared_sessions(host, findings);
  return findings;
}

HostFindings check_space(const CheckedHost& host) {
  HostFindings findings;
  const Settings& settings = host.settings;
  if (!settings.home_dir_mail.empty()) return findings;
  const LargestSpool largest = largest_spool(host);
  // By their groups some users may have no server mode.
  const bool copies = !settings.server_mode || !settings.group_no_server_mode.empty();
  const bool has_own_drop = !settings.temp_dir.empty() && !settings.home_dir_misc;
  const fs::path& drop_dir = has_own_drop ? settings.temp_dir : settings.spool_dir;
  const auto spool = room_at(host.view, settings.spool_dir);
  const auto drop = room_at(host.view, drop_dir);
  if (!spool || !drop) return findings;  // another check says so
  const bool is_one = spool->device == drop->device;
  check_bytes(settings.spool_dir, *spool, copies && is_one ? 2 : 1, largest, findings);
  check_files(settings.spool_dir, *spool, findings);
  if (is_one) return findings;
  if (copies) check_bytes(drop_dir, *drop, 1, largest, findings);
  check_files(drop_dir, *drop, findings);
  return findings;
}

HostFindings check_quotas(const CheckedHost& host) {
  HostFindings findings;
  const Settings& settings = host.settings;
  if (!settings.home_dir_mail.empty()) return findings;
  const ServingMode mode = settings.server_mode ? ServingMode::from_spool : ServingMode::from_copy;
  bool keeps_quotas = true;
  visit_spool_tree(
      host.view, settings.spool_dir, settings.hash_spool, [&](const SpoolTreeEntry& entry) {
        const bool is_spool = S_ISREG(entry.st.st_mode) && !entry.name.starts_with('.') &&
                              !entry.name.ends_with(".lock");
        if (!keeps_quotas || !is_spool || entry.st.st_uid == 0) return;
        const auto quota = quota_of(host.view, entry);
        keeps_quotas = quota.has_value();
        if (!quota) return;
        const auto bytes = static_cast<std::uint64_t>(entry.st.st_size);
        auto finding = judge_quota(*quota, bytes, escaped(entry.name, 80), mode);
        if (finding) findings.push_back(std::move(*finding));
      });
  return findings;
}

}  // namespace pop
