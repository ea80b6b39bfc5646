#include "store/retrieval_record.h"

#include <unistd.h>

#include <filesystem>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using test::TemporaryDirectory;

TEST_CASE("A record of retrievals reads what it wrote", "[store][retrievals]") {
  RetrievalRecord record;
  record.set("one", 5);
  record.set("two", 1'700'000'000);
  CHECK(record.serialised() == "popper-retrieved 1\n5 one\n1700000000 two\n");
  CHECK(RetrievalRecord::parse(record.serialised()) == record);
  CHECK(record.since("one", 9) == 5);
  CHECK(record.since("three", 9) == 9);
}

TEST_CASE("What a record of retrievals should not hold is left out", "[store][retrievals]") {
  RetrievalRecord known;
  known.set("one", 5);
  CHECK(RetrievalRecord::parse("popper-retrieved 1\n5 one\nx two\n7\n8 a b\n-1 c\n"
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
  record.set("one", 5);
  REQUIRE(record.save(system_disk(), place));
  CHECK(RetrievalRecord::load(system_disk(), place, ::getuid()) == record);
  CHECK(RetrievalRecord::load(system_disk(), place, ::getuid() + 1) == RetrievalRecord{});
  std::filesystem::permissions(directory / ".jo.retrieved", std::filesystem::perms{0666});
  CHECK(RetrievalRecord::load(system_disk(), place, ::getuid()) == RetrievalRecord{});
  REQUIRE(RetrievalRecord{}.save(system_disk(), place));
  CHECK_FALSE(std::filesystem::exists(directory / ".jo.retrieved"));
  CHECK(RetrievalRecord{}.save(system_disk(), place));
}

}  // namespace
}  // namespace pop
