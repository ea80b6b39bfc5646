#include "store/maildir_name.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("a Maildir name tells base, delivery time, sizes and flags", "[store][maildir]") {
  const MaildirName name = parse_maildir_name("1234567890.M5P7V1I2_0.host,S=4321,W=4400:2,FRS");
  CHECK(name.base == "1234567890.M5P7V1I2_0.host,S=4321,W=4400");
  CHECK(name.info == "2,FRS");
  CHECK(name.delivered == 1234567890);
  CHECK(name.stored_size == 4321u);
  CHECK(name.wire_size == 4400u);
  CHECK(name.has_flag('S'));
  CHECK(!name.has_flag('T'));
  CHECK(!name.has_flag('2'));
}

TEST_CASE("a Maildir name without all of that says so", "[store][maildir]") {
  for (const std::string_view text : {"x", "host.1", "", ":2,", "99999999999999999999.a"}) {
    CAPTURE(text);
    const MaildirName name = parse_maildir_name(text);
    CHECK(name.delivered == 0);
    CHECK(!name.stored_size);
    CHECK(!name.wire_size);
    CHECK(!name.has_flag('S'));
  }
  CHECK(!parse_maildir_name("1.a,S=12x").stored_size);
  CHECK(!parse_maildir_name("1.a,S=,W=-1").stored_size);
  CHECK(!parse_maildir_name("1.a,S=,W=-1").wire_size);
  CHECK(!parse_maildir_name("1.a:1,S").has_flag('S'));
  CHECK(!parse_maildir_name("1.a:2,,S=5").stored_size);
}

TEST_CASE("the flag S gets its place among the others", "[store][maildir]") {
  CHECK(seen_maildir_name("1.a") == "1.a:2,S");
  CHECK(seen_maildir_name("1.a:2,") == "1.a:2,S");
  CHECK(seen_maildir_name("1.a:2,FRTa") == "1.a:2,FRSTa");
  CHECK(seen_maildir_name("1.a:2,S") == "1.a:2,S");
  CHECK(seen_maildir_name("1.a:1,x") == std::nullopt);
}
