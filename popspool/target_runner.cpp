#include "popspool/target_runner.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <limits>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/text.h"
#include "popspool/resume_file.h"
#include "popspool/target_process.h"
#include "tool/counted.h"
#include "tool/progress.h"

namespace pop {
namespace {

constexpr std::uint64_t most_jobs = 256;
/// How far work may go ahead of what has been printed.
constexpr std::size_t window = 1000;

std::string shown(const std::string& name) {
  return escaped(name, std::numeric_limits<std::size_t>::max());
}

Result<std::size_t> jobs_of(const TargetSelection& selection) {
  if (!selection.jobs) return std::max(1U, std::thread::hardware_concurrency());
  const std::optional<std::uint64_t> jobs = decimal(*selection.jobs);
  if (jobs && *jobs >= 1 && *jobs <= most_jobs) return *jobs;
  return fail(Errc::usage, "--jobs \"" + escaped(*selection.jobs) + "\" is no number from 1 to " +
                               std::to_string(most_jobs));
}

/// In the order given, each once.
Result<std::vector<std::string>> names_of(const TargetSelection& selection,
                                          const Settings& settings, Terminal& terminal) {
  if (selection.all && (selection.from_stdin || !selection.named.empty())) {
    return fail(Errc::usage, "--all and other targets exclude each other");
  }
  if (selection.all) return all_targets(settings);
  std::vector<std::string> names = selection.named;
  if (selection.from_stdin) {
    const Result<std::string> text = terminal.read_input();
    if (!text) return std::unexpected(text.error());
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      if (end > 0) names.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  } else if (names.empty()) {
    return fail(Errc::usage, "name a user or a path, or all of them with --all");
  }
  std::set<std::string> seen;
  std::erase_if(names, [&](const std::string& name) { return !seen.insert(name).second; });
  return names;
}

/// One run over all targets. What is known of a target leaves in the order of the targets, so a
/// slot waits until those before it are done.
class TargetRunner {
 public:
  TargetRunner(const TargetVerb& verb, const Settings& settings, const ToolRun& run,
               std::size_t jobs, std::vector<std::string> names)
      : verb_{verb},
        settings_{settings},
        run_{run},
        jobs_{jobs},
        slots_(names.size()),
        progress_{run.terminal, system_clock(),
                  run.flags.verbosity == Verbosity::quiet || names.size() < 2 ? 0 : names.size()} {
    for (std::size_t i = 0; i < names.size(); ++i) slots_[i].name = std::move(names[i]);
  }

  Result<void> resume_with(const std::string& path, const std::string& task) {
    Result<ResumeFile> file = ResumeFile::open(system_disk(), path, task);
    if (!file) return std::unexpected(std::move(file).error());
    resume_.emplace(std::move(*file));
    for (Slot& slot : slots_) {
      if (resume_->contains(slot.name)) slot.state = State::done_before;
    }
    return {};
  }

  ExitStatus run() {
    if (prints_json()) run_.terminal.print("{\"targets\": [");
    while (head_ < slots_.size()) {
      launch();
      deliver();
      if (head_ < slots_.size() && running_ > 0) wait_and_read();
    }
    progress_.clear();
    end();
    return status_;
  }

 private:
  enum class State : std::uint8_t { waiting, running, ended, done_before };
  struct Slot {
    std::string name;
    bool is_unknown = false;  // no user
    State state = State::waiting;
    std::optional<MailTarget> target;
    std::optional<TargetProcess> process;
    ExitStatus status = ExitStatus::ok;
    std::optional<std::string> error;
    bool is_to_conclude = false;
  };

  [[nodiscard]] bool prints_json() const {
    return run_.flags.form == OutputForm::json && !verb_.gather;
  }

  void launch() {
    while (running_ < jobs_ && next_ < slots_.size() && next_ - head_ < window) {
      Slot& slot = slots_[next_++];
      if (slot.state != State::waiting) continue;
      if (Result<void> started = start(slot); !started) {
        slot.state = State::ended;
        slot.error = started.error().text;
        slot.status =
            slot.is_unknown ? ExitStatus::no_user : consequence_of(started.error().code).exit;
      } else {
        slot.state = State::running;
        ++running_;
      }
    }
  }

  Result<void> start(Slot& slot) {
    Result<MailTarget> target = find_target(settings_, slot.name, verb_.missing);
    if (!target) {
      const bool is_name = slot.name.find('/') == std::string::npos;
      slot.is_unknown = is_name && target.error().code == Errc::not_found;
      return std::unexpected(target.error());
    }
    if (verb_.prepare) {
      if (Result<void> ready = verb_.prepare(*target); !ready) return ready;
    }
    Result<Fd> output = verb_.open_output ? verb_.open_output(*target) : Result<Fd>{};
    if (!output) return std::unexpected(std::move(output).error());
    slot.is_to_conclude = output->is_open();
    Result<TargetProcess> process = TargetProcess::start(
        verb_, *target, settings_, run_.flags, {.is_alone = slots_.size() == 1, .output = *output});
    if (!process) return std::unexpected(std::move(process).error());
    slot.process.emplace(std::move(*process));
    slot.target.emplace(std::move(*target));
    return {};
  }

  /// A process with bulky output is read only when its turn has come; the pipe holds it back.
  void wait_and_read() {
    std::vector<pollfd> polled;
    std::vector<Slot*> asked;
    for (std::size_t i = head_; i < next_; ++i) {
      const bool is_held_back = verb_.output == TargetVerb::Output::bulk && i != head_;
      if (slots_[i].state != State::running || is_held_back) continue;
      polled.push_back({.fd = slots_[i].process->pipe().get(), .events = POLLIN, .revents = 0});
      asked.push_back(&slots_[i]);
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) return;  // EINTR
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      if (asked[i]->process->take_in()) {
        take_over(*asked[i]);
        continue;
      }
      asked[i]->state = State::ended;
      asked[i]->status = asked[i]->process->status();
      --running_;
      progress_.show(++ended_, shown(asked[i]->name));
    }
  }

  void take_over(Slot& slot) {
    if (!slot.process->hands_over() || !verb_.take_over) return;
    progress_.clear();
    slot.process->answer(verb_.take_over(*slot.target, slot.process->members()));
  }

  void deliver() {
    for (; head_ < slots_.size(); ++head_) {
      Slot& slot = slots_[head_];
      if (slot.state == State::waiting) return;
      if (slot.process) pass_on(slot);
      if (slot.state == State::running) return;
      finish(slot);
      slot.process.reset();
    }
  }

  void pass_on(Slot& slot) {
    const std::string text = slot.process->take_text();
    if (!text.empty()) {
      progress_.clear();
      run_.terminal.print(text);
    }
    for (const TargetProcess::Complaint& complaint : slot.process->take_complaints()) {
      if (complaint.is_error) {
        slot.error = complaint.text;
      } else {
        complain(slot.name, complaint.text);
      }
    }
  }

  void complain(const std::string& name, const std::string& text) {
    progress_.clear();
    run_.terminal.complain(verb_.name + " " + shown(name) + ": " + text);
  }

  void finish(Slot& slot) {
    if (slot.state == State::done_before) {
      ++done_before_;
      return;
    }
    conclude(slot);
    if (slot.error) complain(slot.name, *slot.error);
    count(slot.status);
    static const Json::Object nothing;
    const Json::Object& members = slot.process ? slot.process->members() : nothing;
    if (verb_.gather) {
      if (is_success(slot.status)) {
        verb_.gather(slot.name, members);
      } else if (verb_.failed) {
        verb_.failed(slot.name);
      }
    } else if (prints_json()) {
      print_json(slot, members);
    }
    if (resume_ && is_success(slot.status)) record(slot.name);
  }

  void conclude(Slot& slot) {
    if (!slot.is_to_conclude || !verb_.conclude) return;
    const Result<void> done = verb_.conclude(slot.name, slot.status);
    if (done) return;
    if (slot.error) complain(slot.name, *slot.error);
    slot.error = done.error().text;
    if (is_success(slot.status)) slot.status = consequence_of(done.error().code).exit;
  }

  [[nodiscard]] static bool is_success(ExitStatus status) {
    return status == ExitStatus::ok || status == ExitStatus::found;
  }

  void count(ExitStatus status) {
    ++(is_success(status) ? done_ : failed_);
    if (status == ExitStatus::found) ++found_;
    if (status_ == ExitStatus::ok || (status_ == ExitStatus::found && !is_success(status))) {
      status_ = status;
    }
  }

  void print_json(const Slot& slot, const Json::Object& members) {
    Json::Object object{{"target", {slot.name}},
                        {"status", {static_cast<std::uint64_t>(slot.status)}},
                        {"error", slot.error ? Json{*slot.error} : Json{}}};
    std::ranges::copy_if(members, std::back_inserter(object),
                         [](const auto& member) { return !member.first.starts_with('.'); });
    progress_.clear();
    run_.terminal.print(has_printed_ ? ",\n  " : "\n  ");
    run_.terminal.print(to_line({std::move(object)}));
    has_printed_ = true;
  }

  /// Only what has really been said counts as done.
  void record(const std::string& name) {
    Result<void> done = run_.terminal.flush();
    if (done) done = resume_->record(name);
    if (done) return;
    complain(name, done.error().text);
    count(consequence_of(done.error().code).exit);
    resume_.reset();
  }

  void end() {
    if (prints_json()) {
      const Json summary{Json::Object{{"targets", {std::uint64_t{slots_.size()}}},
                                      {"done", {done_}},
                                      {"found", {found_}},
                                      {"failed", {failed_}},
                                      {"done_before", {done_before_}}}};
      run_.terminal.print("\n], \"summary\": " + to_line(summary) + "}\n");
    }
    if (resume_ && failed_ == 0) {
      if (const Result<void> removed = resume_->remove(); !removed) {
        run_.terminal.complain(removed.error());
      }
    }
    if (slots_.size() > 1 && run_.flags.verbosity != Verbosity::quiet) {
      run_.terminal.complain(verb_.name + ": " + summary());
    }
  }

  [[nodiscard]] std::string summary() const {
    std::string text = counted(slots_.size(), "target") + ": " + std::to_string(done_) + " done";
    if (found_ > 0) text += " (" + std::to_string(found_) + " with something found)";
    if (failed_ > 0) text += ", " + std::to_string(failed_) + " failed";
    if (done_before_ > 0) text += ", " + std::to_string(done_before_) + " done before";
    return text;
  }

  const TargetVerb& verb_;
  const Settings& settings_;
  const ToolRun& run_;
  std::size_t jobs_;
  std::vector<Slot> slots_;
  std::size_t head_ = 0, next_ = 0, running_ = 0;
  std::uint64_t ended_ = 0, done_ = 0, found_ = 0, failed_ = 0, done_before_ = 0;
  bool has_printed_ = false;
  ExitStatus status_ = ExitStatus::ok;
  std::optional<ResumeFile> resume_;
  Progress progress_;
};

}  // namespace

void declare_targets(Arguments& arguments, TargetSelection& selection, CanResume can_resume) {
  arguments.operands("TARGET", selection.named, Arguments::Count::any,
                     "Users, or paths of maildrops, with a '/' in them");
  arguments.flag("--all", selection.all, "Work on every maildrop that there is");
  arguments.flag("--stdin", selection.from_stdin,
                 "Read more targets from standard input, one a line");
  arguments.option("-j,--jobs", selection.jobs, "NUMBER", "Work on so many at once");
  if (can_resume == CanResume::no) return;
  arguments.option("--resume", selection.resume_file, "FILE",
                   "Note here what is done, and leave out what was done before");
}

ExitStatus run_on_targets(const TargetVerb& verb, const TargetSelection& selection,
                          const Settings& settings, const ToolRun& run) {
  const Result<std::size_t> jobs = jobs_of(selection);
  if (!jobs) return give_up(run.terminal, jobs.error());
  Result<std::vector<std::string>> names = names_of(selection, settings, run.terminal);
  if (!names) return give_up(run.terminal, Error{names.error()}.in(verb.name));
  TargetRunner runner{verb, settings, run, *jobs, std::move(*names)};
  if (selection.resume_file) {
    if (Result<void> resumed = runner.resume_with(*selection.resume_file, verb.task); !resumed) {
      return give_up(run.terminal, std::move(resumed).error().in(verb.name));
    }
  }
  return runner.run();
}

}  // namespace pop
