#include "pop3/bearer_message.h"

#include "support/catch.h"

using namespace pop;

namespace {

std::string shown(const std::optional<BearerMessage>& message) {
  return message ? message->user + "/" + std::string{message->token} : "malformed";
}

}  // namespace

TEST_CASE("What is a message of OAUTHBEARER", "[pop3][oauth]") {
  struct Row {
    std::string_view text, meaning;
  };
  const Row rows[] = {
      {"n,a=jo@example.org,\1host=h.example\1port=995\1auth=Bearer vF9dft4q==\1\1",
       "jo@example.org/vF9dft4q=="},
      {"n,,\1auth=Bearer t\1\1", "/t"},
      {"y,,\1auth=bearer  a-._~+/9=\1\1", "/a-._~+/9="},
      {"n,a=jo=2Ca=3D,\1auth=Bearer t\1\1", "jo,a=/t"},
      {"n,,\1host=\1auth=Bearer t\1qop=auth int\1\1", "/t"},
      {"", "malformed"},
      {"n", "malformed"},
      {"n,", "malformed"},
      {"n,,", "malformed"},
      {"n,,\1", "malformed"},
      {"n,,\1\1", "malformed"},
      {"n,,auth=Bearer t\1\1", "malformed"},
      {"n,,\1auth=Bearer t\1", "malformed"},
      {"n,,\1auth=Bearer t", "malformed"},
      {"n,,\1auth=Bearer t\1\1\1", "malformed"},
      {"n,,\1auth=Bearer t\1\1x", "malformed"},
      {"n,,\1auth=Bearer \1\1", "malformed"},
      {"n,,\1auth=Bearer ==\1\1", "malformed"},
      {"n,,\1auth=Bearer a=b\1\1", "malformed"},
      {"n,,\1auth=Bearer a b\1\1", "malformed"},
      {"n,,\1auth=Bearer a\nuser x\1\1", "malformed"},
      {"n,,\1auth=Basic t\1\1", "malformed"},
      {"n,,\1auth=Bearer t\1auth=Bearer u\1\1", "malformed"},
      {"n,,\1=x\1auth=Bearer t\1\1", "malformed"},
      {"n,,\1host\1auth=Bearer t\1\1", "malformed"},
      {"n,,\1h0st=x\1auth=Bearer t\1\1", "malformed"},
      {"n,,\1host=\x80\1auth=Bearer t\1\1", "malformed"},
      {"p=tls-unique,,\1auth=Bearer t\1\1", "malformed"},
      {"n,jo,\1auth=Bearer t\1\1", "malformed"},
      {"n,a=,\1auth=Bearer t\1\1", "malformed"},
      {"n,a=j=o,\1auth=Bearer t\1\1", "malformed"},
      {"n,a=j=2,\1auth=Bearer t\1\1", "malformed"},
      {"n,a=j o,\1auth=Bearer t\1\1", "malformed"},
      {"n,a=j\no,\1auth=Bearer t\1\1", "malformed"},
      {{"n,a=j\0o,\1auth=Bearer t\1\1", 24}, "malformed"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(shown(parse_oauthbearer(row.text)) == row.meaning);
  }
  const std::string name(longest_bearer_user, 'j');
  CHECK(parse_oauthbearer("n,a=" + name + ",\1auth=Bearer t\1\1"));
  CHECK_FALSE(parse_oauthbearer("n,a=j" + name + ",\1auth=Bearer t\1\1"));
}

TEST_CASE("What is a message of XOAUTH2", "[pop3][oauth]") {
  CHECK(shown(parse_xoauth2("user=jo@example.org\1auth=Bearer ya29.vF==\1\1")) ==
        "jo@example.org/ya29.vF==");
  for (const std::string_view text :
       {"", "user=", "user=jo", "user=jo\1\1", "user=jo\1auth=Bearer t\1",
        "user=jo\1auth=Bearer \1\1", "user=\1auth=Bearer t\1\1", "auth=Bearer t\1user=jo\1\1",
        "user=jo\1auth=Basic t\1\1", "user=jo\1x=y\1auth=Bearer t\1\1",
        "user=jo\1auth=Bearer t\1x=y\1\1", "user=j o\1auth=Bearer t\1\1",
        "user=jo\1auth=Bearer t\n\1\1", "user=jo\1auth=Bearer t\1\1\1", "n,,\1auth=Bearer t\1\1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_xoauth2(text));
  }
}
