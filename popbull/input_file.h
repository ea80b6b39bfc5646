#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"
#include "tool/terminal.h"

namespace pop {

/// All of a file that the caller named, or of standard input for "-". A pipe is read to its end.
/// Errc::limit beyond `most` octets; Errc::denied for a directory or a device.
[[nodiscard]] Result<std::string> read_named(const std::string& name, std::size_t most,
                                             Terminal& terminal);

}  // namespace pop
