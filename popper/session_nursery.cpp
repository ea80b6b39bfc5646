#include "popper/session_nursery.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/secret.h"
#include "ipc/frame.h"
#include "popper/session_rights.h"
#include "popper/session_start.h"

namespace pop {
namespace {

constexpr const char* nursery_name = "pop-nursery";  // as ps(1) shows it

// --- What goes over the channel: where the client has a socket of its own, socket_record and that;
// --- then "1", the place or nothing, a newline, the record; and back:

struct Answer {
  std::int64_t process;  // negative: errno
  std::int64_t born_after, born_before;
};
using AnswerOctets = std::array<char, sizeof(Answer)>;

std::string encode(const SessionNursery::Order& order) {
  std::string text{static_cast<char>(order.task)};
  if (order.place) text += std::to_string(*order.place);
  text += '\n';
  text += order.record;
  return text;
}

struct OrderHead {
  SessionNursery::Task task{};
  SessionBoard::Place place;
};

/// Takes it off the record, and leaves the record.
Result<OrderHead> take_head(std::string_view& text) {
  OrderHead head;
  const std::size_t end = text.find('\n');
  if (end == text.npos || end == 0) return fail(Errc::corrupt, "a damaged order to the nursery");
  head.task = static_cast<SessionNursery::Task>(text.front());
  if (end > 1) {
    Scoreboard::Place place = 0;
    std::from_chars(text.data() + 1, text.data() + end, place);
    head.place = place;
  }
  text.remove_prefix(end + 1);
  return head;
}

// --- In the nursery

// fork(2), but the new process is a child of our parent, which the C library has no call for. What
// its own does besides is for processes with threads, and for a thread's number that nobody here
// asks for.
pid_t fork_sibling() {
  return static_cast<pid_t>(::syscall(SYS_clone, CLONE_PARENT, nullptr, nullptr, nullptr, nullptr));
}

struct Inherited {
  const SessionBirth& birth;
  std::optional<Log>& log;
  const SessionBoard& board;
};

int begin_turns(SessionStart start, Fd channel, Activity& activity, const Inherited& inherited) {
  const Result<SessionRights> rights =
      session_rights(start.account, inherited.birth.handover.settings);
  start = {};
  if (rights) {
    return run_session_after_session({*rights, Channel{std::move(channel)}, activity},
                                     inherited.birth, inherited.log);
  }
  inherited.log->failure("start a session process", rights.error());
  return EXIT_FAILURE;
}

struct Descriptors {
  Fd client;  // or the channel
  Fd socket;
};

int begin_session(const OrderHead& head, std::string_view record, Descriptors descriptors,
                  const Inherited& inherited) {
  Result<SessionStart> start = decode_session_start(record);
  if (!start) {
    inherited.log->failure("start a session", start.error());
    return EXIT_FAILURE;
  }
  Activity activity = inherited.board.activity(head.place);
  if (head.task == SessionNursery::Task::one_after_another) {
    return begin_turns(std::move(*start), std::move(descriptors.client), activity, inherited);
  }
  start->client = std::move(descriptors.client);
  start->socket = std::move(descriptors.socket);
  start->activity = &activity;
  return run_session(std::move(*start), inherited.birth, inherited.log);
}

// In a new process this does not return.
Answer obey(Channel& keeper, Channel::Received order, Fd socket, const Inherited& inherited) {
  std::string_view record = order.record;
  const Result<OrderHead> head = take_head(record);
  if (!head || !order.descriptor.is_open()) return {-EINVAL, 0, 0};
  const std::chrono::nanoseconds before = time_since_boot();
  const pid_t child = fork_sibling();
  if (child < 0) return {-errno, 0, 0};
  if (child > 0) return {child, before.count(), time_since_boot().count()};
  { const Fd closed = std::move(keeper).release(); }
  ::_exit(
      begin_session(*head, record, {std::move(order.descriptor), std::move(socket)}, inherited));
}

int tend(Channel keeper, const Inherited& inherited) {
  Fd socket;  // for the order that comes next
  while (true) {
    Result<std::optional<Channel::Received>> order = keeper.receive();
    if (!order || !*order) return order ? EXIT_SUCCESS : EXIT_FAILURE;
    if ((*order)->record == socket_record) {
      socket = std::move((*order)->descriptor);
      continue;
    }
    const Answer answer = obey(keeper, std::move(**order), std::exchange(socket, Fd{}), inherited);
    AnswerOctets octets;
    std::memcpy(octets.data(), &answer, sizeof answer);
    if (!keeper.send({octets.data(), octets.size()})) return EXIT_FAILURE;
  }
}

}  // namespace

Result<SessionNursery> SessionNursery::start(const SessionBirth& birth, std::optional<Log>& log,
                                             const SessionBoard& board,
                                             const std::function<void()>& leave) {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(std::move(ends).error());
  ::prctl(PR_SET_NAME, nursery_name);  // ours, too, until the caller takes another
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork a nursery of sessions");
  }
  if (child > 0) return SessionNursery{std::move(ends->first), child};
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  { const Fd closed = std::move(ends->first).release(); }
  leave();
  ::_exit(tend(std::move(ends->second), {birth, log, board}));
}

SessionNursery::SessionNursery(SessionNursery&& other) noexcept
    : channel_{std::move(other.channel_)},
      process_{std::exchange(other.process_, 0)},
      is_usable_{other.is_usable_},
      may_have_obeyed_{other.may_have_obeyed_} {}

SessionNursery::~SessionNursery() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);  // it has nothing to finish, and may stand still
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<SessionNursery::Born> SessionNursery::fork(const Order& order) {
  may_have_obeyed_ = false;
  std::string text = encode(order);
  // Before the socket is there, which the next order would take for its own.
  if (text.size() > longest_frame) {
    wipe(text);
    return fail(Errc::limit, "a session start is too long");
  }
  Result<void> sent;
  if (order.socket >= 0) sent = channel_.send(socket_record, order.socket);
  if (sent) sent = channel_.send(text, order.descriptor);
  wipe(text);
  is_usable_ = false;  // until it has answered
  if (!sent) return std::unexpected(std::move(sent).error().in("nursery of sessions"));
  may_have_obeyed_ = true;
  Result<std::optional<Channel::Received>> received = channel_.receive();
  if (!received) return std::unexpected(std::move(received).error().in("nursery of sessions"));
  if (!*received || (*received)->record.size() != sizeof(Answer)) {
    return fail(Errc::io, "nursery of sessions: it has gone");
  }
  Answer answer{};
  std::memcpy(&answer, (*received)->record.data(), sizeof answer);
  is_usable_ = true;
  may_have_obeyed_ = false;
  if (answer.process < 0) return fail_errno(static_cast<int>(-answer.process), "fork a session");
  return Born{
      static_cast<pid_t>(answer.process),
      {std::chrono::nanoseconds{answer.born_after}, std::chrono::nanoseconds{answer.born_before}}};
}

}  // namespace pop
