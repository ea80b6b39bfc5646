#include "mail/imported_ids.h"

#include <algorithm>

#include "support/catch.h"

using namespace pop;

namespace {

bool always(std::string_view) {
  return true;
}

ImportedIds::Entry entry(std::uint64_t fingerprint, std::string content_id, std::string id) {
  return {.fingerprint = {.low = fingerprint, .high = 1},
          .content_id = std::move(content_id),
          .id = std::move(id)};
}

}  // namespace

TEST_CASE("imported ids are read as they were written", "[mail][imported]") {
  const ImportedIds ids{{entry(7, "content", "old.1"), entry(3, "other", "old.2")}};
  const ImportedIds read = ImportedIds::parse(ids.serialised());
  CHECK(read.not_understood() == 0);
  REQUIRE(read.entries().size() == 2);
  CHECK(std::ranges::equal(read.entries(), ids.entries()));
}

TEST_CASE("lines of imported ids that nobody could have written are counted", "[mail][imported]") {
  const std::string sound = ImportedIds{{entry(7, "content", "old.1")}}.serialised();
  const std::string line = sound.substr(sound.find('\n') + 1);
  const std::string digits(31, '0');
  for (const std::string& wrong :
       {std::string{"\n"}, "x" + line, digits + " c i\n", digits + "g c i\n",
        line.substr(0, line.size() - 1) + " \n", digits + "0 c \n", digits + "0  i\n",
        digits + "0 c " + std::string(71, 'i') + "\n", digits + "0 c \x80\n"}) {
    CAPTURE(wrong);
    const ImportedIds ids = ImportedIds::parse(sound + wrong + line);
    CHECK(ids.not_understood() == 1);
    CHECK(ids.entries().size() == 2);
  }
  CHECK(ImportedIds::parse("something else\n").not_understood() == 1);
}

TEST_CASE("equal messages get their imported ids in order", "[mail][imported]") {
  const ImportedIds ids{{entry(7, "same", "first"), entry(7, "same", "second")}};
  CHECK(*ids.find({.low = 7, .high = 1}, "same", always) == "first");
  const auto second_left = [](std::string_view id) { return id == "second"; };
  CHECK(*ids.find({.low = 7, .high = 1}, "same", second_left) == "second");
  CHECK(ids.find({.low = 7, .high = 1}, "same", [](std::string_view) { return false; }) == nullptr);
}

TEST_CASE("a message whose separator was mended keeps its imported id", "[mail][imported]") {
  std::vector<ImportedIds::Entry> entries;
  for (std::uint64_t i = 0; i < 40; ++i) {
    entries.push_back(entry(i, "content" + std::to_string(i), "old" + std::to_string(i)));
  }
  const ImportedIds ids{entries};
  for (int i = 0; i < 40; ++i) {  // the first few in another way than the rest
    const std::string* id = ids.find({.low = 99, .high = 9}, "content" + std::to_string(i), always);
    REQUIRE(id != nullptr);
    CHECK(*id == "old" + std::to_string(i));
  }
  CHECK(ids.find({.low = 99, .high = 9}, "content", always) == nullptr);
}
