// Whatever message is adapted to a bulletin, with an attachment or without: the daemon's reader
// takes the result without a defect that breaks it, and a second time changes nothing. Terms that
// the message brings itself are the reader's business.

#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "bull/bulletin.h"
#include "popbull/composition.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

const std::string separator = "From a@b Thu Jan  1 00:00:00 1970\n";

void check(const Composition& made) {
  fuzz_require(read_bulletin(separator + made.message).what_breaks().empty(), "it can be read");
  fuzz_require(made.sender.find_first_of(" \t\n") == std::string::npos, "an address has no blank");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view message{reinterpret_cast<const char*>(data), size};
  if (lower(message).find(lower(bulletin_field_prefix)) != std::string::npos) return 0;
  Supplement supplement{.host = "host.example", .now = 1, .fields = {}, .attachments = {}};
  const Result<Composition> made = adapt(message, supplement);
  if (made) {
    check(*made);
    const Result<Composition> again = adapt(made->message, supplement);
    fuzz_require(again && again->message == made->message, "a second time changes nothing");
  }
  supplement.attachments = {{.name = "a", .content = std::string{message}}};
  if (const Result<Composition> with = adapt(message, supplement)) check(*with);
  supplement.attachments.clear();
  const Result<Composition> typed =
      compose({.subject = "x", .sender = "ops", .text = std::string{message}}, supplement);
  if (typed) check(*typed);
  return 0;
}
