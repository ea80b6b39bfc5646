#include "bull/bulletin_name.h"

#include "support/catch.h"

namespace pop {
namespace {

TEST_CASE("A bulletin's number and group stand in its file's name", "[bull][name]") {
  const std::vector<std::tuple<std::string, std::uint64_t, std::string>> names{
      {"23.pophost_down_sunday", 23, "pophost_down_sunday"},
      {"00001.Bulletin_one", 1, "Bulletin_one"},
      {"001.staff.new_program_installed", 1, "staff"},
      {"7", 7, ""},
      {"7news", 7, ""},
      {"7news.ALL.x.y", 7, "ALL"},
      {"8..x", 8, ""},
      {"9223372036854775807.x", 9223372036854775807u, "x"},
  };
  for (const auto& [file, number, group] : names) {
    CAPTURE(file);
    CHECK(bulletin_name(file) == BulletinName{number, file, group});
  }
}

TEST_CASE("What does not begin with a number from 1 on is no bulletin", "[bull][name]") {
  for (const std::string_view file :
       {"", "README", ".7.x", "0.x", "000", "bulldb", "-7.x", "7.x~", "9223372036854775808.x",
        "99999999999999999999999.x", "retracted.7.x"}) {
    CAPTURE(file);
    CHECK_FALSE(bulletin_name(file));
  }
}

TEST_CASE("A retracted bulletin's name keeps its number", "[bull][name]") {
  const BulletinName name = *bulletin_name("7.staff.x");
  CHECK(retracted_name(name) == "retracted.7.staff.x");
  CHECK(name_before_retraction("retracted.7.staff.x") == name);
  CHECK_FALSE(name_before_retraction("7.staff.x"));
  CHECK_FALSE(name_before_retraction("retracted.x"));
}

}  // namespace
}  // namespace pop
