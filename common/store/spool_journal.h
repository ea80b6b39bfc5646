#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "base/units.h"
#include "mail/mbox_scanner.h"
#include "store/maildrop_location.h"
#include "store/spool_lock.h"

namespace pop {

// The redo journal of a rewrite in place. It holds the whole new tail of the spool, so that a
// crash at any instruction leaves either the old mail or everything needed to finish:
//
//   1  the spool is fsync'ed; the journal is built as .USER.journal.new, fsync'ed, renamed to
//      .USER.journal and the directory fsync'ed: from here on the change is decided
//   2  new tail shorter: the tail is overwritten and a random mark put where the spool will end;
//      fsync; phase two is noted in the journal; fsync; only then truncate; fsync
//      new tail longer: the spool is extended with NULs; fsync; phase two; fsync; overwrite; fsync
//      same length: overwrite; fsync
//   3  the journal is removed; fsync of the directory
//
// A delivery may come after the crash and before recovery, and then stands behind the old end or
// behind the new one. The phase and the mark (or the NULs) tell which; mail behind the old end is
// first taken into a new journal.

/// Whether an open file is a journal, whole or not; see JournalWriter::consume().
[[nodiscard]] Result<bool> holds_journal(Disk& disk, const Fd& file);

/// Writes one journal. Removes the unfinished file unless finish() succeeded.
class JournalWriter {
 public:
  /// `expected` octets are reserved: Errc::full if there is no room, and nothing has been touched.
  [[nodiscard]] static Result<JournalWriter> create(Disk& disk, FilePlace journal,
                                                    FileBytes expected);
  JournalWriter(JournalWriter&&) noexcept;
  ~JournalWriter();

  /// Adds to the new tail.
  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] FileBytes tail_size() const;

  /// A file beside the journal whose mail the tail holds: it goes in the moment in which the
  /// journal gets its name. A crash in the middle of that moment leaves the journal under its name.
  void consume(std::string name);

  /// Describes the change: the tail replaces everything of `spool` from `base` on, which must be a
  /// separator's offset or the end. Makes the journal durable under its place's name; a longer
  /// spool's room is reserved before. Errc::changed if the spool is no longer of `old_size`, up to
  /// which the caller has seen it. On an error nothing of the spool has been touched; if only
  /// the directory's fsync failed, the journal stays and the next recovery carries it out.
  [[nodiscard]] Result<void> finish(const Fd& spool, FileBytes base, FileBytes old_size);

 private:
  struct State;
  explicit JournalWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Carries a finished journal out and removes it. After an error the journal stays (unless nothing
/// had been touched), and the next recover_journal() goes on.
[[nodiscard]] Result<void> apply_journal(Disk& disk, const FilePlace& journal, SpoolLock& lock,
                                         uid_t owner);

/// What recovery found.
enum class Recovery : std::uint8_t {
  nothing,   // no journal: the spool holds the old mail
  finished,  // the change has been carried out, later arrivals kept
  foreign,   // another program replaced or rewrote the spool meanwhile; the journal was left alone,
             // see journal_tail()
};

/// Finishes what a crash left. `lock` must hold the spool. Errc::denied: the journal is not
/// `owner`'s own plain file. Errc::corrupt when the journal is damaged:
/// nothing is touched, a person must look.
[[nodiscard]] Result<Recovery> recover_journal(Disk& disk, const FilePlace& journal,
                                               SpoolLock& lock, uid_t owner);

/// What a journal is worth, without changing anything.
enum class JournalState : std::uint8_t {
  none,
  finished,  // whole: the next open carries it out, or finds that it belongs to another spool
  damaged,
};
/// Reads all of it. Errc::denied: not `owner`'s own plain file.
[[nodiscard]] Result<JournalState> journal_state(Disk& disk, const FilePlace& journal, uid_t owner);

/// Whether a journal, or the beginning of one, is there.
[[nodiscard]] Result<bool> journal_exists(Disk& disk, const FilePlace& journal);

/// The name beside the spool under which anything of a size is built before it gets its own:
/// recovery clears it away.
[[nodiscard]] std::string journal_build_name(const FilePlace& journal);

/// The new tail of a foreign journal as a file of its own (unnamed), to be merged by content.
[[nodiscard]] Result<Fd> journal_tail(Disk& disk, const FilePlace& journal, uid_t owner);
[[nodiscard]] Result<void> remove_journal(Disk& disk, const FilePlace& journal);

}  // namespace pop
