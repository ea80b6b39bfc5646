#pragma once

#include <string>
#include <vector>

#include "bull/bulletin_directory.h"
#include "bull/recipient.h"
#include "bull/seen_numbers.h"
#include "conf/settings.h"
#include "store/maildrop.h"

namespace pop {

/// What a login did about bulletins.
struct BulletinsDelivered {
  std::vector<std::string> files;    // names of those that are in the maildrop now and were not
  std::vector<std::string> remarks;  // a sentence each, for the log
};

/// Puts the bulletins that the user is to get into his opened maildrop and then writes his number.
/// It never runs ahead of the mail, and where it cannot be written the mail is taken out again.
/// After a crash between the two, a bulletin that is listed is not added a second time: it is known
/// by bulletin_id(). If any were added, the maildrop's list_again() is next.
///
/// With an error the maildrop is as it was, or the bulletins come with the next login; the session
/// can go on. Blocks as Maildrop::add().
[[nodiscard]] Result<BulletinsDelivered> deliver_bulletins(const MaildropContext& context,
                                                           const Recipient& recipient,
                                                           const std::string& host,
                                                           SeenNumbers& numbers,
                                                           Maildrop& maildrop);

}  // namespace pop
