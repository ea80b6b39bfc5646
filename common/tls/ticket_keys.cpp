#include "tls/ticket_keys.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <string>

#include "tls/tls_failure.h"

namespace pop {

Result<TicketKeys> TicketKeys::generate() {
  TicketKeys keys{Secret{}};
  if (Result<void> done = keys.rotate(); !done) return std::unexpected(done.error());
  return keys;
}

Result<void> TicketKeys::rotate() {
  std::array<char, most * key_octets> octets;
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(octets.data()), key_octets) != 1) {
    return fail(Errc::io, "make a ticket key: " + take_tls_failure());
  }
  const std::string_view kept = octets_.octets().substr(0, (most - 1) * key_octets);
  std::ranges::copy(kept, octets.begin() + key_octets);
  octets_ = Secret{std::string_view{octets.data(), key_octets + kept.size()}};
  wipe(octets);
  return {};
}

TicketKeys::Key TicketKeys::key(std::size_t age) const {
  const std::string_view octets = octets_.octets().substr(age * key_octets, key_octets);
  return {.name = octets.substr(0, name_size),
          .mac = octets.substr(name_size, mac_size),
          .cipher = octets.substr(name_size + mac_size)};
}

std::optional<std::size_t> TicketKeys::find(std::string_view name) const {
  for (std::size_t age = 0; age < count(); ++age) {
    if (key(age).name == name) return age;
  }
  return std::nullopt;
}

Result<TicketKeys> TicketKeys::decode(std::string_view octets) {
  if (octets.empty() || octets.size() % key_octets != 0 || octets.size() > most * key_octets) {
    return fail(Errc::corrupt, "ticket keys: wrong length");
  }
  return TicketKeys{Secret{octets}};
}

}  // namespace pop
