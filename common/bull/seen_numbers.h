#pragma once

#include "base/clock.h"
#include "base/disk.h"
#include "bull/popbull_file.h"
#include "bull/seen_database.h"
#include "bull/seen_record.h"
#include "conf/settings.h"
#include "store/maildrop.h"

namespace pop {

/// What is known of the bulletins that a user has had.
struct KnownNumbers {
  SeenFile seen;
  bool is_taken_over = false;  // found where write() does not write: to be written there now
};

/// Where one user's numbers are kept.
class SeenNumbers {
 public:
  virtual ~SeenNumbers() = default;
  [[nodiscard]] virtual Result<KnownNumbers> read() = 0;
  /// Durable on success. After an error it may stand all the same: read() to find out.
  [[nodiscard]] virtual Result<void> write(const SeenRecord& record) = 0;
};

/// In the user's .popbull; by a process that is the user.
class PopbullNumbers final : public SeenNumbers {
 public:
  /// All must outlive this.
  PopbullNumbers(Disk& disk, const Settings& settings, const MailUser& user)
      : disk_{disk}, settings_{settings}, user_{user} {}

  [[nodiscard]] Result<KnownNumbers> read() override;
  [[nodiscard]] Result<void> write(const SeenRecord& record) override;

 private:
  Disk& disk_;
  const Settings& settings_;
  const MailUser& user_;
};

/// A user without a record in the database has the numbers of his .popbull there from now on. What
/// keeps it from being read, a missing home for example, makes him a new user only when there is
/// none.
[[nodiscard]] Result<KnownNumbers> taken_over_numbers(Disk& disk, const Settings& settings,
                                                      const MailUser& user);

}  // namespace pop
