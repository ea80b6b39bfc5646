#include "store/checksum.h"

#include <sys/random.h>
#include <xxhash.h>

#include <new>

namespace pop {

void Checksum::Release::operator()(XXH3_state_s* state) const noexcept {
  XXH3_freeState(state);
}

Checksum::Checksum() : state_{XXH3_createState()} {
  if (!state_) throw std::bad_alloc{};
  XXH3_64bits_reset(state_.get());
}

void Checksum::update(std::string_view octets) {
  XXH3_64bits_update(state_.get(), octets.data(), octets.size());
}

std::uint64_t Checksum::value() const {
  return XXH3_64bits_digest(state_.get());
}

std::uint64_t checksum_of(std::initializer_list<std::string_view> parts) {
  if (parts.size() == 1) return XXH3_64bits(parts.begin()->data(), parts.begin()->size());
  Checksum checksum;
  for (const std::string_view part : parts) checksum.update(part);
  return checksum.value();
}

std::size_t SeededIdHash::operator()(std::string_view id) const noexcept {
  return XXH3_64bits_withSeed(id.data(), id.size(), seed);
}

SeededIdHash new_id_hash() {
  std::uint64_t seed = 0x9e3779b97f4a7c15u;
  // Without randomness (a very early boot) the table still works, only its order can be guessed.
  (void)!::getrandom(&seed, sizeof seed, GRND_NONBLOCK);
  return {seed};
}

}  // namespace pop
