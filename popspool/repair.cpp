// A repair has two halves: first the spool is looked at without a lock, and doubtful cases are
// asked about as long as it takes; then it is done under the locks, with what was decided. A
// doubtful case that only turns up then is left alone.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/fd.h"
#include "base/text.h"
#include "popspool/defect_report.h"
#include "popspool/popspool.h"
#include "store/maildrop_check.h"
#include "store/maildrop_location.h"
#include "store/scan_options.h"
#include "store/spool_file.h"
#include "store/spool_repair.h"

namespace pop {
namespace {

/// What --decide says.
struct Policy {
  bool all = false;
  std::set<DefectKind> kinds;
};

Result<Policy> policy_of(const std::optional<std::string>& decide) {
  Policy policy;
  std::string_view rest = decide ? std::string_view{*decide} : std::string_view{};
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto kind = defect_kind(word);
    if (word == "all") {
      policy.all = true;
    } else if (kind) {
      policy.kinds.insert(*kind);
    } else {
      return fail(Errc::usage, "--decide: \"" + escaped(word) + "\" is no kind of defect");
    }
  }
  return policy;
}

/// Asks on the terminal, which is no standard stream here.
class Questioner {
 public:
  explicit Questioner(std::string target) : target_{std::move(target)} {}

  [[nodiscard]] bool open() {
    terminal_ = Fd{::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
    return terminal_.is_open();
  }

  [[nodiscard]] Decision ask(const Defect& defect) {
    if (answer_to_all_) return *answer_to_all_;
    const std::string question = target_ + ": " + line_of(defect) + "\n    repair " +
                                 std::string{text_of(defect.kind).repair} +
                                 ". Do it? [y]es, [n]o, [a]ll, [q]uit asking: ";
    for (int tries = 0; tries < 3; ++tries) {
      if (::write(terminal_.get(), question.data(), question.size()) < 0) break;
      switch (answer()) {
        case 'y':
          return Decision::repair;
        case 'n':
          return Decision::leave;
        case 'a':
          answer_to_all_ = Decision::repair;
          return Decision::repair;
        case 'q':
          tries = 3;
          break;
        default:
          break;
      }
    }
    answer_to_all_ = Decision::leave;
    return Decision::leave;
  }

 private:
  /// The first letter of a line; 'q' at the end of input.
  char answer() {
    std::string line;
    char c = 0;
    while (line.size() < 100) {
      if (::read(terminal_.get(), &c, 1) != 1) return 'q';
      if (c == '\n') break;
      line += c;
    }
    return line.empty() ? ' ' : lower(line.front());
  }

  std::string target_;
  Fd terminal_;
  std::optional<Decision> answer_to_all_;
};

class RepairVerb {
 public:
  RepairVerb(Policy policy, bool may_ask) : policy_{std::move(policy)}, may_ask_{may_ask} {}

  Result<ExitStatus> work(const TargetRun& run) const {
    Result<MaildropLocation> location =
        locate_maildrop(run.context.disk, run.context.settings, run.user);
    if (!location) return std::unexpected(std::move(location).error());
    Result<MaildropFindings> found = check_maildrop(run.context, run.user);
    if (!found) return std::unexpected(std::move(found).error());
    if (found->format == MailFormat::maildir) return leave(run, found->defects);
    Answers answers;
    Result<RepairPlan> plan = plan_without_locks(run, *location, answers);
    if (!plan) return std::unexpected(std::move(plan).error());
    std::vector<Defect> around = around_the_spool(*found);
    const bool nothing_to_do = plan->mended.empty() && around.empty();
    if (nothing_to_do || run.flags.mode == RunMode::dry_run) {
      tell(run, *plan, around, {});
      return status_of(plan->left, around);
    }
    return repair(run, *location, answers, std::move(around));
  }

 private:
  using Answers = std::set<std::tuple<DefectKind, FileBytes>>;

  static std::vector<Defect> around_the_spool(const MaildropFindings& found) {
    std::vector<Defect> around;
    for (const Defect& defect : found.defects) {
      if (!defect.file.empty()) around.push_back(defect);
    }
    return around;
  }

  Result<RepairPlan> plan_without_locks(const TargetRun& run, const MaildropLocation& location,
                                        Answers& answers) const {
    Disk& disk = run.context.disk;
    const Result<Fd> spool = open_mail_file(disk, location.spool, O_RDONLY, run.user.uid,
                                            Exposure::not_writable_by_others);
    if (!spool && spool.error().code == Errc::not_found) return RepairPlan{};
    if (!spool) return std::unexpected(spool.error());
    const Result<FileStatus> status = disk.status(*spool);
    if (!status) return std::unexpected(status.error());
    Questioner questioner{run.target.name};
    const bool asks = may_ask_ && run.is_alone && questioner.open();
    const auto decide = [&](const Defect& defect) {
      Decision decision = Decision::leave;
      if (policy_.all || policy_.kinds.contains(defect.kind)) decision = Decision::repair;
      if (decision == Decision::leave && asks) decision = questioner.ask(defect);
      if (decision == Decision::repair) answers.emplace(defect.kind, defect.at);
      return decision;
    };
    return plan_spool_repair(disk, *spool, status->size,
                             {.options = scan_options(run.context.settings), .decide = decide});
  }

  Result<ExitStatus> repair(const TargetRun& run, const MaildropLocation& location,
                            const Answers& answers, std::vector<Defect> around) const {
    const auto decide = [&](const Defect& defect) {
      const bool chosen = policy_.all || policy_.kinds.contains(defect.kind) ||
                          answers.contains({defect.kind, defect.at});
      return chosen ? Decision::repair : Decision::leave;
    };
    const bool drop_index = std::ranges::any_of(around, [](const Defect& defect) {
      return defect.kind == DefectKind::lying_index || defect.kind == DefectKind::damaged_index;
    });
    const Result<MendedSpool> mended = repair_spool(run.context, run.user, location,
                                                    {.options = scan_options(run.context.settings),
                                                     .decide = decide,
                                                     .drop_index = drop_index});
    if (!mended) return std::unexpected(mended.error());
    if (!around.empty()) {  // what the locks and the repair have put in order
      const Result<MaildropFindings> now = check_maildrop(run.context, run.user);
      if (!now) return std::unexpected(now.error());
      around = around_the_spool(*now);
    }
    std::optional<RepairFiles> files;
    if (mended->record) files = RepairFiles::of(location, *mended->record);
    tell(run, mended->plan, around, files);
    return status_of(mended->plan.left, around);
  }

  static Result<ExitStatus> leave(const TargetRun& run, const std::vector<Defect>& defects) {
    tell(run, RepairPlan{}, defects, {});
    return status_of({}, defects);
  }

  /// A person must look at what is left, unless it is served as it should be.
  static ExitStatus status_of(const std::vector<Defect>& left, const std::vector<Defect>& around) {
    const auto needs_person = [](const Defect& defect) {
      return defect.remedy == Remedy::doubtful || text_of(defect.kind).harm != Harm::notice;
    };
    const bool needed =
        std::ranges::any_of(left, needs_person) || std::ranges::any_of(around, needs_person);
    return needed ? ExitStatus::found : ExitStatus::ok;
  }

  static void tell(const TargetRun& run, const RepairPlan& plan, const std::vector<Defect>& around,
                   const std::optional<RepairFiles>& files) {
    std::vector<Defect> left = around;
    left.insert(left.end(), plan.left.begin(), plan.left.end());
    if (run.flags.form == OutputForm::json) {
      const auto path = [&](const FilePlace& place) {
        return run.context.disk.status(place.directory(), place.name) ? Json{place.path()} : Json{};
      };
      run.output.add("mended", json_of(plan.mended));
      run.output.add("left", json_of(left));
      run.output.add("record", files ? path(files->record) : Json{});
      run.output.add("backup", files ? path(files->backup) : Json{});
      run.output.add("quarantine", files ? path(files->quarantine) : Json{});
      return;
    }
    const bool dry = run.flags.mode == RunMode::dry_run;
    const bool quiet = run.flags.verbosity == Verbosity::quiet;
    const std::string name = run.is_alone ? "" : run.target.name + ": ";
    for (const Defect& defect : plan.mended) {
      if (!dry && run.flags.verbosity != Verbosity::verbose) break;
      run.output.print(name + (dry ? "would mend " : "mended ") + line_of(defect) + ": " +
                       std::string{text_of(defect.kind).repair} + "\n");
    }
    for (const Defect& defect : left) {
      if (quiet) break;
      run.output.print(name + "left alone: " + line_of(defect) + "\n");
    }
    if (quiet || dry || (plan.mended.empty() && left.empty())) return;
    run.output.print(name + std::to_string(plan.mended.size()) + " mended, " +
                     std::to_string(left.size()) + " left alone" +
                     (files ? "; the spool as it was: " + files->backup.path() : "") + "\n");
  }

  Policy policy_;
  bool may_ask_;
};

}  // namespace

ExitStatus run_repair(const TargetSelection& selection, const RepairArguments& arguments,
                      const Settings& settings, const ToolRun& run) {
  const Result<Policy> policy = policy_of(arguments.decide);
  if (!policy) return give_up(run.terminal, policy.error());
  const bool may_ask = ::isatty(STDIN_FILENO) == 1 && !arguments.decide;
  const RepairVerb verb{*policy, may_ask};
  const bool dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets(
      {.name = "repair",
       .task = "repair " + arguments.decide.value_or("") + (dry ? " -n" : ""),
       .work = [&](const TargetRun& target) { return verb.work(target); },
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing},
      selection, settings, run);
}

}  // namespace pop
