// What a proxy, or who pretends to be one, may send first. However the octets arrive, the outcome
// is that of the whole, and a header that was read is one.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "conf/network_list.h"
#include "popper/proxy_header.h"
#include "support/fuzz_require.h"

using pop::test::fuzz_require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using State = pop::ProxyReading::State;
  const std::string_view all{reinterpret_cast<const char*>(data), size};
  const pop::ProxyReading reading = pop::read_proxy_header(all);
  if (reading.state == State::whole) {
    fuzz_require(reading.size > 0 && reading.size <= pop::longest_proxy_header, "bounded");
    fuzz_require(reading.size <= size, "what came is enough");
    const std::string& address = reading.header.address;
    fuzz_require(
        address.empty() || address == "::" || pop::address_octets(address) != pop::AddressOctets{},
        "a numeric address");
    const std::string_view header = all.substr(0, reading.size);
    fuzz_require(pop::read_proxy_header(header).state == State::whole, "the header is enough");
    const std::string_view cut = header.substr(0, header.size() - 1);
    fuzz_require(pop::read_proxy_header(cut).state == State::unfinished, "and less is not");
  }
  if (reading.state == State::unfinished) {
    fuzz_require(size < pop::longest_proxy_header, "nobody waits for ever");
  }
  return 0;
}
