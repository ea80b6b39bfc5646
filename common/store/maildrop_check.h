#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/settings.h"
#include "mail/defect.h"
#include "mail/mbox_scanner.h"
#include "store/maildrop.h"

namespace pop {

/// What a check found in one maildrop.
struct MaildropFindings {
  MailFormat format = MailFormat::mbox;           // mbox or maildir
  SpoolFormat spool_format = SpoolFormat::empty;  // of an mbox
  std::string path;
  FileBytes size;            // of the spool file, or of all messages of a Maildir
  std::size_t messages = 0;  // as the daemon sees them
  bool exists = false;
  std::vector<Defect> defects;  // of the place first, then by offset; `file` is set where it is
                                // not about the spool itself
  bool cut_off = false;         // there were more than anybody looks at
  std::vector<std::string> remarks;  // sentences for the administrator
};

/// Checks a maildrop and changes nothing, not a time stamp and not a lock file; `context.disk` may
/// be a ReadOnlyDisk. Sessions and deliveries go on: it waits for them as long as lock-wait says,
/// at most five seconds, takes the kernel's locks shared while it reads, and reads again when the
/// spool has changed meanwhile. The process runs as the user. Errc::changed: the spool was
/// rewritten again and again. Errors as of locate_maildrop() otherwise; what a file's owner, mode
/// or type forbid is a defect and no error.
[[nodiscard]] Result<MaildropFindings> check_maildrop(const MaildropContext& context,
                                                      const MailUser& user);

/// The part of it for a Maildir; `path` etc. are filled in.
[[nodiscard]] Result<MaildropFindings> check_maildir(const MaildropContext& context,
                                                     const MailUser& user,
                                                     const struct MaildropLocation& location);

}  // namespace pop
