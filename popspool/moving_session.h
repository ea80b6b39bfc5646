#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/error.h"
#include "store/maildrop.h"

namespace pop {

/// Holds a maildrop while its mail is copied to somewhere else, then lets go of what is there.
class MovingSession {
 public:
  /// Keeps sessions out from now on; what a crash left is finished first. `context` and `user` must
  /// outlive this. Errors of open_maildrop().
  [[nodiscard]] static Result<MovingSession> open(const MaildropContext& context,
                                                  const MailUser& user);

  /// Removes the messages with these unique-ids, durably, as a session that deletes them, but past
  /// the trash; gives how many there were. What has been delivered meanwhile stays. Call at most
  /// once. Errors of Maildrop::commit().
  [[nodiscard]] Result<std::size_t> remove(const std::set<std::string>& ids);
  [[nodiscard]] std::span<const std::string> remarks() const { return maildrop_->remarks(); }

 private:
  MovingSession() = default;

  std::unique_ptr<const Settings> settings_;
  std::unique_ptr<const MaildropContext> context_;
  std::unique_ptr<Maildrop> maildrop_;
};

}  // namespace pop
