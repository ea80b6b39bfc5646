#include "auth/login_policy.h"

#include "auth/account.h"
#include "support/catch.h"

namespace pop {
namespace {

TEST_CASE("Who may send a password in the clear", "[auth][policy]") {
  struct Row {
    ClearText policy;
    ApopSecret secret;
    const char* address;
    bool allowed;
    bool over_tls = false;
  };
  constexpr auto absent = ApopSecret::absent;
  constexpr auto present = ApopSecret::present;
  for (const Row& row : {
           Row{ClearText::by_default, absent, "192.0.2.1", true},
           Row{ClearText::by_default, present, "192.0.2.1", false},
           Row{ClearText::by_default, present, "127.0.0.1", false},
           Row{ClearText::always, present, "192.0.2.1", true},
           Row{ClearText::always, absent, "192.0.2.1", true},
           Row{ClearText::never, absent, "127.0.0.1", false},
           Row{ClearText::never, present, "127.0.0.1", false},
           Row{ClearText::local, absent, "127.0.0.1", true},
           Row{ClearText::local, present, "::1", true},
           Row{ClearText::local, absent, "192.0.2.1", false},
           Row{ClearText::local, absent, "", false},
           Row{ClearText::tls, absent, "127.0.0.1", false},
           Row{ClearText::tls, absent, "192.0.2.1", true, true},
           Row{ClearText::tls, present, "192.0.2.1", true, true},
           Row{ClearText::by_default, present, "192.0.2.1", false, true},
           Row{ClearText::never, absent, "192.0.2.1", false, true},
           Row{ClearText::local, absent, "192.0.2.1", false, true},
       }) {
    CAPTURE(static_cast<int>(row.policy), static_cast<int>(row.secret), row.address);
    const Result<void> allowed =
        clear_text_allowed(row.policy, row.secret, {row.address, row.over_tls});
    CHECK(allowed.has_value() == row.allowed);
    if (!allowed) CHECK(allowed.error().code == Errc::denied);
  }
}

TEST_CASE("Loopback addresses in all their forms", "[auth][policy]") {
  for (const char* address :
       {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"}) {
    CAPTURE(address);
    CHECK(is_loopback(address));
  }
  for (const char* address : {"", "126.255.255.255", "128.0.0.1", "::", "::2", "::ffff:10.0.0.1",
                              "fe80::1", "localhost", "127.0.0.1 ", "127.1", "::127.0.0.1"}) {
    CAPTURE(address);
    CHECK_FALSE(is_loopback(address));
  }
}

TEST_CASE("A password is asked for only where it can lead to a login", "[auth][policy]") {
  for (const char* address : {"127.0.0.1", "192.0.2.1"}) {
    CAPTURE(address);
    CHECK(clear_text_offered(ClearText::always, {address}));
    CHECK(clear_text_offered(ClearText::by_default, {address}));
    CHECK_FALSE(clear_text_offered(ClearText::never, {address}));
    CHECK_FALSE(clear_text_offered(ClearText::tls, {address}));
    CHECK(clear_text_offered(ClearText::tls, {address, true}));
    CHECK_FALSE(clear_text_offered(ClearText::never, {address, true}));
  }
  CHECK(clear_text_offered(ClearText::local, {"::1"}));
  CHECK_FALSE(clear_text_offered(ClearText::local, {"192.0.2.1"}));
}

TEST_CASE("Names that may become part of a file name", "[auth][account]") {
  for (const std::string& name : {std::string{"jo"}, std::string{"jo.doe"}, std::string{"jo-doe"},
                                  std::string{"jo@example.org"}, std::string{"j\xc3\xb6"},
                                  std::string{"a b"}, std::string(64, 'a')}) {
    CAPTURE(name);
    CHECK(is_safe_user_name(name));
  }
  for (const std::string& name :
       {std::string{}, std::string{"."}, std::string{".."}, std::string{".jo"}, std::string{"-jo"},
        std::string{"jo/al"}, std::string{"../al"}, std::string{"jo\n"}, std::string{"jo\0", 3},
        std::string{"\x7f"}, std::string(65, 'a')}) {
    CAPTURE(name);
    CHECK_FALSE(is_safe_user_name(name));
  }
}

TEST_CASE("System accounts come from NSS", "[auth][account]") {
  const Result<Account> root = find_system_account("root");
  REQUIRE(root);
  CHECK(root->uid == 0);
  CHECK(root->name == "root");
  CHECK_FALSE(root->home.empty());
  CHECK_FALSE(root->is_virtual);
  const Result<Account> nobody = find_system_account("no-such-user-here");
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code == Errc::not_found);
}

}  // namespace
}  // namespace pop
