#pragma once

#include <set>
#include <string>
#include <vector>

#include "store/conversion.h"
#include "store/conversion_files.h"
#include "store/locked_spool.h"
#include "store/maildir_location.h"
#include "store/spool_listing.h"

namespace pop {

/// convert_maildrop() from a spool to a Maildir.
class SpoolToMaildir {
 public:
  /// All must outlive this.
  SpoolToMaildir(const MaildropContext& context, const MailUser& user,
                 const MaildropLocation& location, const ConversionFiles& files)
      : context_{context}, disk_{context.disk}, user_{user}, location_{location}, files_{files} {}

  Result<Conversion> run();
  /// A Maildir stands in the place: what a crash may have left of the way there.
  Result<Conversion> finish();

 private:
  Result<void> check_no_leftovers(LockedSpool& spool);
  Result<void> exchange(LockedSpool& spool);
  Result<void> list(LockedSpool& spool);
  Result<void> build(LockedSpool& spool);
  Result<void> fill(LockedSpool& spool, const MaildirLocation& maildir, const Fd& tmp);
  Result<void> prove(LockedSpool& spool, const MaildirLocation& maildir);
  Result<Fd> open_in_build(const OpenDirectory& root, const std::string& name);

  struct Range {
    FileBytes from, to;
  };

  Result<void> take_in(FilePlace old, FileBytes size, Conversion& done);
  Result<void> wait_until_closed(const Fd& old);
  Result<std::string> arrival_name(const Fd& old, const SpoolMessage& message);
  Result<std::set<std::string>> arrived(const MaildirLocation& maildir);
  Result<std::int64_t> time_of(const Fd& old, const SpoolMessage& message, std::int64_t before);
  Result<void> deliver_rest(FilePlace& place, const Fd& old, Range late, Conversion& done);
  Result<void> deliver_late(const MaildirLocation& maildir, const std::string& base, const Fd& old,
                            const SpoolMessage& message);
  Result<void> note_taken(FilePlace& place, FileBytes up_to);

  const MaildropContext& context_;
  Disk& disk_;
  const MailUser& user_;
  const MaildropLocation& location_;
  const ConversionFiles& files_;
  ScanOptions options_;
  FileStatus built_;  // the Maildir
  SpoolListing listing_;
  std::vector<std::size_t> shown_;  // messages of the listing that become files
};

}  // namespace pop
