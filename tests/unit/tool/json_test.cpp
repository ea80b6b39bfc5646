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

}  // namespace
}  // namespace pop
