#include "auth/login_name.h"

#include "support/catch.h"

namespace pop {
namespace {

struct Row {
  const char* typed;
  const char* user;
  const char* folder;
};

void check_rows(const Settings& settings, std::initializer_list<Row> rows) {
  const LoginNames names{settings};
  for (const Row& row : rows) {
    CAPTURE(row.typed);
    const LoginName name = names.treat(row.typed);
    CHECK(name.user == row.user);
    CHECK(name.folder == row.folder);
  }
}

TEST_CASE("Without any option a name is taken as it is", "[auth][name]") {
  check_rows({}, {{"jo", "jo", ""},
                  {"Jo@Example.org", "Jo@Example.org", ""},
                  {"jo+x", "jo+x", ""},
                  {"", "", ""}});
}

TEST_CASE("The suffix -no-mime behind a name asks for text and is no part of it", "[auth][name]") {
  struct Typed {
    const char* name;
    const char* user;
    bool as_text;
  };
  const LoginNames names{{}};
  for (const Typed& typed : {Typed{"jo-no-mime", "jo", true},
                             {"jo-no-mime-no-mime", "jo-no-mime", true},
                             {"jo-no-mime-mime", "jo-no-mime", false},
                             {"jo-no-mime-mime-mime", "jo-no-mime-mime", false},
                             {"jo@example.org-no-mime", "jo@example.org", true},
                             {"-no-mime", "-no-mime", false},
                             {"-no-mime-mime", "-no-mime-mime", false},
                             {"jo-mime", "jo-mime", false},
                             {"mime", "mime", false},
                             {"jo-NO-MIME", "jo-NO-MIME", false},
                             {"jo-no-mime@example.org", "jo-no-mime@example.org", false}}) {
    CAPTURE(typed.name);
    const LoginName name = names.treat(typed.name);
    CHECK(name.user == typed.user);
    CHECK(name.as_text == typed.as_text);
  }
}

TEST_CASE("The suffix -no-mime is cut off after the domain and before the folder", "[auth][name]") {
  Settings settings;
  settings.downcase_user = settings.trim_domain = true;
  settings.folder = "[+]([^%@/]*)";
  check_rows(settings, {{"Jo-No-Mime@example.org", "jo", ""},
                        {"jo+lists-no-mime@example.org", "jo", "lists"},
                        {"jo-no-mime+lists", "jo-no-mime", "lists"}});
  CHECK(LoginNames{settings}.treat("JO-NO-MIME@x").as_text);
  CHECK_FALSE(LoginNames{settings}.treat("jo@x-no-mime").as_text);
}

TEST_CASE("Nothing is cut off the name that others have proved", "[auth][name]") {
  struct Claim {
    const char *typed, *owner;
    bool plain, treated;
  };
  Settings settings;
  settings.downcase_user = settings.trim_domain = true;
  settings.folder = "[+]([^%@/]*)";
  const LoginNames plain{{}}, treated{settings};
  for (const Claim& claim : {Claim{"jo", "jo", true, true},
                             {"jo@example.org", "jo", false, true},
                             {"Jo+lists@example.org", "jo", false, true},
                             {"jo", "Jo", false, true},
                             {"jo", "jo@elsewhere", false, false},
                             {"jo@elsewhere", "jo@elsewhere", true, false},
                             {"jo+lists", "jo+lists", true, false},
                             {"jo", "jo+lists", false, false},
                             {"", "@elsewhere", false, false},
                             {"al", "jo", false, false}}) {
    CAPTURE(claim.typed, claim.owner);
    CHECK(plain.stands_for(claim.typed, claim.owner) == claim.plain);
    CHECK(treated.stands_for(claim.typed, claim.owner) == claim.treated);
  }
}

TEST_CASE("downcase-user knows ASCII letters only", "[auth][name]") {
  Settings settings;
  settings.downcase_user = true;
  check_rows(settings, {{"MaiDa", "maida", ""}, {"J\xc3\x96", "j\xc3\x96", ""}});
}

TEST_CASE("trim-domain cuts at the first @", "[auth][name]") {
  Settings settings;
  settings.trim_domain = true;
  check_rows(settings, {{"maida@example.org", "maida", ""},
                        {"a@b@c", "a", ""},
                        {"@x", "", ""},
                        {"Maida", "Maida", ""}});
}

TEST_CASE("folder: the parenthesis is the folder, the name stands before the match",
          "[auth][name]") {
  Settings settings;
  settings.folder = "[+]([^%@/]*)";
  check_rows(settings, {{"jo+lists", "jo", "lists"},
                        {"jo+a+b", "jo", "a+b"},
                        {"jo", "jo", ""},
                        {"jo+", "jo", ""},
                        {"+x", "", "x"},
                        {"jo+x@example.org", "jo", "x"}});
}

TEST_CASE("Names are made lowercase, then trimmed, then searched for a folder", "[auth][name]") {
  Settings settings;
  settings.downcase_user = settings.trim_domain = true;
  settings.folder = "[+]([a-z]*)$";
  check_rows(settings,
             {{"Jo+LISTS@Example.org", "jo", "lists"}, {"Jo@Example.org+lists", "jo", ""}});
}

TEST_CASE("A folder's name leads nowhere else", "[auth][name]") {
  for (const std::string_view good : {"", "lists", "a.b", "a b", "J\xc3\x96"}) {
    CAPTURE(good);
    CHECK(is_safe_folder(good));
  }
  for (const std::string_view bad :
       {std::string_view{"."}, std::string_view{".."}, std::string_view{"../x"},
        std::string_view{"a/b"}, std::string_view{"a..b"}, std::string_view{".a"},
        std::string_view{"a."}, std::string_view{"a\n"}, std::string_view{"a\0b", 3}}) {
    CAPTURE(bad);
    CHECK_FALSE(is_safe_folder(bad));
  }
  CHECK(is_safe_folder(std::string(128, 'a')));
  CHECK_FALSE(is_safe_folder(std::string(129, 'a')));
}

}  // namespace
}  // namespace pop
