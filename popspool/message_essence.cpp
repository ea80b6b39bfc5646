#include "popspool/message_essence.h"

#include <algorithm>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mail/content_digest.h"

namespace pop {

Essence essence_of(std::string_view stored) {
  Essence essence;
  essence.text.reserve(stored.size());
  bool is_left_out = false;
  while (!stored.empty()) {
    const std::size_t end = std::min(stored.find('\n'), stored.size() - 1) + 1;
    const std::string_view line = stored.substr(0, end);
    if (line == "\n" || line == "\r\n") break;
    const bool goes_on = line.front() == ' ' || line.front() == '\t';
    if (!goes_on) {
      is_left_out = bookkeeping_of(bookkeeping_name(line)) != Bookkeeping::none;
      if (equal_ignoring_case(field_name(line), "Message-ID")) essence.has_message_id = true;
    }
    if (!is_left_out) essence.text += line;
    stored.remove_prefix(end);
  }
  essence.text += stored;
  while (essence.text.ends_with('\n') || essence.text.ends_with('\r')) essence.text.pop_back();
  return essence;
}

Fingerprint digest_of(const Essence& essence) {
  ContentDigest digest;
  digest.begin();
  digest.content(essence.text);
  return digest.finish(0);
}

}  // namespace pop
