#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// Gets whole lines, one or many at once, each with its LF; only the last of all may lack it.
using TakeLines = std::function<void(std::string_view lines)>;

struct LogReading {
  std::uint64_t octets = 0;    // unpacked
  std::uint64_t too_long = 0;  // lines beyond a megabyte, which are left out
};

/// Reads a log to its end, whether it is as it is or compressed by gzip, bzip2, xz or zstd, which
/// its beginning tells. Blocks on the descriptor. Errc::corrupt for what cannot be unpacked, with
/// all lines in front of that taken; Errc::io.
[[nodiscard]] Result<LogReading> read_log(const Fd& file, const TakeLines& take);

/// A program that writes to a pipe, and is waited for.
class WritingProgram {
 public:
  /// `arguments[0]` is looked for in PATH. Errc::not_found without it.
  [[nodiscard]] static Result<WritingProgram> start(std::vector<std::string> arguments);
  WritingProgram(WritingProgram&& other) noexcept;
  WritingProgram& operator=(WritingProgram&&) = delete;
  /// Ends the pipe and waits.
  ~WritingProgram();

  [[nodiscard]] const Fd& output() const { return output_; }
  /// Waits; call after the output's end. Errc::io unless it exited with 0.
  [[nodiscard]] Result<void> finish();

 private:
  WritingProgram(std::string name, pid_t pid, Fd output)
      : name_{std::move(name)}, pid_{pid}, output_{std::move(output)} {}
  std::string name_;
  pid_t pid_;  // 0: waited for
  Fd output_;
};

}  // namespace pop
