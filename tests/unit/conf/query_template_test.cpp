#include "conf/query_template.h"

#include "support/catch.h"

using namespace pop;

namespace {

/// Each placeholder as {user} and so on.
std::string shape_of(std::string_view text) {
  const Judged<QueryTemplate> query = QueryTemplate::parse(text);
  if (!query) return "refused: " + query.error();
  std::string shape;
  for (const QueryTemplate::Piece& piece : query->pieces()) {
    constexpr std::string_view names[] = {"", "{user}", "{address}", "{host}"};
    shape += piece.text;
    shape += names[static_cast<std::size_t>(piece.then)];
  }
  return shape;
}

bool is_refused(std::string_view text) {
  return shape_of(text).starts_with("refused: ");
}

}  // namespace

TEST_CASE("Placeholders of a statement stand for whole literals", "[conf][sql]") {
  CHECK(shape_of("INSERT INTO t VALUES (%u, %a,%h)") ==
        "INSERT INTO t VALUES ({user}, {address},{host})");
  CHECK(shape_of("CALL seen('%u', \"%a\", '%h')") == "CALL seen({user}, {address}, {host})");
  CHECK(shape_of("%u%u") == "{user}{user}");
  CHECK(shape_of("SELECT 5 %% 2, '%Y-%m', '%%h', 7 % 3, 'it''s', \"a\\\"b\"") ==
        "SELECT 5 % 2, '%Y-%m', '%h', 7 % 3, 'it''s', \"a\\\"b\"");
  CHECK(shape_of("") == "");
  CHECK(shape_of("100%") == "100%");
}

TEST_CASE("A placeholder inside a longer text would let a user name write SQL", "[conf][sql]") {
  CHECK(is_refused("'x%u'"));
  CHECK(is_refused("'%u@%h'"));
  CHECK(is_refused("\"%a \""));
  CHECK(is_refused("`%u`"));
  CHECK(is_refused("'%u''x'"));
  CHECK(is_refused("'\\'%u'"));
  CHECK(is_refused("'open"));
  CHECK(is_refused("'%u' 'x"));
}
