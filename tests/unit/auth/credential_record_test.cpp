#include "auth/credential_record.h"

#include <string>

#include "support/catch.h"

namespace pop {
namespace {

ScramKeys keys(std::size_t size) {
  return {.iterations = 4096,
          .salt = "salt",
          .stored_key = Secret{std::string(size, 's')},
          .server_key = Secret{std::string(size, '\0')}};
}

DevicePassword device(std::string name, std::uint32_t slot) {
  DevicePassword device;
  device.name = std::move(name);
  device.id = "0123456789abcdef";
  device.slot = slot;
  device.digest = std::string(32, 'd');
  return device;
}

Credential full_credential() {
  Credential credential;
  credential.apop_secret = Secret{"tanstaaf"};
  credential.password_hash = "$y$j9T$salt$hash";
  credential.virtual_user =
      Credential::Virtual{.uid = 1000, .gid = 8, .home = "/srv/mail/jo", .maildrop = "/srv/jo"};
  credential.scram_sha_256 = keys(32);
  credential.scram_sha_1 = keys(20);
  credential.devices = {device("phone", 0), device("old-mua", 1)};
  credential.devices[1].rights = DevicePassword::Rights::read_only;
  return credential;
}

std::string text_of(std::string_view user, const Credential& credential) {
  return std::string{encode_credential(user, credential).octets()};
}

void check_equal(const Credential& a, const Credential& b) {
  CHECK(a.apop_secret.has_value() == b.apop_secret.has_value());
  if (a.apop_secret && b.apop_secret) {
    CHECK(a.apop_secret->octets() == b.apop_secret->octets());
  }
  CHECK(a.password_hash == b.password_hash);
  const auto text = [](const std::optional<ScramKeys>& keys) {
    return keys ? std::string{to_text(*keys).octets()} : std::string{};
  };
  CHECK(text(a.scram_sha_256) == text(b.scram_sha_256));
  CHECK(text(a.scram_sha_1) == text(b.scram_sha_1));
  CHECK(a.devices == b.devices);
  CHECK(a.newer_fields.octets() == b.newer_fields.octets());
  REQUIRE(a.virtual_user.has_value() == b.virtual_user.has_value());
  if (!a.virtual_user) return;
  CHECK(a.virtual_user->uid == b.virtual_user->uid);
  CHECK(a.virtual_user->gid == b.virtual_user->gid);
  CHECK(a.virtual_user->home == b.virtual_user->home);
  CHECK(a.virtual_user->maildrop == b.virtual_user->maildrop);
}

void check_round_trip(std::string_view user, const Credential& credential) {
  const Result<Credential> back = decode_credential(user, text_of(user, credential));
  REQUIRE(back);
  check_equal(credential, *back);
}

/// A record with these lines and a right sum, as a later version or a forger would write it.
std::string record_with(const std::string& extra) {
  Credential credential;
  credential.newer_fields = Secret{extra};
  return text_of("jo", credential);
}

TEST_CASE("A credential comes back as it was stored", "[auth][record]") {
  check_round_trip("jo", full_credential());
  check_round_trip("jo", Credential{});
  Credential no_maildrop = full_credential();
  no_maildrop.virtual_user->maildrop.clear();
  check_round_trip("jo", no_maildrop);
}

TEST_CASE("Names and secrets may hold any octet", "[auth][record]") {
  std::string every;
  for (int octet = 0; octet < 256; ++octet) every += static_cast<char>(octet);
  Credential credential = full_credential();
  credential.apop_secret = Secret{every};
  credential.virtual_user->home = "/with\nnew \\x line";
  check_round_trip("j\xc3\xb6 \\", credential);
}

TEST_CASE("An empty APOP secret is not the same as none", "[auth][record]") {
  Credential credential;
  credential.apop_secret = Secret{""};
  check_round_trip("jo", credential);
}

TEST_CASE("The stored form is the documented one", "[auth][record]") {
  CHECK(text_of("jo", full_credential())
            .starts_with("credential 1\n"
                         "user jo\n"
                         "password-hash $y$j9T$salt$hash\n"
                         "apop-secret tanstaaf\n"
                         "scram-sha-256 4096 c2FsdA== "
                         "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M= "
                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                         "scram-sha-1 4096 c2FsdA== c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M= "
                         "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                         "device-password phone id=0123456789abcdef slot=0 sha256="
                         "6464646464646464646464646464646464646464646464646464646464646464 "
                         "created=0\n"
                         "device-password old-mua id=0123456789abcdef slot=1 sha256="
                         "6464646464646464646464646464646464646464646464646464646464646464 "
                         "created=0 read-only\n"
                         "uid 1000\n"
                         "gid 8\n"
                         "home /srv/mail/jo\n"
                         "maildrop /srv/jo\n"
                         "sum "));
}

TEST_CASE("Fields of a later version survive a rewrite", "[auth][record]") {
  const std::string newer =
      "scram-sha-512 4096:c2FsdA==:\\x00\ndevice-key phone:$y$\n"
      "device-key laptop:$y$\n";
  const Result<Credential> read = decode_credential("jo", record_with(newer));
  REQUIRE(read);
  CHECK(read->newer_fields.octets() == newer);
  Credential changed = read->clone();
  changed.password_hash = "$6$x$y";
  const Result<Credential> again = decode_credential("jo", text_of("jo", changed));
  REQUIRE(again);
  CHECK(again->newer_fields.octets() == newer);
  CHECK(again->password_hash == "$6$x$y");
}

TEST_CASE("A damaged record is corrupt: every octet changed, every length", "[auth][record]") {
  const std::string record = text_of("jo", full_credential());
  for (std::size_t at = 0; at < record.size(); ++at) {
    CAPTURE(at);
    for (const int bit : {0x01, 0x20, 0x80}) {
      std::string damaged = record;
      damaged[at] = static_cast<char>(damaged[at] ^ bit);
      const Result<Credential> read = decode_credential("jo", damaged);
      REQUIRE_FALSE(read);
      CHECK(read.error().code == Errc::corrupt);
    }
    CHECK_FALSE(decode_credential("jo", record.substr(0, at)));
  }
  CHECK_FALSE(decode_credential("jo", record + "\n"));
}

TEST_CASE("A record of a version that knew less is read", "[auth][record]") {
  const Result<Credential> read = decode_credential(
      "jo",
      "credential 1\nuser jo\npassword-hash $y$j9T$salt$hash\napop-secret tanstaaf\n"
      "sum 46961b7eb845dfdd\n");
  REQUIRE(read);
  CHECK(read->password_hash == "$y$j9T$salt$hash");
  CHECK(read->apop_secret->octets() == "tanstaaf");
  CHECK_FALSE(read->scram_sha_256);
  CHECK_FALSE(read->scram_sha_1);
  CHECK(read->devices.empty());
}

TEST_CASE("Two device passwords of one name are corrupt", "[auth][record]") {
  Credential credential;
  credential.devices = {device("phone", 0), device("phone", 1)};
  CHECK_FALSE(decode_credential("jo", text_of("jo", credential)));
}

TEST_CASE("A record under another user's key is corrupt", "[auth][record]") {
  CHECK_FALSE(decode_credential("al", text_of("jo", full_credential())));
  CHECK_FALSE(decode_credential("", text_of("jo", full_credential())));
}

TEST_CASE("A later format is said to be one", "[auth][record]") {
  const Result<Credential> read = decode_credential("jo", "credential 2\nwhatever");
  REQUIRE_FALSE(read);
  CHECK(read.error().text == "record of jo: a record of a later format than this program knows");
  const Result<Credential> old = decode_credential("jo", std::string_view{"\x8c\x9a\0\0", 4});
  REQUIRE_FALSE(old);
  CHECK(old.error().text == "record of jo: not a record of this format");
}

TEST_CASE("Lines that nobody writes are corrupt although the sum is right", "[auth][record]") {
  for (const char* lines : {
           "user jo\n",  // twice
           "user al\n",
           "uid 1\nuid 2\ngid 1\nhome /\n",
           "uid 1\n",  // without gid and home
           "maildrop /x\n",
           "uid -1\ngid 1\nhome /\n",
           "uid 4294967295\ngid 1\nhome /\n",
           "uid 1\ngid 99999999999\nhome /\n",
           "uid \ngid 1\nhome /\n",
           "apop-secret \\x4\n",   // half an escape
           "apop-secret \\x41\n",  // an escape that needs none
           "apop-secret \\xfF\n",
           "apop-secret \\n\n",
           "nameless\n",
           "scram-sha-256 4096 c2FsdA== AAAA AAAA\n",  // keys of a wrong size
           "device-password phone\n",
           "device-password -x id=0123456789abcdef\n",
           " blank\n",
           "\n",
           "unfinished x",
       }) {
    CAPTURE(lines);
    const Result<Credential> read = decode_credential("jo", record_with(lines));
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Errc::corrupt);
  }
}

}  // namespace
}  // namespace pop
