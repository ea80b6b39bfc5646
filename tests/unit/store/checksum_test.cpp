#include "store/checksum.h"

#include <set>
#include <string>

#include "support/catch.h"

namespace pop {
namespace {

TEST_CASE("a checksum does not depend on how the octets were cut", "[checksum]") {
  const std::string octets(100'000, 'x');
  Checksum in_pieces;
  in_pieces.update(std::string_view{octets}.substr(0, 7));
  in_pieces.update(std::string_view{octets}.substr(7));
  CHECK(in_pieces.value() == checksum_of({octets}));
  CHECK(checksum_of({"ab", "", "c"}) == checksum_of({"abc"}));
}

TEST_CASE("a checksum is the XXH3-64 that the format names", "[checksum]") {
  CHECK(checksum_of({""}) == 0x2d06800538d394c2u);
}

TEST_CASE("octets of a table are those of its elements in order", "[checksum]") {
  const std::vector<char> table{'a', 'b', 'c'};
  CHECK(octets_of(table) == "abc");
  const char part[2] = {'d', 'e'};
  CHECK(octets_of(part) == "de");
}

TEST_CASE("ids that collide for one seed do not for the next", "[checksum]") {
  std::set<std::size_t> hashes;
  for (int i = 0; i < 8; ++i) hashes.insert(new_id_hash()("the same id"));
  CHECK(hashes.size() == 8);
}

}  // namespace
}  // namespace pop
