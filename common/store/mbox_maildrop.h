#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/session_lock.h"
#include "store/spool_index.h"
#include "store/spool_lock.h"
#include "store/spool_rewrite.h"
#include "store/trash.h"

namespace pop {

/// A maildrop in one spool file. The spool keeps all mail until commit(); messages are read from
/// the spool itself in server mode, else from an unnamed copy that protects against programs which
/// rewrite the spool meanwhile (where there is no room for one, from the spool). The session lock
/// is held as long as the object lives, the spool lock only while scanning, copying and committing;
/// with a fresh index in server mode not even then.
class MboxMaildrop final : public Maildrop {
 public:
  /// As open_maildrop(). `location` is the user's, by locate_maildrop().
  [[nodiscard]] static Result<std::unique_ptr<Maildrop>> open(const MaildropContext& context,
                                                              const MailUser& user,
                                                              MaildropLocation location);
  ~MboxMaildrop() override;  // saves the index if it has changed

  [[nodiscard]] std::span<const MessageInfo> messages() const override { return listed_; }
  [[nodiscard]] std::size_t hidden() const override {
    return index_.listing.messages.size() - listed_.size();
  }
  [[nodiscard]] const FilePlace* retrievals() const override { return &location_.retrievals; }
  [[nodiscard]] Result<std::unique_ptr<MessageReader>> open(MessageNumber number) override;
  [[nodiscard]] Result<std::size_t> add(const OwnMail& mail) override;
  [[nodiscard]] Result<void> list_again() override;
  [[nodiscard]] Result<void> commit(const SessionOutcome& outcome) override;

 private:
  /// What the spool holds at commit time, and the session's wishes for it.
  struct Current {
    std::optional<SpoolListing> read_anew;  // nullopt: as the session listed it
    SpoolChange change;
    std::size_t changed = 0;  // messages to delete that another program altered: they stay
  };

  MboxMaildrop(const MaildropContext& context, MailUser user, MaildropLocation location,
               SessionLock session);

  Result<void> load();
  void save_index();
  /// Remarks when fast-update would not be safe from who may write the spool.
  void look_at_writers();
  Result<bool> leftovers_exist();
  Result<bool> load_unlocked();
  Result<void> load_locked(SpoolLock& lock);
  Result<void> recover(SpoolLock& lock);
  Result<void> recover_from_journal(SpoolLock& lock);
  /// A delivery may have been killed since this session looked, and its journal is in our way.
  Result<void> finish_delivery(SpoolLock& lock);
  Result<void> merge_and_empty(SpoolLock& lock, const Fd& leftover);
  Result<void> merge_old_drop(SpoolLock& lock, const FilePlace& place);
  Result<void> bring_index_up_to_date(SpoolLock& lock);
  Result<void> choose_source(SpoolLock& lock);
  Result<Fd> spool_to_read();
  Result<Fd> copied_spool(SpoolLock& lock);
  Result<void> copy_spool(SpoolLock& lock, const Fd& copy);
  void fill_listed();

  [[nodiscard]] std::size_t position_of(MessageNumber number) const;
  [[nodiscard]] SpoolChange change_of(const SessionOutcome& outcome) const;
  [[nodiscard]] bool changes_anything(const SpoolChange& change) const;
  /// Knows the imported unique-ids from now on; whoever lists mail anew needs them.
  Result<void> know_imported_ids();
  Result<Current> see_current(SpoolLock& lock, const SpoolChange& change);
  Result<bool> erased_still_stand(SpoolLock& lock, const SpoolChange& change);
  Current relocate(SpoolListing now, const SpoolChange& change) const;
  /// A journal is there, which the next open carries out; also true when nobody can tell.
  [[nodiscard]] bool change_was_decided();
  [[nodiscard]] Result<FileStatus> spool_status() const;
  /// Whether nothing of a change has begun since the spool was `before`.
  [[nodiscard]] bool is_untouched(const Result<FileStatus>& before);
  Result<SpoolListing> rewrite(SpoolLock& lock, const SpoolListing& listing,
                               const SpoolChange& change);
  /// True: what is erased is kept for undo now.
  Result<bool> keep_for_undo(SpoolLock& lock, const SpoolListing& listing,
                             const SpoolChange& change);
  Result<SpoolListing> rewrite_with_trash(SpoolLock& lock, const SpoolListing& listing,
                                          const SpoolChange& change);
  Result<std::optional<Trash>> keep_in_trash(SpoolLock& lock, const SpoolListing& listing,
                                             const SpoolChange& change);
  Result<void> commit_locked(SpoolLock& lock, const SpoolChange& change);

  MaildropContext context_;
  MailUser user_;
  MaildropLocation location_;
  SessionLock session_;
  ScanOptions options_;
  bool knows_imported_ids_ = false;
  SpoolIndex index_;  // what the session lists
  bool index_is_new_ = false;
  Fd source_;  // where messages are read from; not open for an empty maildrop
  FileStatus source_status_;
  std::vector<MessageInfo> listed_;
  ForUndo for_undo_ = ForUndo::nothing;  // from the commit on
};

}  // namespace pop
