#pragma once

#include <map>
#include <string>

#include "base/disk.h"
#include "popspool/export_manifest.h"
#include "popspool/target.h"
#include "tool/run_tool.h"

namespace pop {

/// Where exports go: each is built in a directory of its own, beside its place and with a name that
/// begins with a dot, and moved when it is whole, never over something else. So what has the right
/// name is whole, also after a crash, which leaves a `.NAME.export.PID` at most.
class ExportDestination {
 public:
  /// `to` is a directory that is there, for a file of the name of each target; for one target it
  /// may also be the name itself. Errc::usage: neither.
  [[nodiscard]] static Result<ExportDestination> open(Disk& disk, const std::string& to,
                                                      ExportFormat format, bool is_for_one);

  /// Makes the directory for one target's export, and gives it to the target's owner. With dry_run
  /// nothing is made, and the descriptor is not open. Errc::usage: the name is taken.
  [[nodiscard]] Result<Fd> begin(const MailTarget& target, RunMode mode);
  /// Moves what was built to its place, durably; or, after a failure, clears it away.
  [[nodiscard]] Result<void> conclude(const std::string& target, bool is_whole);

  /// The same for an export in parts, each of which is built in a directory of its own below; their
  /// names are of letters, digits and '-'. Ends with conclude(target, false).
  [[nodiscard]] Result<Fd> begin_parts(const MailTarget& target, RunMode mode);
  /// Moves each part to its place, `NAME-PART` with the ending of its format, durably. One that is
  /// there already, whole, is left as it is; where something else has its name, a number goes
  /// behind it. Called again after a crash it finishes. Returned is the path of each.
  [[nodiscard]] Result<std::map<std::string, std::string>> place_parts(const MailTarget& target);

  /// Of the export of a target.
  [[nodiscard]] std::string path(const MailTarget& target) const;

 private:
  ExportDestination(Disk& disk, ExportFormat format, Fd directory, std::string directory_path,
                    std::string name);
  [[nodiscard]] std::string name_for(const MailTarget& target) const;
  [[nodiscard]] std::string ending() const;
  [[nodiscard]] Result<Fd> make_build(const MailTarget& target, const std::string& name);
  [[nodiscard]] Result<std::string> place_part(const Fd& built, const std::string& stem);
  [[nodiscard]] Result<bool> is_there(const Fd& built, const std::string& name) const;
  [[nodiscard]] Result<void> refuse_taken(const std::string& name) const;
  [[nodiscard]] Result<void> put_in_place(const Fd& built, const std::string& name);

  Disk* disk_;
  ExportFormat format_;
  Fd directory_;
  std::string directory_path_;
  std::string name_;                          // empty: as the target
  std::map<std::string, std::string> names_;  // under way: target to the export's name
};

}  // namespace pop
