#include <xxhash.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "store/spool_index.h"

// A hostile index: whatever its bytes are, even under a right checksum, it is refused or every
// message lies inside the file and every unique-id is one.

namespace {

constexpr std::size_t checksum_at = 24, checked_from = 32;

void must(bool holds) {
  if (!holds) std::abort();
}

void examine(const std::string& content) {
  const auto index = pop::SpoolIndex::parse(content);
  if (!index) return;
  pop::FileBytes at{0};
  for (const pop::SpoolMessage& m : index->listing.messages) {
    must(at <= m.separator && m.separator <= m.header && m.header <= m.body);
    must(m.body <= m.content_end && m.content_end <= m.end && m.end <= index->listing.size);
    must(pop::is_valid_unique_id(index->listing.id_of(m)));
    at = m.end;
  }
  const auto again = pop::SpoolIndex::parse(index->serialised());
  must(again && again->listing.messages == index->listing.messages);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string content{reinterpret_cast<const char*>(data), size};
  examine(content);
  if (size < checked_from) return 0;
  const std::uint64_t right = XXH3_64bits(content.data() + checked_from, size - checked_from);
  std::memcpy(content.data() + checksum_at, &right, sizeof right);
  examine(content);
  return 0;
}
