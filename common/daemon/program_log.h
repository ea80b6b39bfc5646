#pragma once

#include <cstdint>
#include <string_view>

#include "conf/settings.h"
#include "log/log.h"

namespace pop {

/// Where a process logs: its terminal or syslog.
enum class LogTarget : std::uint8_t { standard_error, syslog };

/// The log of this process, with its trace where tracefile says: call before privileges and root
/// directory go. `program` is what syslog calls it, and must last. syslog(3) has one state a
/// process, so let an earlier one go first. A trace file that cannot be opened is logged, and done
/// without.
[[nodiscard]] Log open_program_log(const char* program, LogTarget target, const Settings& settings);

/// For a session, as the user: what the user's own files changed about debug and tracefile.
void follow_user_settings(Log& log, const Settings& before, const Settings& now);

}  // namespace pop
