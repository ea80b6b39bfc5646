#pragma once

#include "conf/settings.h"
#include "log/log.h"
#include "pop3/language.h"

namespace pop {

/// What LANG can choose from: English, and each catalogue DIRECTORY/TAG/LC_MESSAGES/popper.mo of
/// locale-dir, or of where they were installed. One that cannot be used is left out, and the log
/// says why. To be called before a process shuts itself in; sessions inherit it from their keeper.
[[nodiscard]] Languages load_languages(const Settings& settings, Log& log);

}  // namespace pop
