#pragma once

#include <string>

namespace pop {

/// Documents made from the option table; a test compares each with the committed file.
[[nodiscard]] std::string manual_options_section();  // mdoc, for popper.conf(5)
[[nodiscard]] std::string sample_toml();             // doc/popper.toml.sample
[[nodiscard]] std::string sample_classic();          // doc/qpopper-style.conf.sample
[[nodiscard]] std::string bash_completion();         // completions/popper.bash

}  // namespace pop
