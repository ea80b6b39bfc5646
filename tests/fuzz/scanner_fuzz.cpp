// The scanner's promises for any file: the same listing wherever the input is cut and from whatever
// message a scan resumes, messages that follow each other without a gap, and octet counts that are
// exactly what WireText sends. The first bytes choose options and cuts, the rest is the spool.

#include <cstdint>

#include "support/fuzz_require.h"
#include "support/spool_scan.h"

using namespace pop;
using namespace pop::test;

namespace {

struct Input {
  ScanOptions options;
  std::vector<std::size_t> cuts;
  std::string_view spool;
};

Input read(std::string_view bytes) {
  Input input;
  const auto next = [&]() -> std::size_t {
    if (bytes.empty()) return 0;
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    return byte;
  };
  const std::size_t choice = next();
  input.options.recipe = static_cast<UniqueIdRecipe>(choice % 3);
  input.options.uw_kluge = choice >= 128;
  const std::size_t step = next();
  const std::size_t first = next();
  input.spool = bytes;
  if (first < bytes.size()) input.cuts = cuts_every(step + 1, first, bytes.size());
  return input;
}

void check_message(std::string_view spool, const ScannedMessage& m) {
  fuzz_require(m.separator <= m.header && m.header <= m.body && m.body <= m.content_end &&
                   m.content_end <= m.end && m.end.count <= spool.size(),
               "parts lie in order");
  const std::string_view message =
      spool.substr(m.header.count, m.content_end.count - m.header.count);
  const Wire whole = to_wire(message);
  fuzz_require(whole.octets == m.wire.count, "octets counted = octets sent");
  fuzz_require(to_wire(message, {}, {message.size() / 2}).text == whole.text,
               "the same text wherever the message is cut");
  const Wire top = to_wire(message, LineCount{1});
  fuzz_require(whole.text.starts_with(top.text), "TOP sends a beginning of RETR");
  fuzz_require(whole.text.empty() || whole.text.ends_with("\r\n"), "the last line is ended");
  fuzz_require(m.stored_id.empty() != m.computed_id.empty(), "one id");
  fuzz_require(is_valid_unique_id(m.stored_id + m.computed_id), "a valid id");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input = read({reinterpret_cast<const char*>(data), size});
  const Listing whole = scan(input.spool, {}, input.options);
  fuzz_require(same_listing(scan(input.spool, input.cuts, input.options), whole),
               "the same listing wherever the input is cut");
  std::uint64_t end = 0;
  for (const ScannedMessage& m : whole.messages) {
    fuzz_require(m.separator.count == end, "messages follow each other");
    end = m.end.count;
    check_message(input.spool, m);
  }
  fuzz_require(!whole.error.empty() || end == input.spool.size(), "the last message ends the file");
  if (whole.messages.size() > 1) {
    const std::size_t middle = whole.messages.size() / 2;
    const std::size_t start = whole.messages[middle].separator.count;
    const Listing rest = scan(input.spool, {}, input.options, 0, start, whole.format);
    fuzz_require(rest.messages.size() == whole.messages.size() - middle &&
                     same_message(rest.messages[0], whole.messages[middle]),
                 "a scan resumes at any message");
  }
  return 0;
}
