// Downgrading a header: the same wherever it is cut, nothing but ASCII from what is UTF-8, the body
// untouched, no line that was not there, a size that grows with the input. The first octet chooses
// the cuts, the rest is the message.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "mail/header_downgrade.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

std::string downgraded(std::string_view message, std::size_t piece) {
  HeaderDowngrade downgrade;
  std::string out;
  for (std::size_t at = 0; at < message.size(); at += piece) {
    downgrade.feed(message.substr(at, piece), out);
  }
  downgrade.finish(out);
  return out;
}

void check_field(std::string_view field) {
  const std::string out = downgraded_field(field);
  if (out == field) return;
  fuzz_require(is_plain_ascii(out), "what is changed becomes ASCII");
  fuzz_require(out.ends_with('\n') == field.ends_with('\n'), "the line end stays");
  fuzz_require(downgraded_field(out) == out, "a second time changes nothing");
  for (std::size_t lf = out.find('\n'); lf + 1 < out.size(); lf = out.find('\n', lf + 1)) {
    fuzz_require(out[lf + 1] == ' ' || out[lf + 1] == '\t', "it stays one field");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view message{reinterpret_cast<const char*>(data + 1), size - 1};
  const std::string whole = downgraded(message, std::max<std::size_t>(message.size(), 1));
  fuzz_require(downgraded(message, 1 + data[0] % 32) == whole, "cuts make no difference");
  fuzz_require(whole.size() <= 64 * message.size() + 64, "it grows with the message");
  if (is_plain_ascii(message)) fuzz_require(whole == message, "ASCII passes as it is");
  if (message.find("\n\n") == message.npos && message.find('\n') + 1 == message.size()) {
    check_field(message);
  }
  return 0;
}
