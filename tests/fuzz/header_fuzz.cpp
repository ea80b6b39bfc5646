// Rewriting a header: fields cover it without a gap, no byte of the message is lost or changed, a
// second time changes nothing, and patches say the same without moving a byte. The first byte
// chooses the update, the rest is the header.

#include <cstdint>
#include <string>

#include "mail/header_scanner.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

HeaderUpdate chosen_update(unsigned choice) {
  constexpr std::string_view ids[] = {"", "1", "the-unique-id", "0123456789abcdef0123456789abcdef"};
  return {.unique_id = ids[choice & 3],
          .mark_retrieved = (choice & 4) != 0,
          .mark_seen = (choice & 8) != 0};
}

std::string message_bytes(std::string_view header) {
  std::string bytes;
  for (const HeaderField& field : header_fields(header)) {
    if (field.bookkeeping != Bookkeeping::none) continue;
    bytes += header.substr(field.begin, field.end - field.begin);
  }
  return bytes;
}

bool says_all(std::string_view header, const HeaderUpdate& update) {
  const auto patches = header_patches(header, update);
  return patches && patches->empty();
}

void check_patches(std::string_view header, const HeaderUpdate& update) {
  const auto patches = header_patches(header, update);
  if (!patches) return;
  std::string patched{header};
  std::size_t done = 0;
  for (const HeaderPatch& patch : *patches) {
    fuzz_require(patch.offset >= done, "patches ascend");
    done = patch.offset + patch.bytes.size();
    fuzz_require(done <= header.size(), "patches stay inside");
    patched.replace(patch.offset, patch.bytes.size(), patch.bytes);
  }
  fuzz_require(message_bytes(patched) == message_bytes(header), "patches keep the message");
  fuzz_require(says_all(patched, update), "patches say all of the update");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const HeaderUpdate update = chosen_update(data[0]);
  const std::string_view header{reinterpret_cast<const char*>(data + 1), size - 1};

  std::size_t covered = 0;
  for (const HeaderField& field : header_fields(header)) {
    fuzz_require(field.begin == covered && field.end > covered, "fields cover the header");
    covered = field.end;
  }
  const std::string_view rest = header.substr(covered);
  fuzz_require(rest.empty() || rest.starts_with("\n") || rest.starts_with("\r\n"),
               "fields reach to the empty line");

  const std::string updated = updated_header(header, update);
  fuzz_require(updated.ends_with(rest), "what follows the fields is kept");
  const std::string before = message_bytes(header);
  const std::string after = message_bytes(updated);
  fuzz_require(after == before || after == before + "\n" || after == before + "\r\n",
               "an update keeps the message; at most it supplies the last line end");
  fuzz_require(updated_header(updated, update) == updated, "a second update changes nothing");
  fuzz_require(says_all(updated, update), "an updated header says all of it");
  check_patches(header, update);
  return 0;
}
