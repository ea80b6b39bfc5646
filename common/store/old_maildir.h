#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mbox_scanner.h"
#include "store/conversion.h"
#include "store/conversion_files.h"
#include "store/maildir_listing.h"
#include "store/maildrop_location.h"

namespace pop {

/// A Maildir that a spool has been made of and whose place the spool has taken: what comes late is
/// delivered into the spool, and then it goes. Nothing goes that is neither in the spool nor empty.
class OldMaildir {
 public:
  /// All must outlive this.
  OldMaildir(const MaildropContext& context, const MailUser& user, const MaildropLocation& location,
             const ConversionFiles& files)
      : context_{context}, disk_{context.disk}, user_{user}, location_{location}, files_{files} {}

  /// Before the exchange, while the session lock is held: which messages the spool holds, and what
  /// lies beside mail now, which is left to go with the Maildir. Durable on return.
  static Result<void> note_converted(Disk& disk, const OpenDirectory& maildir,
                                     const std::vector<std::string>& names);

  /// Counts in `done` what it delivers. Errc::busy: a delivery is under way, or another convert.
  /// Errc::changed: something came that is not this user's mail; the text names it, and it stays.
  Result<void> take_in(Conversion& done);

 private:
  /// Which message is being delivered, so that one whose file stays there is not delivered again.
  struct Note {
    std::string file;  // base name
    Fingerprint content;
    FileBytes spool;           // its size before
    std::uint64_t before = 0;  // checksum of the octets that end there
    bool is_delivered = false;
  };
  enum class Kind : std::uint8_t { nothing, mail, not_ours };

  Result<void> open();
  Result<void> load_known();
  Result<std::string> load(const std::string& name);
  Result<void> check_no_mail();
  Result<bool> close_to_deliveries();
  Result<Fd> directory(MaildirPlace place);
  Result<std::vector<std::string>> names_in(const Fd& directory);
  [[nodiscard]] bool is_known(std::string_view name) const;
  Result<void> sweep(Conversion& done);
  Result<Kind> kind_of(const Fd& directory, const std::string& name);
  Result<void> take(const Fd& directory, const std::string& name, Conversion& done);
  Result<bool> is_delivered(const Note& last, const Note& now);
  Result<void> deliver_file(const Fd& file);
  Result<Fingerprint> content_in_spool(const Fd& file);
  Result<bool> is_in_spool(const Note& note);
  Result<bool> stands_behind(const Fd& spool, FileBytes size, const Note& note);
  Result<std::uint64_t> checksum_before(const Fd& spool, FileBytes end);
  Result<void> look_at_spool(Note& note);
  Result<void> save(const Note& note);
  Result<Note> load_note();
  Result<bool> remove_mail();
  Result<bool> remove_mail_in(MaildirPlace place);
  Result<void> remove_rest();

  const MaildropContext& context_;
  Disk& disk_;
  const MailUser& user_;
  const MaildropLocation& location_;
  const ConversionFiles& files_;
  std::shared_ptr<const OpenDirectory> old_;
  std::set<std::string> known_;  // base names
};

}  // namespace pop
