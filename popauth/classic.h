#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "log/log.h"
#include "tool/terminal.h"

namespace pop {

/// Whether a command line is of the single-dash form of Qpopper's popauth: no argument, or one of
/// its words first. The names apopauth and scramauth know no other.
[[nodiscard]] bool is_classic(std::string_view program, const std::vector<std::string>& arguments);

/// What the classic form works on.
struct ClassicSite {
  Disk& disk;
  std::filesystem::path file;
  std::string program;  // base name of what was called: decides between APOP and SCRAM
  std::string owner;    // who besides root may change others
  uid_t caller;         // who called
  Log& log;
};

struct ClassicCommand {
  enum class Verb : std::uint8_t { change_own, change, init, list, erase, help, version };
  Verb verb = Verb::change_own;
  std::string user;                     // whom; empty: the caller
  std::optional<std::string> password;  // from the command line
  std::optional<std::string> trace;
  bool safe = false;
  bool only = false;
};

/// Errc::usage for what is none.
[[nodiscard]] Result<ClassicCommand> read_classic(const std::vector<std::string>& arguments);

/// Does it: 0 when done, 1 for everything else, help included.
[[nodiscard]] int run_classic(const ClassicCommand& command, const ClassicSite& site,
                              Terminal& terminal);

enum class Strength : std::uint8_t { good, too_short, digits_only };
/// What Qpopper thought good enough.
[[nodiscard]] Strength strength_of(std::string_view password);

}  // namespace pop
