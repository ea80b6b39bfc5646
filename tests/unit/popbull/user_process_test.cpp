#include "popbull/user_process.h"

#include <unistd.h>

#include <stdexcept>

#include "support/catch.h"

namespace pop {
namespace {

TEST_CASE("What a user's process returns comes over, whole", "[popbull][user]") {
  const std::string large(std::size_t{3} << 20, 'x');
  CHECK(run_as_user(std::nullopt, [&] { return Result<std::string>{large}; }) == large);
  CHECK(run_as_user(std::nullopt, [] { return Result<std::string>{""}; }) == "");
}

TEST_CASE("An error of a user's process stays that error", "[popbull][user]") {
  for (const Errc code : {Errc::usage, Errc::denied, Errc::io}) {
    const Result<std::string> said =
        run_as_user(std::nullopt, [&]() -> Result<std::string> { return fail(code, "why"); });
    REQUIRE_FALSE(said);
    CHECK(said.error().code == code);
    CHECK(said.error().text == "why");
  }
}

TEST_CASE("A user's process that dies or throws is an error", "[popbull][user]") {
  const Result<std::string> died =
      run_as_user(std::nullopt, []() -> Result<std::string> { ::_exit(0); });
  REQUIRE_FALSE(died);
  CHECK(died.error().code == Errc::io);
  const Result<std::string> thrown =
      run_as_user(std::nullopt, []() -> Result<std::string> { throw std::runtime_error{"a bug"}; });
  REQUIRE_FALSE(thrown);
  CHECK(thrown.error().text == "internal error: a bug");
}

TEST_CASE("A user's process is the user, and this one stays who it was", "[popbull][user]") {
  if (::getuid() != 0) return;
  const Identity identity{.uid = 12345, .gid = 12346, .groups = {}, .umask = 0077};
  const auto who = [] {
    return Result<std::string>{std::to_string(::getuid()) + " " + std::to_string(::getegid())};
  };
  CHECK(run_as_user(identity, who) == "12345 12346");
  CHECK(::geteuid() == 0);
}

}  // namespace
}  // namespace pop
