#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mail/message_scanner.h"
#include "store/append_buffer.h"
#include "store/conversion.h"
#include "store/conversion_files.h"
#include "store/file_pieces.h"
#include "store/maildir_location.h"
#include "store/maildir_view.h"
#include "store/session_lock.h"

namespace pop {

/// convert_maildrop() from a Maildir to a spool.
class MaildirToSpool {
 public:
  /// All must outlive this.
  MaildirToSpool(const MaildropContext& context, const MailUser& user,
                 const MaildropLocation& location, const ConversionFiles& files)
      : context_{context}, disk_{context.disk}, user_{user}, location_{location}, files_{files} {}

  Result<Conversion> run();
  /// A spool stands in the place: what a crash may have left of the way there.
  Result<Conversion> finish();

 private:
  /// What the spool must show of a message.
  struct Wanted {
    std::string id;
    WireOctets wire;
    Fingerprint content;  // bookkeeping aside
    bool retrieved = false;
  };
  /// How a message reads before it is written.
  struct Survey {
    MessageFacts facts;
    Fingerprint content;
    std::string header;         // with the empty line that ends it
    bool needs_length = false;  // a line inside would be taken for a separator
    std::uint64_t body = 0;     // octets
    std::string last;           // up to four octets
  };

  Result<void> check_in_place(const MaildirLocation& maildir);
  Result<void> check_no_leftovers(const MaildirLocation& maildir);
  Result<void> build(SpoolView& view);
  Result<Survey> survey(SpoolView& view, MessageNumber number);
  Result<void> write_message(SpoolView& view, MessageNumber number, AppendBuffer& out);
  Result<void> prove(const Fd& file);
  Result<void> note_converted(const MaildirLocation& maildir, const SpoolView& view);
  Result<void> exchange();
  Result<void> take_in(Conversion& done);

  const MaildropContext& context_;
  Disk& disk_;
  const MailUser& user_;
  const MaildropLocation& location_;
  const ConversionFiles& files_;
  std::vector<Wanted> wanted_;
};

}  // namespace pop
