#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "popcheck/popcheck.h"
#include "support/catch.h"
#include "support/temporary_directory.h"
#include "support/tool_streams.h"

namespace pop::test {

struct CheckOutcome {
  ExitStatus status;
  std::string out, err;
};

/// Runs popcheck with streams of its own.
inline CheckOutcome call_popcheck(std::vector<std::string> arguments, std::string_view input = "") {
  const ToolStreams streams{input};
  Terminal terminal{"popcheck", streams.streams()};
  const ExitStatus status = run_popcheck(std::move(arguments), terminal);
  return {status, streams.out(), streams.err()};
}

/// A directory for files to be checked.
class PopcheckBed {
 public:
  [[nodiscard]] std::filesystem::path path(std::string_view name) const {
    return directory_ / name;
  }
  /// Its path.
  [[nodiscard]] std::string add(std::string_view name, std::string_view content) const {
    std::ofstream{path(name), std::ios::binary} << content;
    return path(name).native();
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace pop::test
