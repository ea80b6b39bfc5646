#include "bull/seen_record.h"

#include "support/catch.h"

namespace pop {
namespace {

using Kind = SeenFile::Kind;

TEST_CASE("A .popbull holds a number, and what is owed", "[bull][seen]") {
  CHECK(to_popbull({23, {}}) == "23\n");
  CHECK(to_popbull({23, {7, 20}}) == "23\nowed 7 20\n");
  CHECK(from_popbull("23\n") == SeenFile{Kind::number, {23, {}}});
  CHECK(from_popbull("23\nowed 7 20\n") == SeenFile{Kind::number, {23, {7, 20}}});
}

TEST_CASE("What old programs and people left in a .popbull is understood", "[bull][seen]") {
  CHECK(from_popbull("") == SeenFile{Kind::all_seen, {}});
  CHECK(from_popbull("23") == SeenFile{Kind::number, {23, {}}});
  CHECK(from_popbull("  00023 \r\n") == SeenFile{Kind::number, {23, {}}});
  CHECK(from_popbull("23x\nthanks\n") == SeenFile{Kind::number, {23, {}}});
  CHECK(from_popbull("23\nowed 20 7 x 24 22\n") == SeenFile{Kind::number, {23, {20, 22}}});
  for (const std::string_view garbage : {"\n", "x", "-3\n", "99999999999999999999\n"}) {
    CAPTURE(garbage);
    CHECK(from_popbull(garbage) == SeenFile{});
  }
}

TEST_CASE("A database value is a long, as Qpopper wrote it", "[bull][seen]") {
  const long old = 23;
  const std::string_view octets{reinterpret_cast<const char*>(&old), sizeof old};
  CHECK(from_database_value(octets) == SeenRecord{23, {}});
  CHECK(to_database_value({23, {}}) == octets);
  const std::int32_t older = 22;
  CHECK(from_database_value({reinterpret_cast<const char*>(&older), sizeof older}) ==
        SeenRecord{22, {}});
  const SeenRecord with_debts{23, {7, 20}};
  CHECK(from_database_value(to_database_value(with_debts)) == with_debts);
  const long negative = -1;
  CHECK_FALSE(from_database_value({reinterpret_cast<const char*>(&negative), sizeof negative}));
  CHECK_FALSE(from_database_value(""));
  CHECK_FALSE(from_database_value("123456789"));
}

TEST_CASE("A record has what is up to its number and not owed", "[bull][seen]") {
  const SeenRecord record{23, {7, 20}};
  CHECK(record.has(23));
  CHECK(record.has(1));
  CHECK_FALSE(record.has(7));
  CHECK_FALSE(record.has(24));
}

}  // namespace
}  // namespace pop
