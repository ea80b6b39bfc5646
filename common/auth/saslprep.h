#pragma once

#include "base/secret.h"

namespace pop {

/// A password or a name as clients prepare it before they compute with it (RFC 4013): odd blanks
/// become blanks, what cannot be seen goes, and what looks the same becomes the same. What cannot
/// be prepared, such as octets that are no UTF-8 or controls, stays as it is: clients that do not
/// prepare send it so.
[[nodiscard]] Secret saslprep(const Secret& password);

}  // namespace pop
