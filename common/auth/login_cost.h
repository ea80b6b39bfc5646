#pragma once

#include <chrono>
#include <string>
#include <string_view>

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

  /// A wrong password for a user of the system took `spent`: if that is more than was known, and
  /// so was the one before, failures cost as much from now on. One alone may have been slowed down
  /// by a busy machine.
  void learn(CpuTime spent);

  /// Does what is missing after a failed attempt that took `spent`. `compared` is the
  /// hash_kind_of() an entry that the attempt compared with, and at most once: then an ordinary
  /// hash counts as one, however slow the machine was. Empty: what was done is not known.
  void even_out(CpuTime spent, std::string_view compared = {});

  /// What a wrong password costs now, in hashes.
  [[nodiscard]] int hashes() const { return hashes_; }

 private:
  [[nodiscard]] int in_hashes(CpuTime spent);
  void measure();

  FindSetting find_setting_;
  std::string setting_;
  int hashes_;
  int learnt_before_ = 0;
  CpuTime one_hash_{0};  // zero: not measured yet
};

}  // namespace pop
