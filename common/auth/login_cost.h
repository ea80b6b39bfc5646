#pragma once

#include <chrono>
#include <string>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// Makes all failed logins cost the same, so that time does not tell who exists. PAM modules and
/// crypt(3) skip the hash for unknown and locked users, and how many hashes a wrong password costs
/// is theirs to decide (pam_unix does two); so the processor time of an attempt is measured in
/// hashes, and those that are missing are done afterwards.
class LoginCost {
 public:
  using CpuTime = std::chrono::nanoseconds;

  /// `find_setting` gives what crypt(3) takes for an ordinary entry; called at the first failure.
  /// `hashes` is what a wrong password for such an entry is known to cost.
  using FindSetting = std::string (*)();
  LoginCost(FindSetting find_setting, int hashes) : find_setting_{find_setting}, hashes_{hashes} {}

  /// Of this thread.
  [[nodiscard]] static CpuTime now();

  /// A wrong password for a user of the system took `spent`: if that is more than was known,
  /// failures cost as much from now on.
  void learn(CpuTime spent);

  /// Does what is missing after a failed attempt that took `spent`.
  void even_out(CpuTime spent);

  /// What a wrong password costs now, in hashes.
  [[nodiscard]] int hashes() const { return hashes_; }

 private:
  [[nodiscard]] int in_hashes(CpuTime spent);
  void measure();

  FindSetting find_setting_;
  std::string setting_;
  int hashes_;
  CpuTime one_hash_{0};  // zero: not measured yet
};

}  // namespace pop
