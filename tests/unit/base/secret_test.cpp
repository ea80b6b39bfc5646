#include "base/secret.h"

#include <type_traits>
#include <utility>

#include "support/catch.h"

using namespace pop;

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_convertible_v<std::string_view, Secret>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);

TEST_CASE("Secret keeps octets of any value", "[base]") {
  const std::string_view octets{"pa\0ss\xff\n", 7};
  const Secret secret{octets};
  CHECK(secret.octets() == octets);
  CHECK(!secret.empty());
  CHECK(secret.clone().octets() == octets);
  CHECK(Secret{}.empty());
  CHECK(Secret{""}.empty());
  CHECK(Secret{}.octets().empty());
}

TEST_CASE("Secret moves and leaves nothing behind", "[base]") {
  Secret first{"geheim"};
  Secret second{std::move(first)};
  CHECK(first.empty());
  CHECK(second.octets() == "geheim");
  Secret third{"old"};
  third = std::move(second);
  CHECK(third.octets() == "geheim");
  CHECK(second.empty());
}

TEST_CASE("wipe overwrites", "[base]") {
  std::string text = "geheim";
  wipe(text);
  CHECK(text == std::string(6, '\0'));
}

TEST_CASE("equal_in_constant_time compares length and every octet", "[base]") {
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time("geheim", "geheim"));
  CHECK(!equal_in_constant_time("geheim", "geheimx"));
  CHECK(!equal_in_constant_time("", "x"));
  const std::string whole = "geheim";
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string other = whole;
    other[i] = static_cast<char>(other[i] ^ 1);
    CHECK(!equal_in_constant_time(whole, other));
  }
}
