#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"

namespace pop::test {

/// What a call that is made to fail does before it fails.
enum class FaultKind : std::uint8_t {
  refuse,       // nothing
  short_write,  // the first half of the bytes of a write or copy; other calls: nothing
};
enum class FaultSpan : std::uint8_t {
  once,
  lasting,  // also every later call of the kind that the error concerns: ENOSPC and EDQUOT stop
            // what takes space (write, copy, reserve, creations), other errors every change
};
struct Fault {
  std::size_t call = 0;  // which changing call, the first is 1
  int error = 0;         // errno
  FaultKind kind = FaultKind::refuse;
  FaultSpan span = FaultSpan::once;
};

/// How many states for_each_crash_state() builds.
struct CrashLimits {
  std::size_t states_per_point = 256;  // where more are possible: the telling ones (see below),
                                       // then random ones
  std::uint64_t seed = 1;
};

/// One state that a crash may leave, built in a directory of its own that is removed afterwards.
/// It mirrors the tree below the root: names, bytes, modes, owners, hard links. Inode numbers and
/// times differ from the original, as after a restore.
struct CrashState {
  std::filesystem::path root;
  std::size_t changes = 0;         // how many changes of the log had been started
  std::vector<std::string> marks;  // mark()s set before the crash, in order
  std::string description;         // what was lost, for CAPTURE
};

/// A disk on a real directory that remembers what was not synced. All calls go through to the
/// system; the log tells what a power cut or a kill at any moment would have left.
///
/// What counts as durable: the tree as it was at construction; data and length of a file up to its
/// last successful sync(); names up to the last sync_directory() of their directory.
/// What may happen to the rest at a power cut:
/// - each directory keeps its changes (create, rename, link, remove) in order up to some point;
/// - a move between directories arrives in the one before it leaves the other: never neither name;
/// - each file keeps its changes of length in order up to some point, independently of its data: a
///   truncation may be durable before data written earlier, and new length may show zeros;
/// - each written sector of 512 bytes is there or not, whatever became of the others; only within
///   one sector the order is kept;
/// - data whose sync() failed may be lost for ever, even when a later sync() succeeds; modes and
///   owners are taken as durable at once.
/// Not for several threads. Changes that go around this disk are not seen: let a test's delivery
/// go through it as well.
class SimulatedDisk final : public Disk {
 public:
  /// `root` must exist. Calls on directories that are not below it go through and are not logged.
  explicit SimulatedDisk(const std::filesystem::path& root);
  ~SimulatedDisk() override;
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  /// Adds a fault. Calls are counted from construction; every call that may change something
  /// counts, whether it succeeds or not: creating or truncating open, open_unnamed, write, copy,
  /// reserve, truncate, sync, sync_directory, rename, move, exchange, link, remove, remove_directory,
  /// make_directory, set_*, touch.
  void fail_at(const Fault& fault);
  [[nodiscard]] std::size_t calls() const;        // changing calls so far
  [[nodiscard]] std::size_t faults_hit() const;   // how many of them were made to fail
  [[nodiscard]] std::string describe_call(std::size_t call) const;  // "write .jo.journal 0+512"

  /// Puts a word into the log, so that a state tells whether it is from before or after it:
  /// disk.mark("committed") when the promise has been given.
  void mark(std::string word);

  using Visit = std::function<void(const CrashState&)>;
  /// Calls `visit` for states that a power cut may leave, at every point of the log: all when at
  /// most limits.states_per_point are possible; else first everything, nothing, each write alone
  /// and each write alone missing, either half of each, each point of each directory and of each
  /// file's length with all and with no data, their pairs; then random ones. A state that was
  /// visited with the same marks is not visited again. Returns how many were visited.
  std::size_t for_each_crash_state(const CrashLimits& limits, const Visit& visit) const;
  /// The same for the end of the process: all changes up to some point are there, the last write
  /// or copy perhaps in part.
  std::size_t for_each_kill_state(const Visit& visit) const;

  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override;
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
  class Log;
  std::unique_ptr<Log> log_;
};

}  // namespace pop::test
