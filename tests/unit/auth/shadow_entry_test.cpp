#include "auth/shadow_entry.h"

#include <unistd.h>

#include "support/catch.h"

namespace pop {
namespace {

struct Row {
  std::int64_t last_change, maximum_age, inactive, expires;
  const char* strictly;   // "" for let in
  const char* leniently;  // without check-password-expired
};

std::string why_not(const ShadowEntry& entry, ExpiredPassword expired) {
  const Result<void> passed = check_expiry(entry, 20'000, expired);
  return passed ? "" : passed.error().text;
}

TEST_CASE("Accounts and passwords expire as shadow(5) says", "[auth][shadow]") {
  const char* const inactive = "password expired, and inactive since";
  for (const Row& row : {
           Row{19'000, 99'999, -1, -1, "", ""},
           Row{-1, -1, -1, -1, "", ""},
           Row{-1, 10, 5, -1, "", ""},  // when it was changed is not known
           Row{19'990, 10, -1, -1, "", ""},
           Row{19'989, 10, -1, -1, "password expired", ""},
           Row{19'989, 10, 1, -1, "password expired", ""},
           Row{19'989, 10, 0, -1, inactive, inactive},
           Row{20'005, 10, 0, -1, "", ""},  // the clock went back
           Row{0, 99'999, -1, -1, "password expired: it must be changed", ""},
           Row{19'000, 99'999, -1, 20'001, "", ""},
           Row{19'000, 99'999, -1, 20'000, "account expired", "account expired"},
           Row{19'000, 99'999, -1, 0, "account expired", "account expired"},
       }) {
    ShadowEntry entry;
    entry.last_change = row.last_change;
    entry.maximum_age = row.maximum_age;
    entry.inactive = row.inactive;
    entry.expires = row.expires;
    CAPTURE(row.last_change, row.maximum_age, row.inactive, row.expires);
    CHECK(why_not(entry, ExpiredPassword::deny) == row.strictly);
    CHECK(why_not(entry, ExpiredPassword::accept) == row.leniently);
  }
}

TEST_CASE("Unknown users have no entry", "[auth][shadow][root]") {
  if (::geteuid() != 0) return;
  const Result<std::optional<ShadowEntry>> none = find_shadow_entry("no-such-user-here");
  REQUIRE(none);
  CHECK_FALSE(*none);
  const Result<std::optional<ShadowEntry>> root = find_shadow_entry("root");
  REQUIRE(root);
  CHECK(*root);
}

}  // namespace
}  // namespace pop
