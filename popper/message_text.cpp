#include "popper/message_text.h"

namespace pop {

Result<std::unique_ptr<MessageReader>> open_in_form(Maildrop& maildrop, MessageNumber number,
                                                    const MessageForm&) {
  return maildrop.open(number);
}

Result<WireOctets> size_in_form(Maildrop& maildrop, MessageNumber number, const MessageForm&) {
  return maildrop.messages()[number.index()].size;
}

}  // namespace pop
