#pragma once

#include <sys/stat.h>

#include <filesystem>

#include "support/forwarding_disk.h"

namespace pop::test {

/// Which file it is, as far as a file system tells.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Identity&) const = default;
};

[[nodiscard]] inline Identity identity_of(const std::filesystem::path& file) {
  struct stat st {};
  if (::lstat(file.c_str(), &st) != 0) return {};
  return {st.st_dev, st.st_ino};
}

/// Gives one file the identity that it had before it was copied: a state that a test built is a
/// copy, while a crash leaves the file itself.
class RestoredDisk final : public ForwardingDisk {
 public:
  RestoredDisk(Disk& disk, Identity copy, Identity original)
      : ForwardingDisk{disk}, copy_{copy}, original_{original} {}

  Result<FileStatus> status(const Fd& file) override {
    return restored(ForwardingDisk::status(file));
  }
  Result<FileStatus> status(int directory, const std::string& name) override {
    return restored(ForwardingDisk::status(directory, name));
  }

 private:
  Result<FileStatus> restored(Result<FileStatus> status) const {
    if (!status || Identity{status->device, status->inode} != copy_) return status;
    status->device = original_.device;
    status->inode = original_.inode;
    return status;
  }

  Identity copy_, original_;
};

}  // namespace pop::test
