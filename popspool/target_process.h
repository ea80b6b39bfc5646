#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "popspool/target_runner.h"

namespace pop {

/// A verb at work on one target in a process of its own, and what it has said so far.
class TargetProcess {
 public:
  struct Circumstances {
    bool is_alone;     // no other target is worked on
    const Fd& output;  // becomes standard output; not open: the null device
  };
  /// Forks; the process becomes the target's owner before it opens anything. This program must have
  /// one thread.
  [[nodiscard]] static Result<TargetProcess> start(const TargetVerb& verb, const MailTarget& target,
                                                   const Settings& settings, const ToolFlags& flags,
                                                   const Circumstances& circumstances);

  /// Readable, or at its end, when there is something for take_in().
  [[nodiscard]] const Fd& pipe() const { return pipe_; }
  /// Reads once. False: the process has ended, and `end` tells how.
  [[nodiscard]] bool take_in();

  /// Whether it waits for an answer to TargetOutput::hand_over().
  [[nodiscard]] bool hands_over() const { return hands_over_; }
  /// A process that has gone meanwhile does not get it.
  void answer(const Result<Json::Object>& members);

  struct Complaint {
    std::string text;
    bool is_error = false;  // the one that ended the work
  };
  /// What has come since the last call.
  [[nodiscard]] std::string take_text() { return std::exchange(text_, {}); }
  [[nodiscard]] std::vector<Complaint> take_complaints() { return std::exchange(complaints_, {}); }
  /// All that add() was given.
  [[nodiscard]] const Json::Object& members() const { return members_; }
  /// Of a process that has ended.
  [[nodiscard]] ExitStatus status() const { return status_; }

 private:
  TargetProcess(pid_t pid, Fd pipe, Fd answers)
      : pid_{pid}, pipe_{std::move(pipe)}, answers_{std::move(answers)} {}
  void understand();
  void understand_frame(char kind, std::string_view content);
  void end();

  pid_t pid_;
  Fd pipe_;
  Fd answers_;  // not open: its verb does not hand over
  bool hands_over_ = false;
  std::string received_;  // a frame that is not whole yet
  std::string text_;
  std::vector<Complaint> complaints_;
  Json::Object members_;
  ExitStatus status_ = ExitStatus::software;
};

}  // namespace pop
