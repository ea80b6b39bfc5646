// Questions and answers are records of text. An answer is "none", "done", "numbers LF NUMBERS" or
// "failed LF CODE LF TEXT". The session is the one who could be broken into: what it sends is a
// verb, a name and numbers, and nothing of it becomes a path.
#include "popper/bulletin_teller.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "base/disk.h"
#include "base/text.h"
#include "bull/seen_database.h"
#include "daemon/privileges.h"
#include "popper/landlock.h"

namespace pop {
namespace {

constexpr const char* teller_name = "pop-bulletins";  // as ps(1) shows it

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return line;
}

std::string failure(const Error& error) {
  return "failed\n" + std::to_string(static_cast<unsigned>(error.code)) + "\n" + error.text;
}

Error failure_in(std::string_view answer) {
  const std::optional<std::uint64_t> code = decimal(take_line(answer));
  const bool is_known = code && *code < consequences.size();
  return {is_known ? static_cast<Errc>(*code) : Errc::io, std::string{answer}};
}

// --- In the teller

Result<void> checked(long status, std::string_view doing) {
  if (status == 0) return {};
  const int saved = errno;
  return fail_errno(saved, doing);
}

// Nothing of the session's stays: the client would not see its connection end.
Result<void> keep_only(const Channel& channel) {
  constexpr int place = 3;
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (nowhere.is_open()) ::dup2(nowhere.get(), standard);
  }
  if (channel.fd() != place && ::dup3(channel.fd(), place, O_CLOEXEC) < 0) {
    const int saved = errno;
    return fail_errno(saved, "keep the teller's channel");
  }
  return checked(::close_range(place + 1, ~0U, 0), "close inherited descriptors");
}

Result<void> drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  return checked(::syscall(SYS_capset, &header, none.data()), "drop capabilities");
}

// Who owns the database's directory can replace it anyway. A database of root's in there, as the
// old program made it, needs root.
Result<void> become_owner(const std::filesystem::path& file) {
  struct stat directory {
  }, database{};
  if (Result<void> done = checked(::stat(file.parent_path().c_str(), &directory),
                                  "look at " + file.parent_path().native());
      !done) {
    return done;
  }
  const bool is_roots = ::stat(file.c_str(), &database) == 0 && database.st_uid == 0;
  if (runs_as_root() && directory.st_uid != 0 && !is_roots) {
    return become({directory.st_uid, directory.st_gid, {directory.st_gid}});
  }
  if (Result<void> done =
          checked(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new privileges");
      !done) {
    return done;
  }
  // Root's own files need none, unless they lie in somebody else's directory.
  return directory.st_uid == ::geteuid() ? drop_capabilities() : Result<void>{};
}

Result<void> confine(const std::filesystem::path& file, const SessionFilter& filter) {
  if (Result<void> done = become_owner(file); !done) return done;
  const std::array writable{file.parent_path()};
  if (Result<void> done = enter_landlock({writable, {}}); !done) return done;
  return filter.enter();
}

bool is_there(const std::filesystem::path& file) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored);
}

// A file that has gone is no empty database: its numbers are kept elsewhere now.
void serve(Channel channel, const SeenDatabase& database, const std::string& user, bool was_there) {
  while (true) {
    const Result<std::optional<Channel::Received>> received = channel.receive();
    if (!received || !*received) return;
    const bool is_there_now = is_there(database.file());
    const bool has_gone = was_there && !is_there_now;
    was_there = was_there || is_there_now;
    const std::string answer =
        has_gone ? failure({Errc::changed, "bulletin database " + database.file().native() +
                                               ": it has been put out of use"})
                 : answer_of_teller(database, user, (*received)->record);
    if (!channel.send(answer)) return;
  }
}

// What keeps it from its work is the answer to the first question.
void refuse(Channel channel, const Error& why) {
  const Result<std::optional<Channel::Received>> received = channel.receive();
  if (received && *received) (void)channel.send(failure(why));
}

void run(Channel channel, const Settings& settings, const std::filesystem::path& file,
         const std::string& user, const SessionFilter& filter) {
  ::prctl(PR_SET_NAME, teller_name);
  for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGPIPE}) ::signal(signal, SIG_IGN);
  if (!keep_only(channel)) return;
  (void)std::move(channel).release().release();  // closed by keep_only(), or number 3
  Channel kept{Fd{3}};
  if (const Result<void> done = confine(file, filter); !done) {
    return refuse(std::move(kept), done.error());
  }
  const SeenDatabase database{system_disk(), system_clock(), file, settings.bulldb_max_tries};
  const bool was_there = settings.bulldb.empty() || is_there(file);  // else it was not chosen
  serve(std::move(kept), database, user, was_there);
}

}  // namespace

std::string answer_of_teller(const SeenDatabase& database, std::string_view only_user,
                             std::string_view question) {
  const std::string_view verb = take_line(question);
  const std::string_view user = take_line(question);
  if (user.empty() || (!only_user.empty() && user != only_user)) {
    return failure({Errc::denied, "a session asked for another user's bulletins"});
  }
  if (verb == "fetch") {
    const Result<std::optional<SeenRecord>> record = database.fetch(user);
    if (!record) return failure(record.error());
    return *record ? "numbers\n" + to_popbull(**record) : "none";
  }
  const SeenFile numbers = from_popbull(question);
  if (verb != "store" || numbers.kind != SeenFile::Kind::number) {
    return failure({Errc::usage, "a session asked for what there is not"});
  }
  const Result<void> stored = database.store(user, numbers.record);
  return stored ? "done" : failure(stored.error());
}

Result<BulletinTeller> BulletinTeller::start(const Settings& settings,
                                             const std::filesystem::path& file,
                                             const std::string& user, const SessionFilter& filter) {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(std::move(ends).error());
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork a teller of bulletins");
  }
  if (child == 0) {
    run(std::move(ends->second), settings, file, user, filter);
    ::_exit(EXIT_SUCCESS);
  }
  return BulletinTeller{std::move(ends->first), child};
}

BulletinTeller::BulletinTeller(BulletinTeller&& other) noexcept
    : channel_{std::move(other.channel_)}, process_{std::exchange(other.process_, 0)} {}

BulletinTeller::~BulletinTeller() {
  if (process_ <= 0) return;
  { const Fd closed = std::move(channel_).release(); }
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<std::string> BulletinTeller::ask(const std::string& question) {
  if (Result<void> sent = channel_.send(question); !sent) {
    return std::unexpected(std::move(sent).error().in("bulletin database"));
  }
  Result<std::optional<Channel::Received>> received = channel_.receive();
  if (!received) return std::unexpected(std::move(received).error().in("bulletin database"));
  if (!*received) return fail(Errc::io, "bulletin database: who tells of it has gone");
  std::string_view answer = (*received)->record;
  if (!answer.starts_with("failed\n")) return std::string{answer};
  take_line(answer);
  return std::unexpected(failure_in(answer));
}

Result<std::optional<SeenRecord>> BulletinTeller::fetch(std::string_view user) {
  const Result<std::string> answer = ask("fetch\n" + std::string{user});
  if (!answer) return std::unexpected(answer.error());
  if (*answer == "none") return std::nullopt;
  std::string_view text = *answer;
  const bool has_numbers = take_line(text) == "numbers";
  SeenFile numbers = from_popbull(text);
  if (has_numbers && numbers.kind == SeenFile::Kind::number) return std::move(numbers.record);
  return fail(Errc::corrupt, "bulletin database: an answer is not understood");
}

Result<void> BulletinTeller::store(std::string_view user, const SeenRecord& record) {
  const Result<std::string> answer = ask("store\n" + std::string{user} + "\n" + to_popbull(record));
  if (!answer) return std::unexpected(answer.error());
  if (*answer == "done") return {};
  return fail(Errc::corrupt, "bulletin database: an answer is not understood");
}

}  // namespace pop
