#pragma once

#include "base/disk.h"

namespace pop {

/// Shows what another disk holds and changes nothing there: every call that would is Errc::denied.
/// Files are opened without a change of their access time (O_NOATIME) where the kernel allows it,
/// which it does for the files' owner.
class ReadOnlyDisk final : public Disk {
 public:
  /// `disk` must outlive this.
  explicit ReadOnlyDisk(Disk& disk) : disk_{disk} {}

  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode = 0) override;
  Result<Fd> open_unnamed(int directory, mode_t mode) override;
  Result<FileStatus> status(const Fd& file) override;
  Result<FileStatus> status(int directory, const std::string& name) override;
  Result<void> list(int directory, const VisitName& visit) override;
  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override;
  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override;
  Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to, FileBytes to_offset,
                    FileBytes count) override;
  Result<void> reserve(const Fd& file, FileBytes size) override;
  Result<void> truncate(const Fd& file, FileBytes size) override;
  Result<void> sync(const Fd& file) override;
  Result<void> sync_directory(int directory) override;
  Result<void> rename(int directory, const std::string& from, const std::string& to) override;
  Result<void> move(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override;
  Result<void> exchange(int directory, const std::string& one, const std::string& other) override;
  Result<void> link(int directory, const std::string& from, const std::string& to) override;
  Result<void> remove(int directory, const std::string& name) override;
  Result<void> remove_directory(int directory, const std::string& name) override;
  Result<void> make_directory(int directory, const std::string& name, mode_t mode) override;
  Result<void> set_owner(const Fd& file, uid_t owner, gid_t group) override;
  Result<void> set_mode(const Fd& file, mode_t mode) override;
  Result<CopiedAttributes> copy_attributes(const Fd& from, const Fd& to) override;
  Result<void> set_times(const Fd& file, timespec accessed, timespec modified) override;
  Result<void> touch(const Fd& file) override;

 private:
  Disk& disk_;
};

}  // namespace pop
