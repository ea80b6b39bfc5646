// A record that the notifier receives: what decodes encodes to the same, and nothing crashes.

#include "popper/notify/login_notice.h"

#include <cstdint>
#include <cstdlib>

#include "popper/notify/logudp_notifier.h"
#include "popper/notify/whoson_notifier.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view record{reinterpret_cast<const char*>(data), size};
  const pop::Result<pop::LoginNotice> notice = pop::decode_login_notice(record);
  if (!notice) return 0;
  if (pop::encode(*notice) != record) std::abort();
  // No field makes a line: six lines and the dot, one request.
  const std::string packet = pop::logudp_packet(*notice, std::nullopt);
  std::size_t lines = 0;
  for (const char c : packet) lines += c == '\n' ? 1 : 0;
  if (lines != 6 || !packet.ends_with("\n.\n")) std::abort();
  const std::string request = pop::whoson_login(*notice);
  if (request.find("\r\n") != request.size() - 4) std::abort();
  return 0;
}
