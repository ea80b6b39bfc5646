#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/disk.h"
#include "base/error.h"
#include "bull/bulletin_name.h"
#include "store/maildrop_location.h"

namespace pop {

/// In hand while a number is given or the directory is changed; let go by the destructor.
class BulletinLock {
 public:
  explicit BulletinLock(Fd file) : file_{std::move(file)} {}

 private:
  Fd file_;
};

/// What bulldir holds.
struct BulletinFiles {
  std::vector<BulletinName> bulletins;  // by number, then by name
  std::vector<BulletinName> retracted;  // same; their `file` is the name before
  std::vector<std::string> others;      // neither, and not ours: nobody reads them. By name

  /// The highest number that one of them has; 0: none has.
  [[nodiscard]] std::uint64_t highest() const;
};

/// The directory of bulletins, one file each. Whoever publishes holds the lock; sessions only read.
class BulletinDirectory {
 public:
  /// No bulletin may be larger.
  static constexpr FileBytes largest_bulletin{16 * 1024 * 1024};

  /// `disk` must outlive this. Errors as of open_directory().
  [[nodiscard]] static Result<BulletinDirectory> open(Disk& disk,
                                                      const std::filesystem::path& path);

  /// Hidden files and the database are left out. Errc::denied: the directory may not be read.
  [[nodiscard]] Result<BulletinFiles> files() const;

  /// All octets of a bulletin. Errc::not_found: it has gone. Errc::denied: no plain file, one that
  /// everybody may change, or one that this process may not read. Errc::limit: too large.
  [[nodiscard]] Result<std::string> content(const BulletinName& name) const;

  /// Errc::busy when another publisher keeps it for `wait_at_most`; Errc::denied when this process
  /// may not make the lock file. Blocks.
  [[nodiscard]] Result<BulletinLock> lock(Clock& clock,
                                          std::chrono::milliseconds wait_at_most) const;
  /// The highest number that any bulletin ever had, as far as the names and the note tell; 0: none.
  /// Errc::corrupt: the note is damaged.
  [[nodiscard]] Result<std::uint64_t> highest_used(const BulletinFiles& files) const;
  /// Whether a number was ever noted, that is given by popbull.
  [[nodiscard]] bool has_note() const;
  /// Notes durably that a number is used, so that it stays burnt whatever becomes of the file.
  /// Call it before the file gets its name.
  [[nodiscard]] Result<void> note_number(const BulletinLock& lock, std::uint64_t number) const;
  /// Nobody gets it from now on, durably. Errc::not_found: it has gone. Errc::busy: one of that
  /// name was retracted before.
  [[nodiscard]] Result<void> retract(const BulletinLock& lock, const BulletinName& name) const;

  /// For what is made or removed in it under the lock.
  [[nodiscard]] FilePlace place(std::string file) const { return {in_, std::move(file)}; }
  [[nodiscard]] const std::filesystem::path& path() const { return in_->path; }

 private:
  BulletinDirectory(Disk& disk, std::shared_ptr<const OpenDirectory> in)
      : disk_{&disk}, in_{std::move(in)} {}
  [[nodiscard]] Result<std::uint64_t> noted_number() const;

  Disk* disk_;
  std::shared_ptr<const OpenDirectory> in_;
};

}  // namespace pop
