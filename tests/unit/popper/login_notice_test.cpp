#include "popper/notify/login_notice.h"
#include "daemon/handover.h"

#include "popper/notify/login_notifier.h"
#include "support/catch.h"

using namespace pop;

namespace {

LoginNotice sample() {
  return {LoginNotice::Kind::logout,
          "jo",
          "Jo@example.org",
          "192.0.2.7",
          "client.example.org",
          "pop.test",
          "c-1",
          1'800'000'000};
}

}  // namespace

TEST_CASE("A login notice comes back as it was sent", "[popper][notify]") {
  for (const LoginNotice& notice : {sample(), LoginNotice{}}) {
    const Result<LoginNotice> back = decode_login_notice(encode(notice));
    REQUIRE(back);
    CHECK(*back == notice);
  }
  LoginNotice odd = sample();
  odd.user = std::string("\0\n\xff", 3);
  CHECK(decode_login_notice(encode(odd)).value() == odd);
}

TEST_CASE("A cut, longer or changed notice is refused or is another notice", "[popper][notify]") {
  const std::string record = encode(sample());
  for (std::size_t size = 0; size < record.size(); ++size) {
    CHECK(!decode_login_notice(std::string_view{record}.substr(0, size)));
  }
  CHECK(!decode_login_notice(record + "x"));
  for (std::size_t at = 0; at < record.size(); ++at) {
    std::string changed = record;
    changed[at] = static_cast<char>(changed[at] ^ 0x81);
    const Result<LoginNotice> decoded = decode_login_notice(changed);
    if (decoded) CHECK(encode(*decoded) == changed);
  }
}

TEST_CASE("A field of a notice is cut rather than lost", "[popper][notify]") {
  LoginNotice long_name = sample();
  long_name.client_name = std::string(100'000, 'x');
  const std::string record = encode(long_name);
  CHECK(record.size() < 16 * 1024);
  CHECK(decode_login_notice(record)->client_name == std::string(longest_notice_field, 'x'));
}

TEST_CASE("Notices are wanted when a service is named", "[popper][notify]") {
  CHECK(!wants_notices(Settings{}));
  const auto with = [](std::string Settings::*field) {
    Settings settings;
    settings.*field = "h.example.org";
    return settings;
  };
  CHECK(wants_notices(with(&Settings::logudp_destination)));
  CHECK(wants_notices(with(&Settings::drac_host)));
  CHECK(wants_notices(with(&Settings::whoson_server)));
  CHECK(wants_logout_notices(with(&Settings::whoson_server)));
  CHECK(!wants_logout_notices(with(&Settings::drac_host)));
  Settings sql = with(&Settings::loginfo_host);
  CHECK(!wants_notices(sql));
  sql.loginfo_query = "SELECT 1";
  CHECK(wants_notices(sql));
}

TEST_CASE("Secrets of notices can be forgotten without changing who is told", "[popper][notify]") {
  Settings settings;
  settings.logudp_destination = "192.0.2.1:5000";
  settings.logudp_secret = "sesame";
  CHECK(has_notice_secrets(settings));
  settings.logudp_secret.clear();
  CHECK(!has_notice_secrets(settings));
  settings.loginfo_password = "hidden";
  CHECK(has_notice_secrets(settings));
  settings.logudp_secret = "sesame";
  forget_notice_secrets(settings);
  CHECK(!has_notice_secrets(settings));
  CHECK(settings.logudp_secret.empty());
  CHECK(settings.loginfo_password.empty());
  CHECK(wants_notices(settings));
}

TEST_CASE("A reload keeps the notifier when nothing about notices has changed",
          "[popper][notify]") {
  Settings before, after;
  after.timeout = std::chrono::seconds{5};
  CHECK(have_same_notices(before, after));
  after.logudp_secret = "x";
  CHECK(!have_same_notices(before, after));
}
