#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "popspool/id_listing.h"
#include "popspool/target_runner.h"
#include "store/spool_view.h"

namespace pop {

/// What unique-ids of servers are made of.
struct IdFacts {
  ListedId listed;         // as popper lists it
  std::string content_id;  // its X-UIDL:, else its native id
  std::string stored_id;   // its X-UIDL:, "" without a valid one
  std::string qpopper_id, qpopper_old_id;
  std::string popa3d_id, dovecot_md5, tpop3d_md5;
  std::optional<std::uint32_t> uid;                             // X-UID:, if it can be right
  std::string base;                                             // Maildir: the file's base name
  std::int64_t modified_seconds = 0, modified_nanoseconds = 0;  // Maildir: of the file
};

struct MaildropIdFacts {
  MailFormat format = MailFormat::mbox;
  std::vector<IdFacts> messages;        // in popper's order
  std::optional<std::uint32_t> uidvalidity;  // mbox: X-IMAPbase: or X-IMAP: of the first message

  [[nodiscard]] IdListing listing() const;
};

/// Reads the headers of all messages of a view, which must be of `user`'s maildrop. Errc::changed:
/// another program changed it meanwhile; view it again.
[[nodiscard]] Result<MaildropIdFacts> facts_of(const MaildropContext& context, const MailUser& user,
                                             SpoolView& view);

/// A view and what stands in it, as of one moment.
struct ViewedFacts {
  std::unique_ptr<SpoolView> view;
  MaildropIdFacts facts;
};
/// Views the maildrop until its messages stay as they are. Errc::changed: they never do.
[[nodiscard]] Result<ViewedFacts> view_facts(const MaildropContext& context, const MailUser& user);

}  // namespace pop
