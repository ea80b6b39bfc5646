// What a broken-into gate or keeper may send to the other. Whatever decodes must encode to the same
// octets: there is one frame for a message, and nothing can hide in it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "ipc/frame.h"

namespace {

template <class Decoded>
void check(const Decoded& decoded, std::string_view frame) {
  if (decoded) {
    if (pop::encode(*decoded) != frame) std::abort();
  } else if (decoded.error().code != pop::Errc::corrupt) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view frame{reinterpret_cast<const char*>(data), size};
  const auto gate = pop::decode_gate_message(frame);
  const auto keeper = pop::decode_keeper_message(frame);
  if (gate && keeper) std::abort();
  check(gate, frame);
  check(keeper, frame);
  return 0;
}
