// What a broken-into front may send to the changer, and the other way round. Whatever decodes must
// encode to the same octets, and is one kind of message only.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "poppassd/change_messages.h"

namespace {

template <class Decoded>
int check(const Decoded& decoded, std::string_view record) {
  if (decoded) {
    if (pop::encode(*decoded) != record) std::abort();
  } else if (decoded.error().code != pop::Errc::corrupt) {
    std::abort();
  }
  return decoded ? 1 : 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view record{reinterpret_cast<const char*>(data), size};
  const int kinds = check(pop::decode_client(record), record) +
                    check(pop::decode_change_request(record), record) +
                    check(pop::decode_change_verdict(record), record) +
                    (pop::decode_turn_request(record) ? 1 : 0) +
                    check(pop::decode_turn(record), record);
  if (kinds > 1) std::abort();
  return 0;
}
