#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/disk.h"

namespace pop {

/// The real disk with a strike at the call whose number is given: the call fails, or the process
/// ends in front of it as if it had been killed there. Calls that only look are counted too.
class FailingDisk final : public Disk {
 public:
  enum class Strike { none, io_error, disk_full, kill };
  FailingDisk(Strike strike, int at_call) : strike_{strike}, at_call_{at_call} {}

  [[nodiscard]] int calls() const { return calls_; }

  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    if (Result<void> hit = next(); !hit) return std::unexpected(hit.error());
    return real_.open(directory, name, flags, mode);
  }
  Result<Fd> open_unnamed(int directory, mode_t mode) override {
    if (Result<void> hit = next(); !hit) return std::unexpected(hit.error());
    return real_.open_unnamed(directory, mode);
  }
  Result<FileStatus> status(const Fd& file) override {
    if (Result<void> hit = next(); !hit) return std::unexpected(hit.error());
    return real_.status(file);
  }
  Result<FileStatus> status(int directory, const std::string& name) override {
    if (Result<void> hit = next(); !hit) return std::unexpected(hit.error());
    return real_.status(directory, name);
  }
  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override {
    if (Result<void> hit = next(); !hit) return std::unexpected(hit.error());
    return real_.read(file, buffer, offset);
  }
  /// A strike lets half of the bytes through first.
  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
    const bool struck = calls_ + 1 == at_call_ && strike_ != Strike::none;
    if (struck) (void)real_.write(file, bytes.substr(0, bytes.size() / 2), offset);
    if (Result<void> hit = next(); !hit) return hit;
    return real_.write(file, bytes, offset);
  }
  Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to, FileBytes to_offset,
                    FileBytes count) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.copy(from, from_offset, to, to_offset, count);
  }
  Result<void> reserve(const Fd& file, FileBytes size) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.reserve(file, size);
  }
  Result<void> truncate(const Fd& file, FileBytes size) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.truncate(file, size);
  }
  Result<void> sync(const Fd& file) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.sync(file);
  }
  Result<void> sync_directory(int directory) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.sync_directory(directory);
  }
  Result<void> rename(int directory, const std::string& from, const std::string& to) override {
    if (Result<void> hit = next(); !hit) return hit;
    renamed_at_ = calls_;
    return real_.rename(directory, from, to);
  }
  Result<void> list(int directory, const VisitName& visit) override {
    return real_.list(directory, visit);
  }
  Result<void> move(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.move(from_directory, from, to_directory, to);
  }
  Result<void> exchange(int directory, const std::string& one, const std::string& other) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.exchange(directory, one, other);
  }
  Result<void> remove_directory(int directory, const std::string& name) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.remove_directory(directory, name);
  }
  Result<void> link(int directory, const std::string& from, const std::string& to) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.link(directory, from, to);
  }
  Result<void> remove(int directory, const std::string& name) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.remove(directory, name);
  }
  Result<void> make_directory(int directory, const std::string& name, mode_t mode) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.make_directory(directory, name, mode);
  }
  Result<void> set_owner(const Fd& file, uid_t owner, gid_t group) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.set_owner(file, owner, group);
  }
  Result<void> set_mode(const Fd& file, mode_t mode) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.set_mode(file, mode);
  }
  Result<CopiedAttributes> copy_attributes(const Fd& from, const Fd& to) override {
    if (Result<void> hit = next(); !hit) return std::unexpected(hit.error());
    return real_.copy_attributes(from, to);
  }
  Result<void> set_times(const Fd& file, timespec accessed, timespec modified) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.set_times(file, accessed, modified);
  }
  Result<void> touch(const Fd& file) override {
    if (Result<void> hit = next(); !hit) return hit;
    return real_.touch(file);
  }

  /// The call that renamed, 0 when none did.
  [[nodiscard]] int renamed_at() const { return renamed_at_; }

 private:
  Result<void> next() {
    if (++calls_ != at_call_) return {};
    switch (strike_) {
      case Strike::none:
        return {};
      case Strike::io_error:
        return fail(Errc::io, "struck");
      case Strike::disk_full:
        return fail(Errc::full, "struck");
      case Strike::kill:
        break;
    }
    ::kill(::getpid(), SIGKILL);
    ::_exit(99);
  }

  Disk& real_ = system_disk();
  Strike strike_;
  int at_call_;
  int calls_ = 0;
  int renamed_at_ = 0;
};

}  // namespace pop
