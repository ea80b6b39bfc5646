#include "popper/session_groups.h"

#include "support/catch.h"

namespace pop {
namespace {

struct Row {
  bool server_mode;
  std::string on, off;
  bool expected;
};

TEST_CASE("Groups turn server mode on, and others off again", "[popper][session]") {
  const std::vector<std::string> groups{"users", "staff"};
  for (const Row& row :
       {Row{false, "", "", false}, Row{true, "", "", true}, Row{false, "users", "", true},
        Row{false, "staff", "", true}, Row{false, "other", "", false}, Row{true, "other", "", true},
        Row{true, "", "staff", false}, Row{true, "", "other", true},
        Row{false, "users", "staff", false}, Row{false, "users", "users", false},
        Row{false, "users", "other", true}, Row{true, "other", "users", false}}) {
    CAPTURE(row.server_mode, row.on, row.off);
    Settings settings;
    settings.server_mode = row.server_mode;
    settings.group_server_mode = row.on;
    settings.group_no_server_mode = row.off;
    CHECK(server_mode_by_group(settings, groups) == row.expected);
  }
}

TEST_CASE("An option that names no group is nobody's", "[popper][session]") {
  Settings settings;
  settings.server_mode = true;
  CHECK(server_mode_by_group(settings, std::vector<std::string>{""}));
  settings.server_mode = false;
  CHECK_FALSE(server_mode_by_group(settings, std::vector<std::string>{""}));
}

TEST_CASE("Groups are looked up where an option asks for them", "[popper][session]") {
  Account account;
  account.name = "nobody-of-that-name";
  account.gid = 0;
  CHECK(session_groups(account, Settings{}).empty());
  Settings bulletins, on, off;
  bulletins.group_bulletins = true;
  on.group_server_mode = "x";
  off.group_no_server_mode = "x";
  for (const Settings* settings : {&bulletins, &on, &off}) {
    CHECK(session_groups(account, *settings) == std::vector<std::string>{"root"});
  }
}

}  // namespace
}  // namespace pop
