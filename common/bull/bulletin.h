#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bull/bulletin_name.h"
#include "bull/bulletin_terms.h"

namespace pop {

/// Something amiss in a bulletin's file.
struct BulletinDefect {
  enum class Weight : std::uint8_t {
    warns,   // it is delivered all the same
    breaks,  // nobody gets it before it is mended
  };
  std::uint64_t line = 0;  // from 1 on; 0: the file as a whole
  std::string text;
  Weight weight = Weight::breaks;
};

/// One bulletin as its file has it, with LF as line ends.
struct Bulletin {
  std::string from_line;  // without its line end
  std::string header;     // the fields, the last line end included, without the empty line
  std::string body;       // ends in LF unless it is empty
  BulletinTerms terms;
};

struct BulletinReading {
  std::optional<Bulletin> bulletin;     // nullopt: a defect breaks it
  std::vector<BulletinDefect> defects;  // by line

  /// "line 3: ..." of the first defect that breaks it; empty: none does.
  [[nodiscard]] std::string what_breaks() const;
};

/// Reads one file's octets: a From_ line, a header, an empty line, a body that is left as it is,
/// MIME or not. CRLF becomes LF if the first line ends so, and a missing last line end is supplied.
///
/// Breaks: no valid From_ line in front; a line in the header that is no field; no header; a line
/// of the body that a spool, mbox or MMDF, would take for another message; NUL octets; a Popper-Bulletin- field
/// that is not understood. Warns: From:, Date: or Subject: missing, twice or empty; no body; other
/// lines of the body that begin with "From ".
[[nodiscard]] BulletinReading read_bulletin(std::string_view octets);

/// The message that `user` receives, without separator: To: is replaced by USER@HOST, or by USER if
/// that has a domain, folded or not, the first one where there are several, the others go; mail programs' bookkeeping (Status:, X-UIDL:,
/// Content-Length: and their like) and the Popper-Bulletin- fields go; then X-UIDL: with
/// bulletin_id(); else octet by octet what the file has.
[[nodiscard]] std::string message_for(const Bulletin& bulletin, const BulletinName& name,
                                      std::string_view user, std::string_view host);

/// By which the message is recognised in a maildrop: the same for all users, and another one
/// when the file's From_ line or header is another. At most 70 characters of a unique-id.
[[nodiscard]] std::string bulletin_id(const Bulletin& bulletin, const BulletinName& name);

}  // namespace pop
