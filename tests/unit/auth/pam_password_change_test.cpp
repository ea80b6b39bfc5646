#include "auth/pam_password_change.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("Prompts of the usual modules get the password that they mean", "[auth][pam]") {
  const auto is_new = [](std::string_view prompt, bool answered) {
    return pam_answer_to(prompt, answered) == PamAnswer::new_password;
  };
  for (const bool answered : {false, true}) {
    for (const char* prompt :
         {"New password: ", "Retype new password: ", "Enter new UNIX password:",
          "Retype new UNIX password: ", "Reenter new Password: ", "Enter it again: ",
          "Repeat password:", "New STRESS password: ", "Confirm password: "}) {
      CAPTURE(prompt);
      CHECK(is_new(prompt, answered));
    }
    for (const char* prompt :
         {"Current password: ", "(current) UNIX password: ", "Current Kerberos password: ",
          "Old Password: ", "(current) LDAP Password: ", "Confirm your current password: "}) {
      CAPTURE(prompt);
      CHECK(!is_new(prompt, answered));
    }
  }
  CHECK(!is_new("Password: ", false));
  CHECK(is_new("Password: ", true));
}
