// Decoding a message for people: whatever it holds, names, values and texts are valid UTF-8, no
// text has a line end of CR LF, and a second time gives the same.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "popspool/mime_text.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

/// How many octets the letter at the beginning has; 0 if it is none.
std::size_t letter_size(std::string_view text) {
  const auto octet = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = octet(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet(i) & 0xC0U) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && octet(1) < 0xA0) || (first == 0xF0 && octet(1) < 0x90);
  const bool no_letter = (first == 0xED && octet(1) >= 0xA0) || (first == 0xF4 && octet(1) >= 0x90);
  return overlong || no_letter ? 0 : size;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = letter_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool same_part(const DecodedPart& a, const DecodedPart& b) {
  return a.type == b.type && a.file_name == b.file_name && a.is_text == b.is_text &&
         a.text == b.text && a.octets == b.octets;
}
bool same_field(const DecodedField& a, const DecodedField& b) {
  return a.name == b.name && a.value == b.value;
}

void check_fields(const std::vector<DecodedField>& fields) {
  for (const DecodedField& field : fields) {
    fuzz_require(is_utf8(field.name) && is_utf8(field.value), "fields are UTF-8");
    fuzz_require(is_utf8(address_of(field.value)), "an address is UTF-8");
    (void)time_of_date(field.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stored{reinterpret_cast<const char*>(data), size};
  const DecodedMessage decoded = decode_message(stored);
  check_fields(decoded.fields);
  for (const DecodedPart& part : decoded.parts) {
    fuzz_require(is_utf8(part.type) && is_utf8(part.file_name), "names of parts are UTF-8");
    fuzz_require(is_utf8(part.text), "texts are UTF-8");
    fuzz_require(part.text.find("\r\n") == part.text.npos, "line ends are LF");
    fuzz_require(part.is_text || part.text.empty(), "only text parts have text");
  }
  const DecodedMessage again = decode_message(stored);
  fuzz_require(std::ranges::equal(decoded.fields, again.fields, same_field) &&
                   std::ranges::equal(decoded.parts, again.parts, same_part),
               "a second time gives the same");
  check_fields(decode_fields(stored));
  return 0;
}
