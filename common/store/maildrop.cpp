#include "store/maildrop.h"

#include <algorithm>

#include "store/mbox_maildrop.h"

namespace pop {

std::size_t MessageSet::count() const {
  return static_cast<std::size_t>(std::ranges::count(members_, true));
}

Result<std::unique_ptr<Maildrop>> open_maildrop(const MaildropContext& context,
                                                const MailUser& user) {
  return MboxMaildrop::open(context, user);
}

}  // namespace pop
