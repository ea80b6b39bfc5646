#pragma once

#include <sys/types.h>

#include "base/error.h"

namespace pop {

/// popauth may be installed setuid, so that users change their own secret in a file that is not
/// theirs. What the caller may have prepared is taken away first.
class SetUserId {
 public:
  /// To be called before anything else, also where the program is not setuid. Opens closed standard
  /// streams; where it is, empties the environment, forbids core files, takes off stop signals of
  /// the terminal and gives up a setgid group. Root gets all its rights back. A process that
  /// cannot do that ends here, and so does one that others made setuid root.
  [[nodiscard]] static SetUserId begin();

  [[nodiscard]] uid_t caller() const { return caller_; }
  [[nodiscard]] bool is_in_force() const { return caller_ != owner_; }
  /// The caller's rights and no others, for good.
  void give_up() const;
  /// The owner's rights and no others, for good: nor can the caller stop or kill the process then.
  void become_owner() const;

  /// Opens a file to append to with the caller's rights: a path that he gave is not followed with
  /// others.
  template <class Work>
  auto as_caller(const Work& work) const {
    switch_to(caller_);
    auto done = work();
    switch_to(owner_);
    return done;
  }

 private:
  SetUserId(uid_t caller, uid_t owner) : caller_{caller}, owner_{owner} {}
  static void switch_to(uid_t user);

  uid_t caller_, owner_;
};

}  // namespace pop
