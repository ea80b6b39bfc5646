#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"

namespace pop {

/// Remembers which targets of a long run are done, so that a run that was cut off can go on. The
/// first line tells which run it belongs to; each further one is a target, escaped. Locked while
/// it is open; a line that a kill left unfinished counts for nothing. Layout in popper-formats(5).
class ResumeFile {
 public:
  /// Makes the file, mode 0600, or goes on with one. `task` tells one run from another: verb and
  /// arguments. Errc::usage: the file belongs to another task, or is no such file. Errc::busy:
  /// another run has it open.
  [[nodiscard]] static Result<ResumeFile> open(Disk& disk, const std::string& path,
                                               const std::string& task);

  [[nodiscard]] bool contains(std::string_view target) const;
  [[nodiscard]] Result<void> record(std::string_view target);
  /// All is done: the next run begins anew.
  [[nodiscard]] Result<void> remove();

 private:
  ResumeFile(Disk& disk, std::string path, Fd file)
      : disk_{&disk}, path_{std::move(path)}, file_{std::move(file)} {}
  [[nodiscard]] Result<void> read(const std::string& task);
  [[nodiscard]] Result<void> append(const std::string& line);

  Disk* disk_;
  std::string path_;
  Fd file_;
  FileBytes end_;
  std::set<std::string, std::less<>> done_;
};

}  // namespace pop
