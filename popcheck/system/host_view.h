#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/account.h"
#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// A file system as a table of mounts has it: /proc/self/mounts, or fstab(5) where that is missing.
struct Mount {
  std::string device, place, type;
  std::string options;  // with commas between
};
[[nodiscard]] bool has_option(const Mount& mount, std::string_view option);
[[nodiscard]] std::vector<Mount> parse_mounts(const std::string& table);

/// A host to be looked at: the one that this program runs on, or one whose files lie below some
/// directory. Every path is the host's own and absolute. Symbolic links are followed as the host
/// would follow them, and never lead out of it. Opens no file for writing; blocks on the disk.
class HostView {
 public:
  /// Errc::not_found and others: the directory cannot be opened.
  [[nodiscard]] static Result<HostView> open(const std::filesystem::path& root);

  /// Whether it is the host that this program runs on: then accounts come from NSS.
  [[nodiscard]] bool is_this() const { return is_this_; }

  /// O_PATH. Errc::not_found: there is no such file.
  [[nodiscard]] Result<Fd> find(const std::filesystem::path& path) const;
  /// Of what the path leads to, and of the name itself.
  [[nodiscard]] Result<struct stat> status(const std::filesystem::path& path) const;
  [[nodiscard]] Result<struct stat> link_status(const std::filesystem::path& path) const;
  [[nodiscard]] bool has(const std::filesystem::path& path) const;
  /// Where a symbolic link points to, as it is written; nullopt: it is none.
  [[nodiscard]] std::optional<std::string> link_target(const std::filesystem::path& path) const;

  /// A regular file's content. Errc::limit beyond 8 MiB.
  [[nodiscard]] Result<std::string> text(const std::filesystem::path& path) const;
  /// The same; "" for one that cannot be read, too.
  [[nodiscard]] std::string text_or_nothing(const std::filesystem::path& path) const;
  /// What a directory holds, sorted; nothing for one that cannot be read.
  [[nodiscard]] std::vector<std::string> names(const std::filesystem::path& directory) const;

  /// The path without links, as the host has it.
  [[nodiscard]] Result<std::filesystem::path> real_path(const std::filesystem::path& path) const;
  /// The same for who opens paths of the host that this program runs on. Where nothing is there,
  /// such as for a link that leads to nothing inside, it is a path that never exists.
  [[nodiscard]] std::filesystem::path outside(const std::filesystem::path& path) const;
  /// Of a text with such paths: as the host has them.
  [[nodiscard]] std::string inside(std::string text) const;

  /// Errc::not_found: there is none; Errc::io: nobody can tell.
  [[nodiscard]] Result<Account> user(const std::string& name) const;
  [[nodiscard]] Result<Account> user(uid_t uid) const;
  [[nodiscard]] std::vector<Account> users() const;
  /// The number where there is no name.
  [[nodiscard]] std::string user_name(uid_t uid) const;

  /// The mount that a path lies on; nullopt: nobody knows.
  [[nodiscard]] std::optional<Mount> mount_of(const std::filesystem::path& path) const;

 private:
  HostView(std::filesystem::path root, Fd directory);
  [[nodiscard]] Result<Fd> open_as(const std::filesystem::path& path, int flags) const;

  std::filesystem::path root_;
  Fd directory_;
  bool is_this_;
  // Of another host; of two with one name or uid the first counts.
  std::vector<Account> accounts_;
  std::unordered_map<std::string, std::size_t> by_name_;
  std::unordered_map<uid_t, std::size_t> by_uid_;
  std::vector<Mount> mounts_;
};

}  // namespace pop
