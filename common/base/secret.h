#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace pop {

/// A password or key. Wipes its memory when it goes, cannot be copied by accident and has no
/// formatter, so it cannot reach a log or a reply. Octets may be of any value, NUL included.
class Secret {
 public:
  Secret() = default;
  /// Copies the octets; the caller wipes the source with wipe().
  explicit Secret(std::string_view octets);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret other) noexcept;
  ~Secret();

  [[nodiscard]] Secret clone() const { return Secret{octets()}; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Valid while this object lives; hand it to the checker at once, keep no copy.
  [[nodiscard]] std::string_view octets() const { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Equal length and octets, in a time that depends on the lengths only.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

/// Overwrites memory in a way that the optimiser keeps.
void wipe(std::span<char> octets);

}  // namespace pop
