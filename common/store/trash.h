#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/disk.h"
#include "base/error.h"
#include "base/units.h"
#include "conf/settings.h"
#include "store/append_buffer.h"
#include "store/checksum.h"
#include "store/maildrop_location.h"

namespace pop {

/// In what form a message lay before it was deleted.
enum class TrashedForm : std::uint8_t { mbox, mmdf, maildir };

/// A message in the trash: its bytes as they were stored, separator and all.
struct TrashedMessage {
  std::int64_t deleted = 0, delivered = 0;  // seconds since 1970; 0: the separator tells
  TrashedForm form = TrashedForm::mbox;
  FileBytes separator, content, rest;  // how many bytes of each, one after the other
  std::string unique_id;
  FileBytes at;  // of the separator, in the file

  [[nodiscard]] FileBytes size() const { return separator + content + rest; }
};

/// The file `.USER.trash`: deleted messages, each whole with its own checksum, in the order of
/// their deletion. Layout in popper-formats(5). Whoever adds or sweeps holds the session lock;
/// reading needs none. What a crash left unfinished at the end counts for nothing and is
/// overwritten.
class Trash {
 public:
  /// Errc::not_found: there is none. Errc::denied: not `owner`'s own plain file. Errc::corrupt: it
  /// is something else.
  [[nodiscard]] static Result<Trash> open(Disk& disk, const FilePlace& place, uid_t owner);
  /// The same for adding; made if it is missing.
  [[nodiscard]] static Result<Trash> open_to_add(Disk& disk, const FilePlace& place, uid_t owner);

  [[nodiscard]] std::span<const TrashedMessage> messages() const { return messages_; }
  /// Of all messages.
  [[nodiscard]] FileBytes size() const;
  /// Whether the messages are all that the file had when it was opened. What follows the last one
  /// is what a crash left, or damage: a file of replace_trash() is whole.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  /// Errc::corrupt: its checksum does not agree.
  [[nodiscard]] Result<std::string> read(const TrashedMessage& message) const;

  /// So much is about to be added. Errc::full: there is no room, and nothing has been written; call
  /// withdraw(). This object stays where it is until finish().
  [[nodiscard]] Result<void> reserve(std::span<const TrashedMessage> coming);
  /// Begins a message; append() takes as many bytes as it says, then end() closes it.
  [[nodiscard]] Result<void> begin(const TrashedMessage& message);
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Result<void> end();
  /// Makes what was added durable. Without it nothing was added.
  [[nodiscard]] Result<void> finish();
  /// Takes off what was added since reserve(), finished or not, and gives its room back; a file
  /// that held nothing before is removed. The last call to this object.
  [[nodiscard]] Result<void> withdraw();

 private:
  Trash(Disk& disk, FilePlace place, Fd file);
  Result<void> load();

  Disk* disk_;
  FilePlace place_;
  Fd file_;
  std::vector<TrashedMessage> messages_;
  FileBytes end_;  // of the last whole message
  bool is_whole_ = false;
  std::optional<FileBytes> before_;  // end_ when reserve() was called
  std::optional<AppendBuffer> buffer_;
  Checksum sum_;
};

/// Which of these a commit moves to the trash that `settings` bound: the last ones that fit in.
[[nodiscard]] std::vector<std::size_t> fitting_trash(std::span<const TrashedMessage> coming,
                                                     const Settings& settings);

/// Drops what `keep` does not want, in one durable step; an empty trash is removed. Returns how
/// many messages went. The caller holds the session lock.
[[nodiscard]] Result<std::size_t> sweep_trash(
    Disk& disk, const FilePlace& place, uid_t owner,
    const std::function<bool(const TrashedMessage&)>& keep);

/// Makes a trash of `coming` alone, in place of what stands there: `add` begins, fills and ends
/// each message. It is built beside it, fsync'ed and renamed. Errc::full: no room; after any error
/// the old one stands. The caller holds the session lock.
[[nodiscard]] Result<void> replace_trash(
    Disk& disk, const FilePlace& place, uid_t owner, std::span<const TrashedMessage> coming,
    const std::function<Result<void>(Trash& trash, const TrashedMessage& message)>& add);

/// Makes room for `coming` within settings.trash_size, and drops what is older than
/// settings.trash_days once that is worth a rewrite.
[[nodiscard]] Result<void> make_room_in_trash(Disk& disk, Clock& clock, const Settings& settings,
                                              const FilePlace& place, uid_t owner,
                                              FileBytes coming);

/// Whether a message has had its time in the trash.
[[nodiscard]] bool is_past_trash(const TrashedMessage& message, const Settings& settings,
                                 std::int64_t now);

}  // namespace pop
