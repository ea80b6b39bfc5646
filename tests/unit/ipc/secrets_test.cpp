// A password goes through the channel and must not stay behind on the way.

#include <memory>
#include <string>
#include <string_view>

#include "ipc/channel.h"
#include "ipc/frame.h"
#include "support/catch.h"
#include "support/freed_memory.h"

using namespace pop;

namespace {

constexpr std::string_view password = "correct horse battery staple, nowhere else";

}  // namespace

TEST_CASE("freed memory with a password in it is found", "[ipc][secret]") {
  const test::FreedMemory freed{password};
  { const auto careless = std::make_unique<std::string>(password); }
  CHECK(freed.blocks_with_marker() == 1);
}

TEST_CASE("encode, send, receive and decode leave no password in freed memory", "[ipc][secret]") {
  auto ends = Channel::pair();
  REQUIRE(ends);
  bool same = false;
  const test::FreedMemory freed{password};
  {
    std::string frame = encode(PasswordAttempt{1, "jo", Secret{password}, "::1", "STAT\r\n"});
    const auto sent = ends->first.send(frame);
    wipe(frame);  // as the contract asks of the caller
    const auto received = ends->second.receive();
    if (sent && received && received->has_value()) {
      const auto message = decode_gate_message((*received)->record);
      same = message && std::get<PasswordAttempt>(*message).password.octets() == password;
    }
  }
  CHECK(same);
  CHECK(freed.blocks_with_marker() == 0);
}
