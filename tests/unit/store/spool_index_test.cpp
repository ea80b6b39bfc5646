#include "store/spool_index.h"

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;
using pop::test::get_file;
using pop::test::put_file;
using pop::test::TemporaryDirectory;

namespace {

std::string mail(std::string_view name) {
  return "From " + std::string{name} + "@example.org Thu Jan  1 00:00:00 1970\nMessage-Id: <" +
         std::string{name} + ">\n\nbody of " + std::string{name} + "\n\n";
}

struct Fixture {
  TemporaryDirectory directory;
  Disk& disk = system_disk();
  ScanOptions options;

  [[nodiscard]] Fd spool() {
    Result<Fd> file = disk.open(AT_FDCWD, (directory / "jo").native(), O_RDWR);
    REQUIRE(file);
    return std::move(*file);
  }
  [[nodiscard]] SpoolIndex indexed() {
    const Fd file = spool();
    const Result<FileStatus> now = disk.status(file);
    REQUIRE(now);
    SpoolListing listing;
    REQUIRE(scan_spool(disk, file, now->size, options, listing));
    Result<SpoolIndex> index = SpoolIndex::of(disk, file, *now, options, std::move(listing));
    REQUIRE(index);
    return std::move(*index);
  }
  [[nodiscard]] SpoolIndex::Freshness freshness(const SpoolIndex& index) {
    const Fd file = spool();
    const Result<FileStatus> now = disk.status(file);
    REQUIRE(now);
    const auto fresh = index.freshness(disk, file, *now, options);
    REQUIRE(fresh);
    return *fresh;
  }
};

}  // namespace

TEST_CASE("an index comes back as it was written", "[store][index]") {
  Fixture f;
  put_file(f.directory / "jo", mail("a") + mail("b") + mail("b"));
  const SpoolIndex index = f.indexed();
  const auto parsed = SpoolIndex::parse(index.serialised());
  REQUIRE(parsed);
  CHECK(parsed->listing.messages == index.listing.messages);
  CHECK(parsed->listing.ids == index.listing.ids);
  CHECK(parsed->listing.size == index.listing.size);
  CHECK(f.freshness(*parsed) == SpoolIndex::Freshness::exact);
}

TEST_CASE("an index with any bit flipped or cut off anywhere is not believed", "[store][index]") {
  Fixture f;
  put_file(f.directory / "jo", mail("a") + mail("b"));
  const std::string content = f.indexed().serialised();
  REQUIRE(SpoolIndex::parse(content));
  for (std::size_t bit = 0; bit < content.size() * 8; ++bit) {
    std::string damaged = content;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    // Only the padding bytes of the magic field are not looked at.
    const bool in_padding = bit / 8 >= 13 && bit / 8 < 16;
    CAPTURE(bit);
    if (!in_padding) REQUIRE(!SpoolIndex::parse(damaged));
  }
  for (std::size_t length = 0; length < content.size(); ++length) {
    CAPTURE(length);
    REQUIRE(!SpoolIndex::parse(content.substr(0, length)));
  }
  CHECK(!SpoolIndex::parse(content + "x"));
}

TEST_CASE("freshness tells grown spools from changed ones", "[store][index]") {
  Fixture f;
  const std::string old = mail("a") + mail("b");
  put_file(f.directory / "jo", old);
  const SpoolIndex index = f.indexed();
  const auto rewrite = [&](const std::string& content) {
    const Fd file = f.spool();  // the inode stays
    REQUIRE(f.disk.truncate(file, {0}));
    REQUIRE(f.disk.write(file, content, {0}));
    return f.freshness(index);
  };
  CHECK(rewrite(old + mail("c")) == SpoolIndex::Freshness::grown);
  CHECK(rewrite(mail("x") + mail("b") + mail("c")) == SpoolIndex::Freshness::stale);
  CHECK(rewrite(mail("a") + mail("y") + mail("c")) == SpoolIndex::Freshness::stale);
  CHECK(rewrite(mail("a")) == SpoolIndex::Freshness::stale);
  CHECK(rewrite(mail("b") + mail("a")) == SpoolIndex::Freshness::stale);
}

TEST_CASE("another recipe or kluge makes an index stale", "[store][index]") {
  Fixture f;
  put_file(f.directory / "jo", mail("a"));
  const SpoolIndex index = f.indexed();
  f.options.recipe = UniqueIdRecipe::qpopper_old;
  CHECK(f.freshness(index) == SpoolIndex::Freshness::stale);
  f.options = {.uw_kluge = true};
  CHECK(f.freshness(index) == SpoolIndex::Freshness::stale);
}

TEST_CASE("scanning on from a listing gives what a whole scan gives", "[store][listing]") {
  Fixture f;
  std::string content;
  std::vector<std::size_t> ends;
  for (const char* name : {"a", "b", "a", "c", "a", "b"}) {
    content += mail(name);
    ends.push_back(content.size());
  }
  content += "From torn@example.org Thu Jan  1 00:00:00 1970\nSubject: cut";
  put_file(f.directory / "jo", content);
  const SpoolListing whole = f.indexed().listing;
  const Fd file = f.spool();
  for (std::size_t size = 0; size <= content.size(); ++size) {
    CAPTURE(size);
    SpoolListing listing;
    if (!scan_spool(f.disk, file, {size}, f.options, listing)) continue;  // half a From_ line
    REQUIRE(scan_spool(f.disk, file, {content.size()}, f.options, listing));
    CHECK(listing.messages == whole.messages);
    CHECK(listing.ids == whole.ids);
  }
}

TEST_CASE("an index with an octet that no unique-id may hold is not believed", "[store][index]") {
  Fixture f;
  put_file(f.directory / "jo", mail("a") + mail("b"));
  SpoolIndex index = f.indexed();
  REQUIRE(index.listing.ids.size() == 64);
  for (std::size_t at = 0; at < index.listing.ids.size(); ++at) {
    for (int octet = 0; octet < 256; ++octet) {
      SpoolIndex forged = index;
      forged.listing.ids[at] = static_cast<char>(octet);
      const bool allowed = octet >= 0x21 && octet <= 0x7e;
      CAPTURE(at, octet);
      CHECK(SpoolIndex::parse(forged.serialised()).has_value() == allowed);
    }
  }
}
