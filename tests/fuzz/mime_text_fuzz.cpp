// Decoding a message for people: whatever it holds, names, values and texts are valid UTF-8, no
// text has a line end of CR LF, and a second time gives the same.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/utf8.h"
#include "popspool/mime_text.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

bool same_part(const DecodedPart& a, const DecodedPart& b) {
  return a.type == b.type && a.file_name == b.file_name && a.is_text == b.is_text &&
         a.text == b.text && a.octets == b.octets;
}
bool same_field(const DecodedField& a, const DecodedField& b) {
  return a.name == b.name && a.value == b.value;
}

void check_fields(const std::vector<DecodedField>& fields) {
  for (const DecodedField& field : fields) {
    fuzz_require(is_valid_utf8(field.name) && is_valid_utf8(field.value), "fields are UTF-8");
    fuzz_require(is_valid_utf8(address_of(field.value)), "an address is UTF-8");
    (void)time_of_date(field.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stored{reinterpret_cast<const char*>(data), size};
  const DecodedMessage decoded = decode_message(stored);
  check_fields(decoded.fields);
  for (const DecodedPart& part : decoded.parts) {
    fuzz_require(is_valid_utf8(part.type) && is_valid_utf8(part.file_name),
                 "names of parts are UTF-8");
    fuzz_require(is_valid_utf8(part.text), "texts are UTF-8");
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
