#include "ipc/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "base/secret.h"
#include "ipc/frame.h"

namespace pop {

namespace {

// Room for one descriptor. Padding lets the kernel put in two, so receivers count them.
struct ControlBuffer {
  alignas(cmsghdr) char octets[CMSG_SPACE(sizeof(int))];
};

void attach(msghdr& message, ControlBuffer& control, int descriptor) {
  std::memset(control.octets, 0, sizeof control.octets);
  message.msg_control = control.octets;
  message.msg_controllen = sizeof control.octets;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
}

// Owns every descriptor that came, so that none leaks whatever is wrong with the record.
std::vector<Fd> descriptors_in(msghdr& message) {
  std::vector<Fd> descriptors;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
      descriptors.emplace_back(descriptor);
    }
  }
  return descriptors;
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

// Of the next record, which stays where it is. 0: there will be none.
Result<std::size_t> next_size(int socket) {
  ssize_t size = 0;
  do {
    size = ::recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size >= 0) return static_cast<std::size_t>(size);
  const int saved = errno;
  if (would_block(saved)) return fail(Errc::busy, "receive: nothing there");
  if (saved == ECONNRESET) return 0;  // closed with records of ours unread
  return fail_errno(saved, "receive");
}

}  // namespace

Channel::Received::~Received() {
  record.resize(record.capacity());
  wipe(record);
}

Result<std::pair<Channel, Channel>> Channel::pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return fail_errno(errno, "socketpair");
  }
  return std::pair{Channel{Fd{ends[0]}}, Channel{Fd{ends[1]}}};
}

Result<void> Channel::send(std::string_view record, int descriptor) {
  if (record.empty()) return fail(Errc::usage, "send: an empty record would look like the end");
  if (record.size() > longest_frame) return fail(Errc::limit, "send: record is too long");
  iovec piece{const_cast<char*>(record.data()), record.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  ControlBuffer control;
  if (descriptor >= 0) attach(message, control, descriptor);
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return {};
  const int saved = errno;
  if (would_block(saved)) return fail(Errc::busy, "send: the receiver's queue is full");
  return fail_errno(saved, "send");
}

Result<std::optional<Channel::Received>> Channel::receive() {
  // Room for the longest would be held as long as the record is, in each session.
  const Result<std::size_t> next = next_size(socket_.get());
  if (!next) return std::unexpected(next.error());
  if (*next == 0) return std::nullopt;
  Received received;
  received.record.resize(std::min(*next, longest_frame));
  iovec piece{received.record.data(), received.record.size()};
  ControlBuffer control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.octets;
  message.msg_controllen = sizeof control.octets;
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) {
    const int saved = errno;
    return fail_errno(saved, "receive");
  }
  std::vector<Fd> descriptors = descriptors_in(message);
  const bool cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  if (cut) return fail(Errc::corrupt, "receive: record is too long or has too many descriptors");
  if (descriptors.size() > 1) return fail(Errc::corrupt, "receive: more than one descriptor");
  if (size == 0) return std::nullopt;
  received.record.resize(static_cast<std::size_t>(size));
  if (!descriptors.empty()) received.descriptor = std::move(descriptors.front());
  return received;
}

}  // namespace pop
