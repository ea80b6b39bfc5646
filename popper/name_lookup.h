#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// What gate and resolver say to each other, one record each: "<id><address>" asks, "<id><name>"
/// answers, where the id is the connection's number in 8 octets, lowest first, and an empty name
/// means that there is none. Names are for logs only: nothing is decided by them. Questions may
/// stay without an answer, and nobody waits for one.
struct NameLookup {
  std::uint64_t connection = 0;
  std::string text;  // numeric address in a question, host name in an answer
};

[[nodiscard]] std::string encode(const NameLookup& lookup);
/// Nothing for a record that is too short, or whose text is longer than any name.
[[nodiscard]] std::optional<NameLookup> decode_name_lookup(std::string_view record);

/// What a host name may look like: 1 to 253 letters, digits, '-', '_' and '.', a letter or digit in
/// front. Everything else that a name server says is not believed, nor logged as a name.
[[nodiscard]] bool is_host_name(std::string_view name);

}  // namespace pop
