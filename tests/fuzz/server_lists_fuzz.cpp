// Lists of unique-ids that come from elsewhere: whatever they hold, they are read or refused, names
// in them are what a directory can hold, an export that was read reads the same when it is written
// again, and a template gives the same id twice. The first octet chooses the reader.

#include <cstdint>
#include <string>
#include <string_view>

#include "mail/imported_ids.h"
#include "mail/server_ids.h"
#include "popspool/id_listing.h"
#include "popspool/server_forms.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

void check_list(const Result<FileList>& list) {
  if (!list) return;
  for (const auto& [base, entry] : list->entries) {
    fuzz_require(!base.empty() && base.find('\n') == base.npos, "a base name is one");
    fuzz_require(base.find(':') == base.npos, "a base name has no flags");
  }
}

void check_export(std::string_view content) {
  const Result<std::map<std::string, IdListing>> read = parse_export(content);
  if (!read) return;
  for (const auto& [maildrop, listing] : *read) {
    std::vector<std::optional<std::size_t>> pairs = paired(listing, listing);
    fuzz_require(pairs.size() == listing.size(), "each message has its answer");
    // A name that nobody escaped is escaped when it is written.
    const std::string written = std::string{export_first_line} + export_lines("jo", listing);
    const Result<std::map<std::string, IdListing>> again = parse_export(written);
    fuzz_require(again && again->at("jo") == listing, "an export reads as it was written");
  }
}

void check_template(std::string_view text) {
  const Result<UidlTemplate> shape = UidlTemplate::parse(text.substr(0, 1000));
  if (!shape) return;
  const UidlVariables variables{
      .uid = 26, .uidvalidity = 7, .md5 = "ab", .filename = "f", .guid = "g"};
  const std::optional<std::string> id = shape->apply(variables);
  fuzz_require(id.has_value() || text.find("hex") != text.npos || text.find('X') != text.npos,
               "what is known gives an id");
  fuzz_require(id == shape->apply(variables), "twice the same");
}

void check_imported(std::string_view content) {
  const ImportedIds ids = ImportedIds::parse(content);
  const ImportedIds again = ImportedIds::parse(ids.serialised());
  fuzz_require(again.not_understood() == 0, "what was written is understood");
  fuzz_require(again.entries().size() == ids.entries().size(), "all of it");
  for (const ImportedIds::Entry& entry : ids.entries()) {
    fuzz_require(is_valid_unique_id(entry.id), "ids are ids");
    const auto any = [](std::string_view) { return true; };
    fuzz_require(ids.find(entry.fingerprint, entry.content_id, any) != nullptr, "all are found");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view content{reinterpret_cast<const char*>(data), size};
  if (content.empty()) return 0;
  const char reader = content.front();
  content.remove_prefix(1);
  switch (reader) {
    case 'd':
      check_list(parse_dovecot_uidlist(content));
      break;
    case 'c':
      check_list(parse_courier_sizelist(content));
      break;
    case 'e':
      check_export(content);
      break;
    case 't':
      check_template(content);
      break;
    case 'i':
      check_imported(content);
      break;
    default: {
      (void)popa3d_id(content);
      (void)dovecot_header_md5(content);
      fuzz_require(is_valid_unique_id(recipe_id(UniqueIdRecipe::native, {}, content)),
                   "a native id is one");
      for (const char c : courier_escaped(content)) {
        fuzz_require(c >= 0x21 && c <= 0x7e, "an escaped name is fit for an id");
      }
    }
  }
  return 0;
}
