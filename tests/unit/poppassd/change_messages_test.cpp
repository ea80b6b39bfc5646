#include "poppassd/change_messages.h"

#include <string>

#include "support/catch.h"

using namespace pop;

TEST_CASE("Messages arrive as they were sent, whatever octets they hold", "[poppassd]") {
  const std::string odd{"a\0\r\n\xff", 5};
  const Result<ChangeRequest> request =
      decode_change_request(encode(ChangeRequest{odd, Secret{odd}, Secret{""}, true}));
  REQUIRE(request);
  CHECK(request->user == odd);
  CHECK(request->old_password.octets() == odd);
  CHECK(request->new_password.empty());
  CHECK(request->over_tls);
  const Result<Client> client = decode_client(encode(Client{"1f", "::1", ListenTls::stls}));
  REQUIRE(client);
  CHECK(client->connection == "1f");
  CHECK(client->address == "::1");
  CHECK(client->tls == ListenTls::stls);
  const Result<ChangeVerdict> verdict =
      decode_change_verdict(encode(ChangeVerdict{ChangeVerdict::Outcome::refused, "no"}));
  REQUIRE(verdict);
  CHECK(verdict->outcome == ChangeVerdict::Outcome::refused);
  CHECK(verdict->text == "no");
}

TEST_CASE("Nothing but a whole message of its kind is believed", "[poppassd]") {
  const std::string request = encode(ChangeRequest{"jo", Secret{"old"}, Secret{"new"}, false});
  for (std::size_t cut = 0; cut < request.size(); ++cut) {
    CHECK(!decode_change_request(request.substr(0, cut)));
  }
  CHECK(decode_change_request(request));
  CHECK(!decode_change_request(request + "x"));
  CHECK(!decode_client(request));
  CHECK(!decode_change_verdict(request));
  std::string flag = request;
  CHECK(!decode_change_request(encode(Client{"jo", "old", ListenTls::none})));
  const std::string verdict =
      encode(ChangeVerdict{ChangeVerdict::Outcome::refused, "a line\r\n200 more"});
  CHECK(!decode_change_verdict(verdict));
}
