#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"
#include "popspool/popspool.h"
#include "support/catch.h"
#include "support/temporary_directory.h"
#include "support/tool_streams.h"

namespace pop::test {

struct ToolOutcome {
  ExitStatus status;
  std::string out, err;
};

/// Spools of whoever runs the test, and a way to call popspool on them.
class PopspoolBed {
 public:
  PopspoolBed() {
    std::ofstream{directory_ / "popper.toml"} << "spool-dir = \"" << spool_dir().native() << "\"\n"
                                              << "credential-file = \"" << credentials().native()
                                              << "\"\n";
    REQUIRE(CredentialDbWriter::create(system_disk(), credentials()));
    std::filesystem::create_directory(spool_dir());
  }
  [[nodiscard]] std::filesystem::path path(std::string_view name) const {
    return directory_ / name;
  }
  [[nodiscard]] std::filesystem::path spool_dir() const { return path("spool"); }
  [[nodiscard]] std::filesystem::path credentials() const { return path("credentials.gdbm"); }
  void add_option(std::string_view line) const {
    std::ofstream{path("popper.toml"), std::ios::app} << line << "\n";
  }
  /// Made with mode 0600; its path is the target.
  std::string add_spool(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = spool_dir() / name;
    std::ofstream{file, std::ios::binary} << content;
    std::filesystem::permissions(file, std::filesystem::perms{0600});
    return file;
  }
  [[nodiscard]] ToolOutcome call(std::vector<std::string> arguments,
                                 std::string_view input = "") const {
    arguments.insert(arguments.begin(), {"-f", path("popper.toml").native()});
    const ToolStreams streams{input};
    Terminal terminal{"popspool", streams.streams()};
    const ExitStatus status = run_popspool(std::move(arguments), terminal);
    return {status, streams.out(), streams.err()};
  }

 private:
  TemporaryDirectory directory_;
};

/// `count` small messages.
inline std::string small_spool(int count) {
  std::string text;
  for (int i = 1; i <= count; ++i) {
    text += "From a@example.org Thu Jan  1 00:00:00 1970\nSubject: number " + std::to_string(i) +
            "\n\nhello\n\n";
  }
  return text;
}

}  // namespace pop::test
