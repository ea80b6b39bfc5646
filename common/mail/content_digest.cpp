#include "mail/content_digest.h"

#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

#include <algorithm>
#include <new>

namespace pop {

void ContentDigest::Release::operator()(XXH3_state_s* state) const noexcept {
  XXH3_freeState(state);
}

ContentDigest::ContentDigest() : state_{XXH3_createState()} {
  if (!state_) throw std::bad_alloc{};
}
ContentDigest::ContentDigest(ContentDigest&&) noexcept = default;
ContentDigest& ContentDigest::operator=(ContentDigest&&) noexcept = default;
ContentDigest::~ContentDigest() = default;

void ContentDigest::begin() {
  XXH3_128bits_reset(state_.get());
  held_size_ = 0;
  last_absorbed_ = '\n';
}

void ContentDigest::separator(std::string_view line) {
  absorb(line);
  absorb("\n");
}

void ContentDigest::content(std::string_view bytes) {
  if (bytes.empty()) return;
  if (bytes.size() == 1) {
    if (held_size_ == held_.size()) {
      absorb({held_.data(), 1});
      held_[0] = held_[1];
      --held_size_;
    }
    held_.at(held_size_++) = bytes.front();
    return;
  }
  absorb({held_.data(), held_size_});
  absorb(bytes.substr(0, bytes.size() - held_.size()));
  std::ranges::copy(bytes.substr(bytes.size() - held_.size()), held_.begin());
  held_size_ = held_.size();
}

Fingerprint ContentDigest::finish(std::size_t empty_line) {
  absorb({held_.data(), held_size_ - empty_line});
  if (last_absorbed_ != '\n') absorb("\n");
  const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
  return {hash.low64, hash.high64};
}

void ContentDigest::absorb(std::string_view bytes) {
  if (bytes.empty()) return;
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  last_absorbed_ = bytes.back();
}

}  // namespace pop
