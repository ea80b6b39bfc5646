#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "mail/mbox_scanner.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"

namespace pop {

/// One message as a view shows it. Views of text live as long as the SpoolView.
struct ViewedMessage {
  WireOctets size;             // as STAT and LIST would tell
  FileBytes stored;            // bytes it takes up: separator and all, or its file
  std::string_view unique_id;  // as UIDL would tell
  bool retrieved = false;      // was retrieved in an earlier session
  Fingerprint fingerprint;     // zero where a Maildir's file name has spared the reading
  FileBytes offset;            // mbox: of its separator; Maildir: 0
  std::string_view file;       // Maildir: "new/NAME" or "cur/NAME"; mbox: empty
};

/// What the index of a maildrop is worth at this moment.
enum class IndexState : std::uint8_t {
  fresh,    // proves itself: no mail need be read
  grown,    // right about what it knows; mail has arrived since
  stale,    // tells of another state of the spool
  missing,  // there is none
  unusable  // damaged, of another version, or not the owner's own
};

/// A maildrop to look at: what a session that began now would list, without any change. Not a byte,
/// name or time stamp of a file is changed: files are read through ReadOnlyDisk, an index is used
/// and not written, no session lock is taken, and sessions and deliveries go on. What only a
/// session may mend (a journal, mail in a temporary drop) is told in remarks().
class SpoolView {
 public:
  virtual ~SpoolView() = default;

  /// Element 0 is message number 1.
  [[nodiscard]] std::span<const ViewedMessage> messages() const { return messages_; }
  /// Messages or files that stand there and are not listed.
  [[nodiscard]] std::size_t hidden() const { return hidden_; }
  /// mbox or maildir; spool_format() tells mbox from MMDF.
  [[nodiscard]] MailFormat format() const { return format_; }
  [[nodiscard]] SpoolFormat spool_format() const { return spool_format_; }
  [[nodiscard]] IndexState index_state() const { return index_state_; }
  /// The spool file, or the Maildir; nullopt when there is none.
  [[nodiscard]] const std::optional<FileStatus>& spool() const { return spool_; }
  /// Where a session holds its lock, and where deliverers make theirs (none: a Maildir); the files
  /// need not exist.
  [[nodiscard]] const std::optional<FilePlace>& session_lock() const { return session_lock_; }
  [[nodiscard]] const std::optional<FilePlace>& dotlock() const { return dotlock_; }
  /// Sentences for the administrator.
  [[nodiscard]] std::span<const std::string> remarks() const { return remarks_; }

  /// Errc::changed: another program has altered or removed the message; view the maildrop again. At
  /// most one reader at a time; it must not outlive the view.
  [[nodiscard]] virtual Result<std::unique_ptr<MessageReader>> open(MessageNumber number) = 0;
  /// The message's From_ line (MMDF: the ^A line) without its line end; empty in a Maildir.
  [[nodiscard]] virtual Result<std::string> separator(MessageNumber number) = 0;
  /// When it was delivered, seconds since 1970: by its separator, or the name of its file; nullopt
  /// where that does not tell.
  [[nodiscard]] virtual std::optional<std::int64_t> delivered(MessageNumber number) = 0;

 protected:
  std::vector<ViewedMessage> messages_;
  std::size_t hidden_ = 0;
  MailFormat format_ = MailFormat::mbox;
  SpoolFormat spool_format_ = SpoolFormat::empty;
  IndexState index_state_ = IndexState::missing;
  std::optional<FileStatus> spool_;
  std::optional<FilePlace> session_lock_, dotlock_;
  std::vector<std::string> remarks_;
};

/// Views a user's maildrop; the process runs as he does. One that does not exist is empty. Blocks
/// up to settings.lock_wait, and no longer than five seconds, while another program holds the
/// spool's locks; then the spool is read nevertheless, and a remark tells. The kernel's locks are
/// held, shared, while mail is read for the listing and at no other time. Errc::corrupt: no spool.
/// Errc::changed: another program rewrites it again and again. Errc::denied and Errc::not_found as
/// of open_maildrop(). `context` must outlive the view.
[[nodiscard]] Result<std::unique_ptr<SpoolView>> view_maildrop(const MaildropContext& context,
                                                               const MailUser& user);

}  // namespace pop
