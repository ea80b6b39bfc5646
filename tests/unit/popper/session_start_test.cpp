#include "popper/session_start.h"

#include <string>

#include "support/catch.h"

namespace pop {
namespace {

SessionStart full_start() {
  SessionStart start;
  start.account = {.name = "jo@example.org",
                   .login = "Jo@example.org",
                   .folder = "lists/popper",
                   .uid = 4294967294,
                   .gid = 7,
                   .home = "/srv/mail/jo",
                   .maildrop = "/srv/mail/jo/Maildir",
                   .shell = "/bin/false",
                   .is_virtual = true,
                   .is_read_only = true,
                   .as_text = true};
  start.pipelined = std::string{"STAT\r\nLIST\r\n\0x", 14};
  start.address = "2001:db8::1";
  start.client_name = "client.example.org";
  start.connection = "1f00000001";
  start.authentication = std::chrono::milliseconds{1234};
  start.over_tls = true;
  start.mechanisms = 5;
  start.speech = {true, "de"};
  return start;
}

TEST_CASE("A session start comes out of its record as it went in", "[popper][session]") {
  const SessionStart before = full_start();
  const Result<SessionStart> after = decode_session_start(encode(before));
  REQUIRE(after);
  CHECK(after->account.name == before.account.name);
  CHECK(after->account.login == before.account.login);
  CHECK(after->account.folder == before.account.folder);
  CHECK(after->account.uid == before.account.uid);
  CHECK(after->account.gid == before.account.gid);
  CHECK(after->account.home == before.account.home);
  CHECK(after->account.maildrop == before.account.maildrop);
  CHECK(after->account.shell == before.account.shell);
  CHECK(after->account.is_read_only);
  CHECK(after->account.as_text);
  CHECK(after->account.is_virtual);
  CHECK(after->pipelined == before.pipelined);
  CHECK(after->address == before.address);
  CHECK(after->client_name == before.client_name);
  CHECK(after->connection == before.connection);
  CHECK(after->authentication == before.authentication);
  CHECK(after->over_tls);
  CHECK(after->mechanisms == before.mechanisms);
  CHECK(after->speech == before.speech);
  CHECK_FALSE(after->client.is_open());
}

TEST_CASE("A cut or prolonged session start is refused", "[popper][session]") {
  const std::string record = encode(full_start());
  for (std::size_t cut = 0; cut < record.size(); ++cut) {
    CAPTURE(cut);
    const Result<SessionStart> start = decode_session_start(record.substr(0, cut));
    REQUIRE_FALSE(start);
    CHECK(start.error().code == Errc::corrupt);
  }
  CHECK_FALSE(decode_session_start(record + '\0'));
  CHECK_FALSE(decode_session_start("\xff\xff\xff\xff" + record));
}

}  // namespace
}  // namespace pop
