#pragma once

#include <string>
#include <string_view>

#include "log/log.h"

namespace pop {

/// "name key=value ...".
[[nodiscard]] std::string text_line(std::string_view name, LogFields fields);

/// {"event":"name","severity":"info","key":"value",...}: ASCII only, and an object whatever the
/// values are. Keys are ours.
[[nodiscard]] std::string json_line(Severity severity, std::string_view name, LogFields first,
                                    LogFields second = {});

/// A sentence or value without what could end its line, cut where syslog daemons would.
[[nodiscard]] std::string cut_sentence(std::string_view hostile);

}  // namespace pop
