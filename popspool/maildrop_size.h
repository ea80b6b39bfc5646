#pragma once

#include <cstdint>

#include "base/error.h"
#include "store/maildrop.h"

namespace pop {

/// Bytes that a user's mail takes up: the spool's, without reading it, or those of a Maildir's
/// messages. Errors as of view_maildrop().
[[nodiscard]] Result<std::uint64_t> maildrop_size(const MaildropContext& context,
                                                  const MailUser& user);

}  // namespace pop
