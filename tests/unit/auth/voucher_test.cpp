#include "auth/voucher.h"

#include "support/catch.h"

using namespace pop;

namespace {

VoucherKey new_key() {
  return std::move(*VoucherKey::open(*VoucherKey::create()));
}

const Voucher jos{7, "jo", "jo@EXAMPLE.ORG", 1000};

}  // namespace

TEST_CASE("A voucher is read by whoever has its key, until it expires", "[auth][voucher]") {
  const Result<Fd> memory = VoucherKey::create();
  REQUIRE(memory);
  const Result<VoucherKey> maker = VoucherKey::open(*memory), reader = VoucherKey::open(*memory);
  REQUIRE(maker);
  REQUIRE(reader);
  const std::string sealed = maker->seal(jos);
  CHECK(*reader->open(sealed, 1000) == jos);
  CHECK(reader->open(sealed, 1001).error().code == Errc::denied);
  CHECK(new_key().open(sealed, 1000).error().code == Errc::denied);
}

TEST_CASE("A voucher with any bit changed, or cut, or longer, is none", "[auth][voucher]") {
  const VoucherKey key = new_key();
  const std::string sealed = key.seal(jos);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << (bit % 8));
    REQUIRE_FALSE(key.open(changed, 0));
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    REQUIRE_FALSE(key.open(sealed.substr(0, size), 0));
  }
  CHECK_FALSE(key.open(sealed + '\0', 0));
}
