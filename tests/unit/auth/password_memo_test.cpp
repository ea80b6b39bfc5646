#include "auth/password_memo.h"

#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "support/catch.h"

namespace pop {
namespace {

using std::chrono::seconds;

const PasswordMemo::Time now{std::chrono::hours{24}};

TEST_CASE("A password is known with its subject and until its time has passed", "[auth][memo]") {
  Result<PasswordMemo> memo = PasswordMemo::create(seconds{60});
  REQUIRE(memo);
  const Secret right{"right"};
  CHECK_FALSE(memo->knows("jo", right, now));
  memo->learn("jo", right, now);
  CHECK(memo->knows("jo", right, now));
  CHECK(memo->knows("jo", right, now + seconds{59}));
  CHECK_FALSE(memo->knows("jo", right, now + seconds{60}));
  CHECK_FALSE(memo->knows("kim", right, now));
  CHECK_FALSE(memo->knows("jo", Secret{"wrong"}, now));
  CHECK_FALSE(memo->knows("jor", Secret{"ight"}, now));
  CHECK_FALSE(memo->knows("", Secret{"joright"}, now));
  CHECK_FALSE(PasswordMemo::create(seconds{60})->knows("jo", right, now));
}

TEST_CASE("A memo takes the same room however much it learns", "[auth][memo]") {
  Result<PasswordMemo> memo = PasswordMemo::create(seconds{60});
  REQUIRE(memo);
  for (int i = 0; i < 10'000; ++i) memo->learn("user" + std::to_string(i), Secret{"right"}, now);
  std::size_t known = 0;
  for (int i = 0; i < 10'000; ++i) {
    if (memo->knows("user" + std::to_string(i), Secret{"right"}, now)) ++known;
  }
  CHECK(known > PasswordMemo::slots / 2);
  CHECK(known <= PasswordMemo::slots);
}

TEST_CASE("A forked child knows nothing of what its parent remembers", "[auth][memo]") {
  Result<PasswordMemo> memo = PasswordMemo::create(seconds{60});
  REQUIRE(memo);
  memo->learn("jo", Secret{"right"}, now);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(memo->knows("jo", Secret{"right"}, now) ? 1 : 0);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(memo->knows("jo", Secret{"right"}, now));
}

}  // namespace
}  // namespace pop
