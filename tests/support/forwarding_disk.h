#pragma once

#include "base/disk.h"

namespace pop::test {

/// Passes every call on; a test overrides what it wants to be different.
class ForwardingDisk : public Disk {
 public:
  explicit ForwardingDisk(Disk& disk) : disk_{disk} {}

  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    return disk_.open(directory, name, flags, mode);
  }
  Result<Fd> open_unnamed(int directory, mode_t mode) override {
    return disk_.open_unnamed(directory, mode);
  }
  Result<FileStatus> status(const Fd& file) override { return disk_.status(file); }
  Result<FileStatus> status(int directory, const std::string& name) override {
    return disk_.status(directory, name);
  }
  Result<void> list(int directory, const VisitName& visit) override {
    return disk_.list(directory, visit);
  }
  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override {
    return disk_.read(file, buffer, offset);
  }
  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
    return disk_.write(file, bytes, offset);
  }
  Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to, FileBytes to_offset,
                    FileBytes count) override {
    return disk_.copy(from, from_offset, to, to_offset, count);
  }
  Result<void> reserve(const Fd& file, FileBytes size) override { return disk_.reserve(file, size); }
  Result<void> truncate(const Fd& file, FileBytes size) override {
    return disk_.truncate(file, size);
  }
  Result<void> sync(const Fd& file) override { return disk_.sync(file); }
  Result<void> sync_directory(int directory) override { return disk_.sync_directory(directory); }
  Result<void> rename(int directory, const std::string& from, const std::string& to) override {
    return disk_.rename(directory, from, to);
  }
  Result<void> move(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override {
    return disk_.move(from_directory, from, to_directory, to);
  }
  Result<void> exchange(int directory, const std::string& one, const std::string& other) override {
    return disk_.exchange(directory, one, other);
  }
  Result<void> remove_directory(int directory, const std::string& name) override {
    return disk_.remove_directory(directory, name);
  }
  Result<void> link(int directory, const std::string& from, const std::string& to) override {
    return disk_.link(directory, from, to);
  }
  Result<void> remove(int directory, const std::string& name) override {
    return disk_.remove(directory, name);
  }
  Result<void> make_directory(int directory, const std::string& name, mode_t mode) override {
    return disk_.make_directory(directory, name, mode);
  }
  Result<void> set_owner(const Fd& file, uid_t owner, gid_t group) override {
    return disk_.set_owner(file, owner, group);
  }
  Result<void> set_mode(const Fd& file, mode_t mode) override {
    return disk_.set_mode(file, mode);
  }
  Result<CopiedAttributes> copy_attributes(const Fd& from, const Fd& to) override {
    return disk_.copy_attributes(from, to);
  }
  Result<void> set_times(const Fd& file, timespec accessed, timespec modified) override {
    return disk_.set_times(file, accessed, modified);
  }
  Result<void> touch(const Fd& file) override { return disk_.touch(file); }

 private:
  Disk& disk_;
};

}  // namespace pop::test
