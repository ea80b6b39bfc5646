#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/maildir_index.h"
#include "store/maildir_location.h"
#include "store/maildir_scan.h"
#include "store/maildrop.h"
#include "store/session_lock.h"
#include "store/trash.h"

namespace pop {

/// A maildrop in a Maildir or a folder of one. Takes no lock but the session lock: deliveries and
/// other mail programs go on meanwhile, and a message that one of them renamed is found again by
/// its base name. Messages are read from their own files, so that server mode makes no difference.
class MaildirMaildrop final : public Maildrop {
 public:
  /// As open_maildrop(). `spool` is where the settings say that the mail is.
  [[nodiscard]] static Result<std::unique_ptr<Maildrop>> open(const MaildropContext& context,
                                                              const MailUser& user,
                                                              const MaildropLocation& spool);
  ~MaildirMaildrop() override;  // saves the index if it has changed

  [[nodiscard]] std::span<const MessageInfo> messages() const override { return listed_; }
  /// Entries of `new` and `cur` that are no mail of this user: links, other people's files.
  [[nodiscard]] std::size_t hidden() const override {
    return index_.listing.hidden.fresh + index_.listing.hidden.seen;
  }
  [[nodiscard]] const FilePlace* retrievals() const override { return &location_.retrievals; }
  /// Errc::changed also if the size in the file's name is wrong and nobody has found out before;
  /// the next session lists the right one.
  [[nodiscard]] Result<std::unique_ptr<MessageReader>> open(MessageNumber number) override;
  [[nodiscard]] Result<std::size_t> add(const OwnMail& mail) override;
  [[nodiscard]] Result<void> list_again() override;
  /// Each message is removed by itself: after a failure some may have gone, and after a crash
  /// before the end some that had gone may be back. All others stay whatever happens.
  [[nodiscard]] Result<void> commit(const SessionOutcome& outcome) override;

 private:
  /// A message's file, opened and found to be what was listed.
  struct CheckedFile {
    Fd file;
    FileStatus status;
  };
  enum class Removal : std::uint8_t { done, gone_already, changed };

  MaildirMaildrop(const MaildropContext& context, MailUser user, MaildirLocation location,
                  SessionLock session);

  Result<void> load();
  void save_index();
  void fill_listed();
  [[nodiscard]] MaildirSource source() const;
  [[nodiscard]] MaildirMessage& at(MessageNumber number) {
    return index_.listing.messages[order_[number.index()]];
  }
  [[nodiscard]] const Fd& directory_of(const MaildirMessage& message) const;
  [[nodiscard]] std::string name_of(const MaildirMessage& message) const;

  Result<std::optional<CheckedFile>> open_listed(MaildirMessage& message);
  Result<bool> is_as_listed(MaildirMessage& message, const CheckedFile& opened);
  void prove_all();
  void distrust(MaildirMessage& message);
  Result<bool> found_again(MaildirMessage& message);
  Result<void> see_new_names();
  void see_name(MaildirPlace place, const ListedName& listed);

  [[nodiscard]] bool is_to_be_marked(const SessionOutcome& outcome, MessageNumber number) const;
  Result<void> keep_deleted(const MessageSet& deleted);
  [[nodiscard]] std::vector<TrashedMessage> trashed(const MessageSet& deleted) const;
  Result<void> keep_for_undo(const MessageSet& deleted);
  Result<void> fill_trash(const MessageSet& deleted);
  Result<void> add_to_trash(Trash& trash, TrashedMessage message, MessageNumber number);
  Result<void> remove_all(const MessageSet& deleted);
  Result<Removal> remove(MaildirMessage& message);
  Result<void> mark_all(const SessionOutcome& outcome);
  Result<void> mark_seen(MaildirMessage& message);
  Result<void> drop_second_name(MaildirMessage& message, const std::string& seen);
  Result<void> sync_changed();
  void forget(const MessageSet& deleted);

  MaildropContext context_;
  MailUser user_;
  MaildirLocation location_;
  SessionLock session_;
  MaildirIndex index_;
  std::vector<std::uint32_t> order_;  // where in the listing each message number stands
  bool index_is_new_ = false;
  std::vector<MessageInfo> listed_;
  EachPlace<bool> changed_;  // directories in which names have changed
  int name_searches_ = 0;
};

}  // namespace pop
