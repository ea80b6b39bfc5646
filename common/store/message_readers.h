#pragma once

#include <memory>
#include <string>

#include "base/disk.h"
#include "base/error.h"
#include "mail/mbox_scanner.h"
#include "store/maildrop.h"
#include "store/spool_listing.h"

namespace pop {

/// An open spool, or a copy of one, and what is known of it.
struct SpoolSource {
  Disk& disk;
  const Fd& file;   // must outlive the reader
  FileStatus seen;  // the state in which the messages were known to stand
  SpoolFormat format = SpoolFormat::empty;
  ScanOptions options{};
};

/// Reads one message of a spool, without its separator. Whenever the file has changed it looks
/// whether the message still stands: Errc::changed, here and at each read, if not; `what` begins
/// the error's text. So a delivery costs one look at the message and not one at each piece.
[[nodiscard]] Result<std::unique_ptr<MessageReader>> open_spool_message(const SpoolSource& source,
                                                                        const SpoolMessage& message,
                                                                        std::string what);

/// Reads a message that has a file to itself; `status` is the file's. Errc::changed at a read after
/// another program has written to it.
[[nodiscard]] std::unique_ptr<MessageReader> open_file_message(Disk& disk, Fd file,
                                                               const FileStatus& status);

}  // namespace pop
