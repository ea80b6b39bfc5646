#include "base/secret.h"

#include <string.h>

#include <utility>

namespace pop {

Secret::Secret(std::string_view octets) : data_{new char[octets.size() + 1]}, size_{octets.size()} {
  if (!octets.empty()) ::memcpy(data_, octets.data(), octets.size());
  data_[size_] = '\0';  // PAM and crypt(3) read C strings
}

Secret::Secret(Secret&& other) noexcept
    : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}

Secret& Secret::operator=(Secret other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Secret::~Secret() {
  if (data_ == nullptr) return;
  ::explicit_bzero(data_, size_);
  delete[] data_;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned>(a[i] ^ b[i]);
  }
  return difference == 0;
}

void wipe(std::span<char> octets) { ::explicit_bzero(octets.data(), octets.size()); }

}  // namespace pop
