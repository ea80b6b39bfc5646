#pragma once

#include "conf/settings.h"
#include "mail/mbox_scanner.h"

namespace pop {

/// How the settings want spools read: the recipe of unique-ids and what counts as folder-internal.
[[nodiscard]] inline ScanOptions scan_options(const Settings& settings) {
  ScanOptions options{.uw_kluge = settings.uw_kluge};
  if (settings.old_style_uid) {
    options.recipe = UniqueIdRecipe::qpopper_old;
  } else if (settings.uid_format == UidFormat::qpopper) {
    options.recipe = UniqueIdRecipe::qpopper;
  }
  return options;
}

}  // namespace pop
