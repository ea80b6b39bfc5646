#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bull/seen_record.h"
#include "conf/settings.h"
#include "ipc/channel.h"
#include "popper/session_filter.h"

namespace pop {

/// A session's way to the bulletin database, which belongs to root or to the owner of its directory
/// and which no user may touch: a process that is forked before the session is confined, keeps the
/// right to the database's directory alone, and reads and writes the number of one user.
class BulletinTeller {
 public:
  /// Forks a teller of the database `file`, that of seen_database_file(), which speaks for `user`
  /// only; empty: for whomever it is asked, as a process that serves one virtual user after another
  /// needs it. To be called with no descriptor open but what a child may see, and closes those in
  /// it.
  [[nodiscard]] static Result<BulletinTeller> start(const Settings& settings,
                                                    const std::filesystem::path& file,
                                                    const std::string& user,
                                                    const SessionFilter& filter);
  BulletinTeller(BulletinTeller&& other) noexcept;
  BulletinTeller& operator=(BulletinTeller&& other) = delete;
  ~BulletinTeller();  // it ends, and is waited for

  /// As SeenDatabase; Errc::io too when the teller has gone, Errc::changed when the file has, which
  /// was there before: it has been put out of use. Block.
  [[nodiscard]] Result<std::optional<SeenRecord>> fetch(std::string_view user);
  [[nodiscard]] Result<void> store(std::string_view user, const SeenRecord& record);

 private:
  BulletinTeller(Channel channel, pid_t process)
      : channel_{std::move(channel)}, process_{process} {}
  [[nodiscard]] Result<std::string> ask(const std::string& question);

  Channel channel_;
  pid_t process_;  // 0: moved from
};

/// What the teller says to one question: "fetch LF USER" or "store LF USER LF NUMBERS", these as
/// to_popbull() writes them.
class SeenDatabase;
[[nodiscard]] std::string answer_of_teller(const SeenDatabase& database, std::string_view only_user,
                                           std::string_view question);

}  // namespace pop
