#include "auth/guess_hash.h"

#include <set>
#include <string>

#include "support/catch.h"

namespace pop {
namespace {

TEST_CASE("What failures are counted by depends on the seed and keeps few bits", "[auth][guess]") {
  const GuessHash hash{1}, other{2};
  const Secret password{"right horse"};
  CHECK(hash.of("jo", password) == GuessHash{1}.of("jo", password));
  CHECK(hash.of("jo", password).user != other.of("jo", password).user);
  CHECK(hash.of("jo").user == hash.of("jo", password).user);
  CHECK(hash.of("jo").user != hash.of("kim").user);
  CHECK(hash.of("jo").password == 0);
  CHECK(hash.of("jo", password).password == hash.of("kim", password).password);
  CHECK(hash.of("jo", Secret{}).password != 0);
  std::set<std::uint32_t> keys;
  unsigned differences = 0;
  for (int i = 0; i < 1000; ++i) {
    const Secret one{"password" + std::to_string(i)};
    const std::uint32_t key = hash.of("jo", one).password;
    REQUIRE(key >= 1);
    REQUIRE(key <= most_password_keys);
    keys.insert(key);
    if (key != other.of("jo", one).password) ++differences;
  }
  CHECK(keys.size() > 800);  // 886 are to be expected
  CHECK(differences > 990);
}

}  // namespace
}  // namespace pop
