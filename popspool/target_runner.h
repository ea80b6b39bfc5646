#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "conf/settings.h"
#include "popspool/target.h"
#include "store/maildrop.h"
#include "tool/json.h"
#include "tool/run_tool.h"

namespace pop {

/// Which maildrops a verb works on, and how, as the command line says it.
struct TargetSelection {
  std::vector<std::string> named;
  bool all = false;
  bool from_stdin = false;          // one name a line, besides those named
  std::optional<std::string> jobs;  // so many at once; nothing: as many as there are processors
  std::optional<std::string> resume_file;
};

/// A verb that sums up over all targets cannot go on with some of them.
enum class CanResume : std::uint8_t { yes, no };

/// Declares TARGET..., --all, --stdin, -j and --resume.
void declare_targets(Arguments& arguments, TargetSelection& selection,
                     CanResume can_resume = CanResume::yes);

/// What a verb says about one target. Everything comes out in the order of the targets, however
/// many are worked on at once.
class TargetOutput {
 public:
  virtual ~TargetOutput() = default;
  /// Text for standard output; nothing with --json.
  virtual void print(std::string_view text) = 0;
  /// To standard error, behind "popspool: VERB TARGET: "; escaped by the caller.
  virtual void complain(std::string_view text) = 0;
  /// Members of the target's object with --json, in order; and for TargetVerb::gather and
  /// take_over. A key that begins with a dot is for these two only.
  virtual void add(std::string key, Json value) = 0;
  /// Lets TargetVerb::take_over do its part with what was added, and waits until it has. Its error;
  /// Errc::busy: popspool was ended meanwhile.
  [[nodiscard]] virtual Result<Json::Object> hand_over() = 0;
};

/// What a verb works with on one target.
struct TargetRun {
  const MailTarget& target;
  const MailUser& user;            // target.user
  const MaildropContext& context;  // the user's settings; a disk that changes nothing, for
                                   // Access::reading
  const ToolFlags& flags;
  bool is_alone = true;  // no other target is worked on: text need not name it
  TargetOutput& output;
};

/// A verb that treats each target by itself, in a process of its own that has become its owner:
/// what goes wrong with one leaves the others alone.
struct TargetVerb {
  enum class Access : std::uint8_t { reading, changing };
  /// bulk: what it prints may be as large as the mail, so its process waits until it is read.
  /// Never for work under a lock.
  enum class Output : std::uint8_t { kept, bulk };
  /// caller: the process stays who called the program and reads no options file of a user; for a
  /// verb that reads no mail.
  enum class Rights : std::uint8_t { owner, caller };

  std::string name;
  std::string task;  // the name and whatever makes another run of it do something else: --resume
                     // goes on with no other
  /// An error is complained about and gives the target's exit status; ExitStatus::found is no
  /// failure.
  std::function<Result<ExitStatus>(const TargetRun&)> work;
  Access access = Access::reading;
  Output output = Output::kept;
  MissingPath missing = MissingPath::nothing;
  /// Called by whoever runs popspool, before the target's process has become its owner.
  std::function<Result<void>(MailTarget&)> prepare{};
  Rights rights = Rights::owner;
  /// Becomes the process's standard input; else that is the null device. Who hands something over
  /// must be there to learn what became of it: the process does not outlive popspool.
  std::optional<int> input{};
  /// For a verb that writes files which are not of the mail's owner. Called here, with the rights
  /// of whoever called popspool, before the target's process starts: what it opens becomes the
  /// process's standard output, else that is the null device.
  std::function<Result<Fd>(const MailTarget&)> open_output{};
  /// Called here for each of those, in the order of the targets, when the process has ended; an
  /// error makes the target fail.
  std::function<Result<void>(const std::string& target, ExitStatus status)> conclude{};
  /// For work that needs the rights of whoever called popspool in its middle: called here, with
  /// what add() was given, when the target's process calls TargetOutput::hand_over(); it waits for
  /// the answer, and goes on holding whatever it holds. Not together with `input`.
  std::function<Result<Json::Object>(const MailTarget& target, const Json::Object& members)>
      take_over{};
  /// For a verb that sums up: called here, in the order of the targets, with what add() was given;
  /// then --json prints nothing of it.
  std::function<void(const std::string& target, const Json::Object& members)> gather{};
  /// Called instead for a target that failed; it has been complained about.
  std::function<void(const std::string& target)> failed{};
};

/// Works on all the targets and says on standard error how it went, if there was more than one.
/// With --json, and unless the verb gathers: an object with `targets`, an array of one object for
/// each ("target", "status", "error", then what the verb added), and `summary`.
/// ExitStatus::ok; ExitStatus::found if any target had that; the first failure's status otherwise.
[[nodiscard]] ExitStatus run_on_targets(const TargetVerb& verb, const TargetSelection& selection,
                                        const Settings& settings, const ToolRun& run);

}  // namespace pop
