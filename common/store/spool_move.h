#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "store/maildrop.h"

namespace pop {

struct MovedSpool {
  enum class How : std::uint8_t {
    nothing,  // no spool stood in the old place, or both places are one
    renamed,
    merged,  // copied in front of what stood in the new place, if anything
  };
  How how = How::nothing;
  std::string from, to;  // paths
  FileBytes size;        // of the spool in the old place
  std::vector<std::string> remarks;
};

/// Brings a user's spool from where one set of settings has it to where another has it, with the
/// files that lie beside it. Sessions and deliveries in either place are locked out meanwhile.
/// In one file system, and if nothing stands in the new place, it is a rename; otherwise the mail
/// comes in front of that of the new place through its journal, where equal messages are kept once,
/// and goes from the old place before sessions see it in the new one, where it waits in a file of
/// its own meanwhile. After a crash the mail is whole in one of the three, and another call
/// finishes. An empty file stays in the old place unless it is sure that no program has it open;
/// what one writes there, another call brings along. Errc::busy: a session or a delivery.
/// Errc::usage: a Maildir. Errc::denied: one file with further links in both places. Errc::changed:
/// a journal that does not belong to its spool, or mail came to the old place in spite of the
/// locks; it is still there. Errc::corrupt: a damaged journal. `from` and `to` have the same disk.
[[nodiscard]] Result<MovedSpool> move_spool(const MaildropContext& from, const MaildropContext& to,
                                            const MailUser& user);

}  // namespace pop
