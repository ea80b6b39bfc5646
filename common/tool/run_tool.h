#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "conf/configuration.h"
#include "tool/terminal.h"

namespace CLI {
class App;
}

namespace pop {

enum class RunMode : std::uint8_t { real, dry_run };
enum class OutputForm : std::uint8_t { text, json };
enum class Verbosity : std::uint8_t { quiet, normal, verbose };

/// The flags that mean the same in every tool.
struct ToolFlags {
  std::optional<std::string> config_file;   // -f, --config; nothing: the default file, if it exists
  RunMode mode = RunMode::real;             // -n, --dry-run
  OutputForm form = OutputForm::text;       // --json
  Verbosity verbosity = Verbosity::normal;  // -q, --quiet; -v, --verbose
};

/// What a subcommand takes besides the shared flags. Declared once: parser and help come from it.
/// The targets are written when the command line has been understood and must live until then.
class Arguments {
 public:
  enum class Count : std::uint8_t { one, one_or_more, any };

  explicit Arguments(CLI::App& app) : app_{app} {}

  /// `names` as "--stdin" or "-a,--apop".
  void flag(const std::string& names, bool& target, const std::string& help);
  void option(const std::string& names, std::optional<std::string>& target,
              const std::string& placeholder, const std::string& help);
  /// An option that may be given several times, each time with one value.
  void repeated(const std::string& names, std::vector<std::string>& target,
                const std::string& placeholder, const std::string& help);
  void operands(const std::string& placeholder, std::vector<std::string>& target, Count count,
                const std::string& help);

 private:
  CLI::App& app_;
};

/// What a subcommand works with, besides its own arguments.
struct ToolRun {
  const ToolFlags& flags;
  Terminal& terminal;
};

struct Subcommand {
  std::string name;
  std::string help;  // one imperative sentence, no final period
  std::function<void(Arguments&)> declare{};
  std::function<ExitStatus(const ToolRun&)> run{};
  std::vector<Subcommand> subcommands{};  // then one of them must follow, and is run instead
};

struct Tool {
  std::string name;
  std::string help;
  std::vector<Subcommand> subcommands;
};

/// Understands the arguments (without the program's name), runs the subcommand they name and
/// flushes its results. -h and -V print to standard output. What cannot be understood is
/// complained about: ExitStatus::usage. An exception is a bug or lack of memory: it is complained
/// about here and nowhere else, ExitStatus::software.
[[nodiscard]] ExitStatus run_tool(const Tool& tool, std::vector<std::string> arguments,
                                  Terminal& terminal);

/// For main(): the real arguments and streams.
[[nodiscard]] int run_tool(const Tool& tool, int argc, char** argv);

/// The configuration every program of the suite reads. Complains about all that is wrong with it
/// and gives the status to exit with.
[[nodiscard]] std::expected<Configuration, ExitStatus> read_configuration(const ToolRun& run);

/// Complains and gives the status to exit with.
[[nodiscard]] ExitStatus give_up(Terminal& terminal, const Error& error);

}  // namespace pop
