#pragma once

#include <string>
#include <vector>

#include "mail/defect.h"
#include "tool/json.h"

namespace pop {

/// "byte 12, line 3, message 2: warning: torn-message: ..." without a line end; the path in
/// front where it is another file than the spool.
[[nodiscard]] std::string line_of(const Defect& defect);

/// The same for --json; the keys are told in popspool(8).
[[nodiscard]] Json json_of(const Defect& defect);
[[nodiscard]] Json json_of(const std::vector<Defect>& defects);

}  // namespace pop
