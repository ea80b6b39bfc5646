#include "popper/preauth.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "popper/client_stream.h"
#include "popper/language_files.h"
#include "popper/session.h"
#include "popper/session_filter.h"
#include "popper/session_groups.h"
#include "popper/session_rights.h"

namespace pop {
namespace {

std::string environment(const char* name) {
  const char* const value = ::getenv(name);
  return value == nullptr ? "" : value;
}

// As a delivery agent knows one: the mail lies in new and cur.
bool is_maildir(const std::filesystem::path& path) {
  struct stat st {};
  for (const char* part : {"cur", "new"}) {
    if (::stat((path / part).c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) return false;
  }
  return true;
}

Result<Account> account_of(std::string user) {
  if (::getuid() == 0 || ::geteuid() == 0) {
    return fail(Errc::usage, "--preauth: the front end must become the user first, and not root");
  }
  if (user.empty()) user = environment("USER");
  if (!is_safe_user_name(user)) {
    return fail(Errc::usage, "--preauth: " + escaped(user, 80) +
                                 " cannot be a user's name; name one, or set USER");
  }
  Account account;
  account.login = environment("LOGNAME");
  if (account.login.empty()) account.login = user;
  account.name = std::move(user);
  account.uid = ::getuid();
  account.gid = ::getgid();
  account.home = environment("HOME");
  std::error_code unknown;  // then it is none
  std::filesystem::path here = std::filesystem::current_path(unknown);
  if (is_maildir(here)) {
    account.maildrop = std::move(here);  // the folder, if there is one
  } else {
    account.folder = environment("EXTENSION");
  }
  return account;
}

bool is_same_socket(int one, int other) {
  struct stat a {
  }, b{};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && S_ISSOCK(a.st_mode) &&
         a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

Fd take(int descriptor) {
  return Fd{::fcntl(descriptor, F_DUPFD_CLOEXEC, 3)};
}

// Nothing else may write to the client by accident.
Result<void> take_client(SessionStart& start) {
  start.client = take(STDIN_FILENO);
  if (!is_same_socket(STDIN_FILENO, STDOUT_FILENO)) start.client_output = take(STDOUT_FILENO);
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!start.client.is_open() || !nowhere.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "take the client from descriptor 0");
  }
  ::dup2(nowhere.get(), STDIN_FILENO);
  ::dup2(nowhere.get(), STDOUT_FILENO);
  return {};
}

Result<void> confine(const Account& account, const Settings& settings, BulletinAccess& bulletins) {
  const Result<SessionFilter> filter = SessionFilter::make();
  if (!filter) return std::unexpected(filter.error());
  const Result<SessionRights> rights = session_rights(account, settings);
  if (!rights) return std::unexpected(rights.error());
  bulletins.groups = session_groups(account, settings);
  start_teller(bulletins, settings, account.name, *filter);
  return enter_rights(*rights, *filter);
}

}  // namespace

int serve_preauthenticated(const std::string& user, const Handover& handover,
                           std::optional<Log>& log) {
  catch_end_signals();
  SessionStart start;
  const Languages languages = load_languages(handover.settings, *log);
  start.languages = &languages;
  BulletinAccess bulletins;
  Result<void> done = take_client(start);
  Result<Account> account = done ? account_of(user) : std::unexpected(done.error());
  if (account) {
    start.account = std::move(*account);
    done = confine(start.account, handover.settings, bulletins);
  } else {
    done = std::unexpected(account.error());
  }
  if (!done) {
    log->failure("serve a client whom a front end let in", done.error());
    const Fd& output = start.client_output.is_open() ? start.client_output : start.client;
    if (output.is_open()) refuse_session(output, done.error());
    return EXIT_FAILURE;
  }
  start.address = environment("REMOTE_ADDR");
  if (start.address.empty()) start.address = "unknown";
  start.connection = "preauth-" + std::to_string(::getpid());
  return serve_session(std::move(start), handover, bulletins, log) ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace pop
