// What gate and Kerberos acceptor say to each other, and the AP-REQ in a client's token: what
// decodes encodes to the same, what is found is the token's end, and nothing crashes.

#include <cstdint>
#include <cstdlib>

#include "popper/kerberos_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view record{reinterpret_cast<const char*>(data), size};
  if (const auto question = pop::decode_ticket_question(record)) {
    if (pop::encode(*question) != record) std::abort();
  }
  if (const auto answer = pop::decode_ticket_answer(record)) {
    if (pop::encode(*answer) != record) std::abort();
  }
  if (const auto ap_req = pop::ap_req_in(record)) {
    if (ap_req->size() + 15 > size || !record.ends_with(*ap_req)) std::abort();
  }
  return 0;
}
