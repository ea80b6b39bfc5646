#include "tls/tls_wire.h"

#include <openssl/bio.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

namespace pop {
namespace {

constexpr std::size_t worth_dropping = std::size_t{16} * 1024;

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

TlsWire& wire_of(BIO* bio) {
  return *static_cast<TlsWire*>(BIO_get_data(bio));
}

int write_octets(BIO* bio, const char* octets, int size) {
  TlsWire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  if (wire.broken != 0) return -1;
  wire.unsent.append(octets, static_cast<std::size_t>(size));
  return size;
}

int read_octets(BIO* bio, char* room, int size) {
  TlsWire& wire = wire_of(bio);
  BIO_clear_retry_flags(bio);
  if (!wire.received.empty()) {
    const std::size_t count = wire.received.copy(room, static_cast<std::size_t>(size));
    wire.received.erase(0, count);
    if (wire.received.empty()) std::string{}.swap(wire.received);
    return static_cast<int>(count);
  }
  const ssize_t got = ::recv(wire.socket, room, static_cast<std::size_t>(size), 0);
  if (got > 0) return static_cast<int>(got);
  if (got == 0) {
    wire.at_end = true;
    return 0;
  }
  const int saved = errno;
  if (would_block(saved)) {
    wire.starved = true;
    BIO_set_retry_read(bio);
  } else {
    wire.broken = saved;
  }
  return -1;
}

long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return wire_of(bio).at_end ? 1 : 0;
  return 0;
}

struct FreeMethod {
  void operator()(BIO_METHOD* method) const noexcept { BIO_meth_free(method); }
};

const BIO_METHOD* wire_method() {
  static const std::unique_ptr<BIO_METHOD, FreeMethod> made = [] {
    std::unique_ptr<BIO_METHOD, FreeMethod> method{
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tls wire")};
    BIO_meth_set_write(method.get(), write_octets);
    BIO_meth_set_read(method.get(), read_octets);
    BIO_meth_set_ctrl(method.get(), control);
    return method;
  }();
  return made.get();
}

}  // namespace

TlsWire::Received TlsWire::receive() {
  std::array<char, 2048> piece;
  const ssize_t got = ::recv(socket, piece.data(), piece.size(), 0);
  if (got > 0) {
    received.append(piece.data(), static_cast<std::size_t>(got));
    return Received::some;
  }
  const int saved = errno;
  if (got < 0 && would_block(saved)) return Received::nothing_yet;
  at_end = got == 0;
  broken = got < 0 ? saved : 0;
  return Received::end;
}

// Else a client that never takes quite all would make us keep all that it ever got.
void TlsWire::drop_what_was_sent() {
  if (sent < worth_dropping) return;
  unsent.erase(0, sent);
  sent = 0;
}

TlsWire::Flushed TlsWire::flush() {
  while (waiting() > 0) {
    const ssize_t taken = ::send(socket, unsent.data() + sent, waiting(), MSG_NOSIGNAL);
    if (taken < 0) {
      const int saved = errno;
      if (saved == EINTR) continue;
      if (would_block(saved)) {
        drop_what_was_sent();
        return Flushed::partly;
      }
      broken = saved;
      return Flushed::broken;
    }
    sent += static_cast<std::size_t>(taken);
    sent_in_all += static_cast<std::size_t>(taken);
  }
  sent = 0;
  std::string{}.swap(unsent);  // an idle connection keeps none of it
  return Flushed::all;
}

bio_st* new_bio_over(TlsWire& wire) {
  BIO* bio = BIO_new(wire_method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace pop
