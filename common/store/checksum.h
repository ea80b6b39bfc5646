#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

struct XXH3_state_s;

namespace pop {

/// XXH3-64 of octets that come in pieces, as popper-formats(5) names it. Finds damage, not forgery.
class Checksum {
 public:
  Checksum();

  void update(std::string_view octets);
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct Release {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  std::unique_ptr<XXH3_state_s, Release> state_;
};

/// Of the parts as if they stood one after the other.
[[nodiscard]] std::uint64_t checksum_of(std::initializer_list<std::string_view> parts);

/// How a part of a file lies in memory and in the file alike. For types without padding; the view
/// lives as long as the object.
template <typename T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] std::string_view octets_of(const T& part) {
  return {reinterpret_cast<const char*>(&part), sizeof part};
}
template <typename T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] std::string_view octets_of(const std::vector<T>& table) {
  return {reinterpret_cast<const char*>(table.data()), table.size() * sizeof(T)};
}

/// Hash for tables of unique-ids, a new one with each seed: senders choose ids and must not be able
/// to make them collide.
struct SeededIdHash {
  std::uint64_t seed;
  [[nodiscard]] std::size_t operator()(std::string_view id) const noexcept;
};
[[nodiscard]] SeededIdHash new_id_hash();

}  // namespace pop
