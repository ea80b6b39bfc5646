#include "tool/json.h"

#include "support/catch.h"

namespace pop {
namespace {

TEST_CASE("Results become JSON, in the order given", "[tool][json]") {
  const Json json{Json::Array{
      {Json::Object{{"z", {std::string{"a \"b\"\n"}}}, {"a", {std::uint64_t{4294967294U}}}}},
      {true},
      {nullptr},
      {Json::Array{}}}};
  CHECK(to_text(json) == R"([
  {
    "z": "a \"b\"\n",
    "a": 4294967294
  },
  true,
  null,
  []
]
)");
}

TEST_CASE("What is not UTF-8 does not spoil the JSON", "[tool][json]") {
  CHECK(to_text({std::string{"j\xf6"}}) == "\"j\xef\xbf\xbd\"\n");
}

TEST_CASE("JSON on a line is read back as it was", "[tool][json]") {
  const Json json{
      Json::Object{{"a", {Json::Array{{}, {true}, {std::uint64_t{18446744073709551615U}}}}},
                   {"b\n", {"\"\xC3\xA9"}}}};
  const std::string line = to_line(json);
  CHECK(line == "{\"a\":[null,true,18446744073709551615],\"b\\n\":\"\\\"\xC3\xA9\"}");
  const Result<Json> read = parse_json(line);
  REQUIRE(read);
  CHECK(to_line(*read) == line);
  REQUIRE(find_member(*read, "b\n"));
  CHECK(find_member(*read, "c") == nullptr);
  CHECK(find_member(Json{}, "c") == nullptr);
}

TEST_CASE("JSON that was not written here is refused", "[tool][json]") {
  for (const std::string& text :
       {std::string{}, std::string{"{"}, std::string{"-1"}, std::string{"1.5"}, std::string{"nul"},
        std::string{"[1] 2"}, std::string(100'000, '[') + std::string(100'000, ']')}) {
    CAPTURE(text.substr(0, 10));
    CHECK_FALSE(parse_json(text));
  }
}

}  // namespace
}  // namespace pop
