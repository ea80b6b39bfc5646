// Any file in the directory of bulletins: whatever it holds, what is made of it is one message of a
// spool, with the identity that was promised, and nothing of it is lost that should be delivered.

#include <cstdint>
#include <string>

#include "bull/bulletin.h"
#include "bull/seen_record.h"
#include "mail/from_line.h"
#include "mail/header_scanner.h"
#include "mail/unique_id.h"
#include "support/fuzz_require.h"
#include "support/spool_scan.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

void check_message(const Bulletin& bulletin, const BulletinName& name) {
  const std::string message = message_for(bulletin, name, "jo", "host");
  const std::string id = bulletin_id(bulletin, name);
  fuzz_require(is_valid_unique_id(id), "an identity is a unique-id");
  fuzz_require(is_from_line(bulletin.from_line), "the separator is one");
  fuzz_require(message.ends_with("\n\n" + bulletin.body), "the body is passed on");
  const test::Listing listing = test::scan(bulletin.from_line + "\n" + message + "\n");
  fuzz_require(listing.error.empty(), "a spool of it can be read");
  fuzz_require(listing.messages.size() == 1, "it is one message");
  fuzz_require(listing.messages[0].stored_id == id, "it is known by its identity");
}

void check_numbers(std::string_view text) {
  const SeenFile file = from_popbull(text);
  if (file.kind != SeenFile::Kind::number) return;
  fuzz_require(from_popbull(to_popbull(file.record)) == file, "a .popbull reads back");
  fuzz_require(from_database_value(to_database_value(file.record)) == file.record,
               "a value reads back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets{reinterpret_cast<const char*>(data), size};
  check_numbers(octets);
  (void)from_database_value(octets);
  const BulletinReading reading = read_bulletin(octets);
  fuzz_require(reading.bulletin.has_value() == reading.what_breaks().empty(),
               "what is not read has a defect that says why");
  if (reading.bulletin) check_message(*reading.bulletin, *bulletin_name("23.staff.x"));
  return 0;
}
