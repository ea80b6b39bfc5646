#include "store/retrieval_record.h"

#include <unistd.h>

#include <filesystem>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using test::TemporaryDirectory;
using State = RetrievalRecord::State;

TEST_CASE("A record of retrievals reads what it wrote", "[store][retrievals]") {
  RetrievalRecord record;
  record.set("one", {State::retrieved, 5});
  record.set("two", {State::retrieved, 1'700'000'000});
  record.set("four", {State::listed, 6});
  CHECK(record.serialised() == "popper-retrieved 1\nlisted 6 four\n5 one\n1700000000 two\n");
  CHECK(RetrievalRecord::parse(record.serialised()) == record);
  CHECK(record.since("one", "", 9) == 5);
  CHECK(record.since("three", "", 9) == 9);
  CHECK(record.since("four", "", 9) == 9);
  CHECK(record.entry("four", "") == RetrievalRecord::Entry{State::listed, 6});
  CHECK_FALSE(record.entry("three", ""));
}

TEST_CASE("A time on record does not count for another content under the same unique-id",
          "[store][retrievals]") {
  const std::string mine = RetrievalRecord::content_mark({.low = 0xab, .high = 1});
  const std::string others = RetrievalRecord::content_mark({.low = 0xac, .high = 1});
  CHECK(mine == "000000000000000100000000000000ab");
  CHECK(RetrievalRecord::content_mark({}).empty());
  RetrievalRecord record;
  record.set("one", {State::retrieved, 5, mine});
  record.set("two", {State::listed, 6});
  CHECK(record.serialised() == "popper-retrieved 1\n5 one " + mine + "\nlisted 6 two\n");
  CHECK(RetrievalRecord::parse(record.serialised()) == record);
  CHECK(record.since("one", mine, 9) == 5);
  CHECK(record.since("one", others, 9) == 9);
  CHECK(record.since("one", "", 9) == 5);
  CHECK_FALSE(record.entry("one", others));
  CHECK(record.entry("two", others));
}

TEST_CASE("What a record of retrievals should not hold is left out", "[store][retrievals]") {
  RetrievalRecord known;
  known.set("one", {State::retrieved, 5});
  CHECK(RetrievalRecord::parse("popper-retrieved 1\n5 one\nx two\n7\n8 a b\n-1 c\n"
                               "listed\nlisted 5\nlisted x e\nlisted 5 f g\nseen 5 h\n"
                               "99999999999999999999 d\n") == known);
  CHECK(RetrievalRecord::parse("popper-retrieved 2\n5 one\n") == RetrievalRecord{});
  CHECK(RetrievalRecord::parse("") == RetrievalRecord{});
}

TEST_CASE("A record of retrievals that others could have written counts for nothing",
          "[store][retrievals]") {
  const TemporaryDirectory directory;
  Result<Fd> fd = open_directory(directory.path().native());
  REQUIRE(fd);
  const FilePlace place{std::make_shared<const OpenDirectory>(std::move(*fd), directory.path()),
                        ".jo.retrieved"};
  RetrievalRecord record;
  record.set("one", {State::retrieved, 5});
  REQUIRE(record.save(system_disk(), place));
  CHECK(RetrievalRecord::find(system_disk(), place, ::getuid()) == record);
  CHECK_FALSE(RetrievalRecord::find(system_disk(), place, ::getuid() + 1));
  std::filesystem::permissions(directory / ".jo.retrieved", std::filesystem::perms{0666});
  CHECK_FALSE(RetrievalRecord::find(system_disk(), place, ::getuid()));
  REQUIRE(RetrievalRecord{}.save(system_disk(), place));
  CHECK(RetrievalRecord::find(system_disk(), place, ::getuid()) == RetrievalRecord{});
}

}  // namespace
}  // namespace pop
