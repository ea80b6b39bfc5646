#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/disk.h"
#include "base/error.h"
#include "base/units.h"
#include "conf/settings.h"
#include "mail/mbox_scanner.h"

namespace pop {

/// Whose mail it is. The process that opens a maildrop already runs as `uid`.
struct MailUser {
  std::string name;  // as in file names; never contains '/' or NUL, not "." or ".."
  uid_t uid = 0;
  gid_t gid = 0;
  std::filesystem::path home;
  std::filesystem::path maildrop;  // a virtual user's own place; empty: as the settings say
  std::string folder;              // Maildir++ folder, a '.' or '/' between its parts; empty: the
                                   // inbox
};

/// One row of the scan listing.
struct MessageInfo {
  WireOctets size;             // exactly what RETR sends, dots not doubled
  std::string_view unique_id;  // distinct in the maildrop; lives as long as it
  bool retrieved = false;      // was retrieved in an earlier session
  HeaderKind header{};
  Fingerprint fingerprint{};  // zero where a Maildir's file name has spared the reading
};

/// A set of messages of one maildrop.
class MessageSet {
 public:
  explicit MessageSet(std::size_t messages) : members_(messages) {}
  void insert(MessageNumber number) { members_[number.index()] = true; }
  void erase(MessageNumber number) { members_[number.index()] = false; }
  /// All of a set for the same maildrop.
  void insert_all(const MessageSet& others);
  [[nodiscard]] bool contains(MessageNumber number) const { return members_[number.index()]; }
  void clear() { members_.assign(members_.size(), false); }
  [[nodiscard]] std::size_t capacity() const { return members_.size(); }
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] bool operator==(const MessageSet&) const = default;

 private:
  std::vector<bool> members_;
};

/// Whether what is deleted is kept for popspool's undo, in place of what was kept for it before.
enum class ForUndo : std::uint8_t { nothing, deleted };

/// What a session did to the maildrop.
struct SessionOutcome {
  MessageSet deleted;
  MessageSet retrieved;  // by RETR in this session, for Status: and auto-delete
  ForUndo for_undo = ForUndo::nothing;
};

/// Reads one message as stored: header and body without the separator line.
class MessageReader {
 public:
  virtual ~MessageReader() = default;
  /// Next bytes, at most buffer.size(); 0 at the end. Errc::changed if the spool no longer holds
  /// what was listed.
  [[nodiscard]] virtual Result<std::size_t> read(std::span<char> buffer) = 0;
};

/// A message that this host itself has for a user.
struct OwnMessage {
  std::string from_line;  // without its line end; for a spool
  std::string content;    // as MessageReader reads it, with LF and with `unique_id` as X-UIDL:. No
                          // line of it may be taken for a separator
  std::string unique_id;
};

/// Where such messages come from.
struct OwnMail {
  /// What there is for the user. Asked under the session lock, perhaps more than once.
  std::function<Result<std::vector<OwnMessage>>()> find;
  /// All that was found last is durable in the maildrop, or there was nothing.
  std::function<Result<void>()> confirm;
};

struct FilePlace;

/// One user's mail for the length of one session: locked, numbered, unchanging. New mail
/// that arrives meanwhile waits for the next session.
class Maildrop {
 public:
  virtual ~Maildrop() = default;

  /// Valid for the life of the maildrop; element 0 is message number 1.
  [[nodiscard]] virtual std::span<const MessageInfo> messages() const = 0;
  /// Messages that stand in the spool but are not listed (folder-internal data).
  [[nodiscard]] virtual std::size_t hidden() const = 0;

  /// Where the record of retrievals is, or would be; nullptr: nowhere. Lives as long as the maildrop.
  [[nodiscard]] virtual const FilePlace* retrievals() const = 0;

  /// Errc::changed if another program altered the message since it was listed. At most one reader
  /// at a time; it must not outlive the maildrop.
  [[nodiscard]] virtual Result<std::unique_ptr<MessageReader>> open(MessageNumber number) = 0;

  /// Puts messages behind the others, durably, and then confirms them, all of that before the
  /// session begins; what is listed by its unique-id already is not added again. Gives how many
  /// were added: if any, list_again() comes next. After an error, of confirm() as well, they are
  /// not there, or no longer; only if the device fails may they come to light later, and then
  /// `confirm` is asked for them again. After a crash in a spool all are there or none, in a
  /// Maildir some may be. Errors as of deliver(). Blocks: spool locks, device.
  [[nodiscard]] virtual Result<std::size_t> add(const OwnMail& mail) = 0;
  /// Lists what is there now, as at the opening. After an error it can only be destroyed.
  [[nodiscard]] virtual Result<void> list_again() = 0;

  /// Removes the deleted messages for good and records what was retrieved. On success the removal
  /// has been fsync'ed; on failure every message is still there, or will be after the next open
  /// has finished the journal, in which case the deletion is then complete too (a Maildir has no
  /// journal: there some of the deleted messages may have gone). Blocks: spool locks, device. Call
  /// at most once; afterwards the maildrop can only be destroyed. With ForUndo::deleted: Errc::full
  /// if there is no room for that, and then nothing was deleted.
  [[nodiscard]] virtual Result<void> commit(const SessionOutcome& outcome) = 0;

  /// What was found amiss at the opening though the mail can be served, and at the commit though it
  /// was done: a sentence each, for the log.
  [[nodiscard]] std::span<const std::string> remarks() const { return remarks_; }
  void remark(std::string sentence) { remarks_.push_back(std::move(sentence)); }

 protected:
  /// What find() gives, without those that are listed.
  [[nodiscard]] Result<std::vector<OwnMessage>> find_unlisted(const OwnMail& mail) const;

 private:
  std::vector<std::string> remarks_;
};

/// What the engine notes of its own work, for who keeps counts of it.
struct MaildropMeter {
  std::vector<std::chrono::nanoseconds> lock_waits;  // for the spool locks, also in vain
  std::uint64_t changed_ids = 0;  // messages that had another unique-id when last listed
  std::uint64_t bulletins = 0;    // that this user was given
};

class LockClaim;

/// What the engine works with; all must outlive the maildrop.
struct MaildropContext {
  const Settings& settings;  // the user's effective ones
  Disk& disk;
  Clock& clock;
  MaildropMeter* meter = nullptr;  // or nobody counts
  LockClaim* claim = nullptr;  // or nobody waits for a session lock, as store/session_lock.h has it
};

struct MaildropLocation;

/// What stands, or would be made, where the user's mail is: mbox or maildir, never by_place.
/// Errc::not_found: a folder is asked for and there is no Maildir.
[[nodiscard]] Result<MailFormat> format_of_maildrop(const MaildropContext& context,
                                                    const MailUser& user,
                                                    const MaildropLocation& location);

/// Opens and locks the user's maildrop, finishing whatever an earlier crash left: a Maildir or an
/// mbox, as settings.mail_format says. One that does not exist is an empty maildrop; a folder must
/// exist (Errc::not_found). Blocks up to settings.lock_wait for the spool locks, never for
/// the session lock.
/// Errc::busy: another session (the text says since when) or a delivery that does not end.
/// Errc::corrupt: not a spool; nothing was changed. Errc::denied: owner, mode, link or type of a
/// file is not as it must be. Errc::not_found: the directory of the mail or of the session lock is
/// missing. Errc::full: no room for the session lock.
[[nodiscard]] Result<std::unique_ptr<Maildrop>> open_maildrop(const MaildropContext& context,
                                                              const MailUser& user);

}  // namespace pop
