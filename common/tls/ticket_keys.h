#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// Keys that session tickets are sealed with (RFC 5077), newest first: the newest seals, all of
/// them open. Every gate holds the same ones, so a client resumes at whichever gate it meets. The
/// master makes and rotates them. Whoever has a key can read the sessions resumed with its tickets
/// under TLS 1.2: hence a few, short-lived and never written anywhere.
class TicketKeys {
 public:
  static constexpr std::size_t most = 3;
  /// How often the master should rotate: a ticket can be opened for at least twice as long, which
  /// is the session lifetime of TlsPolicy.
  static constexpr std::chrono::hours rotate_every{8};

  static constexpr std::size_t name_size = 16, mac_size = 32, cipher_size = 32;
  struct Key {
    std::string_view name, mac, cipher;  // valid while the TicketKeys are not changed
  };

  /// One fresh key. Errc::io when there are no random numbers.
  [[nodiscard]] static Result<TicketKeys> generate();
  /// A fresh newest key; the oldest beyond `most` is forgotten.
  [[nodiscard]] Result<void> rotate();

  [[nodiscard]] std::size_t count() const { return octets_.octets().size() / key_octets; }
  [[nodiscard]] Key key(std::size_t age) const;  // 0 is the newest
  /// The age of the key with this name of name_size octets.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;

  /// For another process that may open tickets.
  [[nodiscard]] Secret encode() const { return octets_.clone(); }
  /// Errc::corrupt unless encode() made it.
  [[nodiscard]] static Result<TicketKeys> decode(std::string_view octets);

 private:
  static constexpr std::size_t key_octets = name_size + mac_size + cipher_size;
  explicit TicketKeys(Secret octets) : octets_{std::move(octets)} {}
  Secret octets_;
};

}  // namespace pop
