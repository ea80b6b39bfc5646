#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

struct bio_st;

namespace pop {

/// Between the library and a socket: takes all that the library writes and keeps what the socket
/// does not take, so the library never has a write to repeat. Several records leave in one call.
struct TlsWire {
  int socket = -1;
  std::string received;  // before the library was there: it reads this first
  std::string unsent;
  std::size_t sent = 0;  // of unsent
  std::uint64_t sent_in_all = 0;
  int broken = 0;        // errno of the socket's failure
  bool at_end = false;   // the client sends no more
  bool starved = false;  // the last read found nothing

  [[nodiscard]] std::size_t waiting() const { return unsent.size() - sent; }
  /// Into `received`.
  enum class Received : std::uint8_t { some, nothing_yet, end };
  [[nodiscard]] Received receive();

  enum class Flushed : std::uint8_t { all, partly, broken };
  [[nodiscard]] Flushed flush();

 private:
  void drop_what_was_sent();
};

/// A BIO over `wire`, which must outlive it; null when there is no memory. The library's owner
/// frees it.
[[nodiscard]] bio_st* new_bio_over(TlsWire& wire);

}  // namespace pop
