#include "dbm/dbm_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <string>

#include "support/catch.h"

namespace pop {
namespace {

using Records = std::map<std::string, std::string>;

Fd memory_file() {
  Fd file{::memfd_create("dbm-test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  REQUIRE(file.is_open());
  return file;
}

Fd again(const Fd& file) {
  Result<Fd> second = file.duplicate();
  REQUIRE(second);
  return std::move(*second);
}

void fill(const Fd& file, const Records& records) {
  Result<DbmFile> dbm = DbmFile::create(again(file), "test");
  REQUIRE(dbm);
  for (const auto& [key, value] : records) REQUIRE(dbm->store(key, value));
  REQUIRE(dbm->close());
}

Records some_records(int count) {
  Records records;
  for (int i = 0; i < count; ++i) {
    records["user" + std::to_string(i)] =
        std::string(static_cast<std::size_t>(i % 700), static_cast<char>('a' + i % 26));
  }
  return records;
}

/// Everything in the file, or what is wrong with it.
Result<Records> all_of(const Fd& file) {
  Result<DbmFile> dbm = DbmFile::open(again(file), "test", DbmFile::Access::read);
  if (!dbm) return std::unexpected(dbm.error());
  Records found;
  Result<void> walked = dbm->walk([&found](std::string_view key, std::string_view value) {
    found.emplace(key, value);
    return Result<void>{};
  });
  if (!walked) return std::unexpected(walked.error());
  return found;
}

std::string content_of(const Fd& file) {
  std::string content(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
  REQUIRE(::pread(file.get(), content.data(), content.size(), 0) ==
          static_cast<ssize_t>(content.size()));
  return content;
}

Fd file_with(std::string_view content) {
  Fd file = memory_file();
  REQUIRE(::pwrite(file.get(), content.data(), content.size(), 0) ==
          static_cast<ssize_t>(content.size()));
  return file;
}

TEST_CASE("A new file holds nothing and what is stored comes back", "[dbm]") {
  const Fd file = memory_file();
  fill(file, {});
  CHECK(all_of(file) == Records{});

  const Records records = some_records(2000);
  const Fd large = memory_file();
  fill(large, records);
  CHECK(all_of(large) == records);

  Result<DbmFile> dbm = DbmFile::open(again(large), "test", DbmFile::Access::read);
  REQUIRE(dbm);
  CHECK(dbm->verify() == records.size());
  CHECK(dbm->fetch("user7").value()->octets() == records.at("user7"));
  CHECK(dbm->fetch("user0").value()->octets().empty());
  CHECK_FALSE(dbm->fetch("nobody").value().has_value());
  CHECK_FALSE(dbm->fetch("").value().has_value());
}

TEST_CASE("Keys and values may hold any octet", "[dbm]") {
  std::string every;
  for (int octet = 0; octet < 256; ++octet) every += static_cast<char>(octet);
  const Records records{{every, every}, {std::string(1, '\0'), ""}};
  const Fd file = memory_file();
  fill(file, records);
  CHECK(all_of(file) == records);
}

TEST_CASE("A record can be replaced and erased", "[dbm]") {
  const Fd file = memory_file();
  fill(file, {{"jo", "old"}, {"al", "kept"}});
  {
    Result<DbmFile> dbm = DbmFile::open(again(file), "test", DbmFile::Access::change);
    REQUIRE(dbm);
    REQUIRE(dbm->store("jo", "new"));
    CHECK(dbm->erase("al").value());
    CHECK_FALSE(dbm->erase("al").value());
    REQUIRE(dbm->close());
  }
  CHECK(all_of(file) == Records{{"jo", "new"}});
}

TEST_CASE("The visitor's error ends the walk and is returned", "[dbm]") {
  const Fd file = memory_file();
  fill(file, some_records(10));
  Result<DbmFile> dbm = DbmFile::open(again(file), "test", DbmFile::Access::read);
  REQUIRE(dbm);
  int visited = 0;
  const Result<void> walked = dbm->walk([&visited](std::string_view, std::string_view) {
    ++visited;
    return visited == 3 ? Result<void>{fail(Errc::limit, "enough")} : Result<void>{};
  });
  REQUIRE_FALSE(walked);
  CHECK(walked.error().text == "enough");
  CHECK(visited == 3);
}

TEST_CASE("A reader cannot store", "[dbm]") {
  const Fd file = memory_file();
  fill(file, {{"jo", "x"}});
  Result<DbmFile> dbm = DbmFile::open(again(file), "test", DbmFile::Access::read);
  REQUIRE(dbm);
  CHECK_FALSE(dbm->store("jo", "y"));
  CHECK_FALSE(dbm->erase("jo"));
}

TEST_CASE("What is no GDBM file is called corrupt", "[dbm]") {
  for (const std::string_view content : {std::string_view{}, std::string_view{"x"},
                                         std::string_view{"root:x:0:0::/root:/bin/sh\n"}}) {
    CAPTURE(content);
    const Fd file = file_with(content);
    const Result<DbmFile> dbm = DbmFile::open(again(file), "test", DbmFile::Access::read);
    REQUIRE_FALSE(dbm);
    CHECK(dbm.error().code == Errc::corrupt);
  }
}

TEST_CASE("A file cut short anywhere is an error or whole, never a crash", "[dbm]") {
  const Records records = some_records(60);
  const Fd whole = memory_file();
  fill(whole, records);
  const std::string content = content_of(whole);
  int refused = 0;
  for (std::size_t size = 0; size < content.size(); size += 509) {
    CAPTURE(size);
    const Fd cut = file_with(std::string_view{content}.substr(0, size));
    const Result<Records> found = all_of(cut);
    if (!found) {
      ++refused;
      CHECK(found.error().code == Errc::corrupt);
    } else {
      CHECK(*found == records);  // only unused space was cut off
    }
  }
  CHECK(refused > 20);
}

TEST_CASE("A damaged file neither crashes nor keeps a reader for ever", "[dbm]") {
  const Fd whole = memory_file();
  fill(whole, some_records(60));
  const std::string content = content_of(whole);
  for (std::size_t at = 0; at < content.size(); at += 97) {
    CAPTURE(at);
    std::string damaged = content;
    damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
    const Fd file = file_with(damaged);
    (void)all_of(file);
    Result<DbmFile> dbm = DbmFile::open(again(file), "test", DbmFile::Access::read);
    if (dbm) (void)dbm->fetch("user7");
  }
}

TEST_CASE("A refused write says what the system said, not that the file is damaged", "[dbm]") {
  const Fd file = memory_file();
  fill(file, {{"jo", "x"}});
  Result<DbmFile> dbm = DbmFile::open(again(file), "test", DbmFile::Access::change);
  REQUIRE(dbm);
  REQUIRE(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0);
  Result<void> changed = dbm->store("al", std::string(5000, 'a'));
  if (changed) changed = dbm->close();
  REQUIRE_FALSE(changed);
  CAPTURE(changed.error().text);
  CHECK(changed.error().code == Errc::denied);  // EPERM
  CHECK(changed.error().text.find("not permitted") != std::string::npos);
}

}  // namespace
}  // namespace pop
