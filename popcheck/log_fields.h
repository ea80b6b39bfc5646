#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pop {

/// "key=value key="quoted value" ..." as popper writes it, from the left, so that no value can pass
/// for a field.
class LogFieldReader {
 public:
  struct Field {
    std::string_view key, value;  // without quotation marks, still escaped
  };
  explicit LogFieldReader(std::string_view text) : rest_{text} {}
  /// nullopt at the end, or where no field stands.
  [[nodiscard]] std::optional<Field> next();

 private:
  std::string_view rest_;
};

/// The digits at the beginning; nullopt where there are none, or beyond 64 bits.
[[nodiscard]] std::optional<std::uint64_t> leading_number(std::string_view text);

/// Takes the text up to the next `end`, and that, too, off; nullopt, and nothing taken, without it.
[[nodiscard]] std::optional<std::string_view> take_until(std::string_view& text,
                                                         std::string_view end);

/// Where `part` stands for the last time, as rfind() tells, but many octets at a time.
[[nodiscard]] std::size_t last_place_of(std::string_view text, std::string_view part);

/// An IPv4 address without what maps it into IPv6.
[[nodiscard]] std::string_view plain_address(std::string_view address);

/// Whether it can be a numeric address.
[[nodiscard]] bool is_address(std::string_view text);

}  // namespace pop
