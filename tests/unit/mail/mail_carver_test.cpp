#include "mail/mail_carver.h"

#include <random>

#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/patched_memory.h"

namespace pop::test {
namespace {

std::vector<std::string> carved(const std::string& bytes, std::size_t step) {
  MemoryReader reader{bytes, step};
  MailCarver carver{reader};
  reader.read_all([&](std::string_view piece) { carver.feed(piece); });
  std::vector<std::string> all;
  for (const CarvedMail& mail : carver.finish()) {
    all.push_back(bytes.substr(mail.begin.count, (mail.end - mail.begin).count));
  }
  return all;
}

TEST_CASE("All messages of a spool are carved", "[mail][carve]") {
  for (const std::size_t step : {1U, 100U, 512U, 5000U}) {
    CHECK(carved(sound_spool(), step) == sound_messages());
  }
}

TEST_CASE("Mail between other things on a disk is carved", "[mail][carve]") {
  std::mt19937 random{3};
  const std::vector<std::string> parts = sound_messages();
  std::string disk;
  const auto fill = [&](std::size_t size) {
    while (disk.size() < size) disk += static_cast<char>(random());
  };
  fill(4096);
  disk += parts[0] + parts[1];
  disk.resize(8192);  // the rest of the block
  fill(12288);
  disk += parts[2];
  fill(16384 + 4096);
  for (const std::size_t step : {7U, 512U, 100000U}) {
    const std::vector<std::string> found = carved(disk, step);
    REQUIRE(found.size() == 3);
    CHECK(found[0] == parts[0]);
    CHECK(found[1] == parts[1]);
    CHECK(found[2].starts_with(parts[2]));
    CHECK(found[2].size() < parts[2].size() + 512);
  }
}

TEST_CASE("Nothing is carved out of what holds no mail", "[mail][carve]") {
  CHECK(carved("", 1).empty());
  CHECK(carved(std::string(5000, '\0'), 100).empty());
  CHECK(carved("From time to time\nFrom a@b Thu Jan  1 00:00:00 1970\nprose\n", 9).empty());
}

}  // namespace
}  // namespace pop::test
