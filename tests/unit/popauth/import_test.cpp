#include <fcntl.h>
#include <openssl/evp.h>

#include <array>

#include "auth/device_use.h"
#include "auth/password_hash.h"
#include "dbm/dbm_file.h"
#include "popauth_site.h"

namespace pop {
namespace {

using Outcome = test::ToolOutcome;
using Lines = std::vector<std::string>;
using namespace std::string_literals;

struct Site : test::PopauthSite {
  Site() { done({"init"}); }

  [[nodiscard]] Outcome import(const std::string& content,
                               std::vector<std::string> options = {}) const {
    test::put_file(path("source"), content);
    options.insert(options.begin(), {"import", path("source").native()});
    return call(std::move(options));
  }
  [[nodiscard]] bool has(std::string_view user) const {
    const Result<std::optional<Credential>> found = CredentialDb{file()}.find(user);
    return found && found->has_value();
  }
};

/// As Qpopper stored a secret.
std::string turned(std::string secret) {
  for (char& c : secret) c = static_cast<char>(~c);
  return secret;
}

void make_gdbm(const std::filesystem::path& file,
               const std::vector<std::pair<std::string, std::string>>& records) {
  Result<DbmFile> dbm = DbmFile::create(
      Fd{::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)}, file.native());
  REQUIRE(dbm);
  for (const auto& [key, value] : records) REQUIRE(dbm->store(key, value));
  REQUIRE(dbm->close());
}

TEST_CASE("popauth import takes a pop.auth of Qpopper", "[popauth][import]") {
  const Site site;
  for (const char* name : {"pop.auth", "ndbm.pag"}) {
    make_gdbm(site.path(name), {{"nobody\0"s, turned("tanstaaf") + "\0\0"s},
                                {"old\0"s, "in the clear\0"s},
                                {"mail\0"s, turned("x") + "\0AAAA\0"s},
                                {"off\0"s, "\0\0"s},
                                {"scram\0"s, "\0AAAA\0"s}});
  }
  const Outcome outcome = site.call({"import", site.path("pop.auth").native(), "-v"});
  CHECK(outcome.status == ExitStatus::found);
  CHECK(outcome.out == "took mail\ntook nobody\ntook old\ntook 3 users, left out 2\n");
  CHECK(outcome.err ==
        "popauth: import: warning: mail: its SCRAM-MD5 verifier is of no use here\n"
        "popauth: import: left out: off: its secret is empty: APOP was off\n"
        "popauth: import: left out: scram: it has a SCRAM-MD5 verifier only\n");
  CHECK(site.stored("nobody").apop_secret->octets() == "tanstaaf");
  CHECK(site.stored("old").apop_secret->octets() == "in the clear");
  CHECK_FALSE(site.stored("old").scram_sha_256);
  const Outcome again = site.call({"import", site.path("ndbm").native(), "-q"});
  CHECK(again.status == ExitStatus::found);
  CHECK(again.err.find("left out: old: is there already; --replace would change it\n") !=
        std::string::npos);
}

TEST_CASE("popauth import says what an ndbm file is that GDBM did not make", "[popauth][import]") {
  const Site site;
  // One block as ndbm has them: the number of items, where each begins, and the items at its end.
  std::string block(1024, '\0');
  const auto put = [&block](std::size_t at, std::size_t number) {
    block[at] = static_cast<char>(number & 0xff);
    block[at + 1] = static_cast<char>(number >> 8);
  };
  put(0, 2);
  put(2, 1021);
  put(4, 1013);
  block.replace(1013, 11, turned("tanstaaf") + "jo\0"s);
  test::put_file(site.path("pop.auth.pag"), block);
  test::put_file(site.path("pop.auth.dir"), "");
  for (const char* name : {"pop.auth", "pop.auth.pag"}) {
    const Outcome outcome = site.call({"import", site.path(name).native()});
    CHECK(outcome.status == ExitStatus::usage);
    CHECK(outcome.err.find("an ndbm file of another library than GDBM") != std::string::npos);
  }
  std::filesystem::remove(site.path("pop.auth.dir"));
  const Outcome outcome = site.call({"import", site.path("pop.auth").native()});
  CHECK(outcome.status == ExitStatus::data);
  CHECK(outcome.err.find("ndbm") == std::string::npos);
}

TEST_CASE("popauth import takes secrets of a text file", "[popauth][import]") {
  const Site site;
  const std::string text =
      "# MH\n\njo: a secret: with colons \r\nal:b\nempty:\nno colon\n../x: y\n"
      "jo: other\n";
  CHECK(site.import(text).err.find("could be of two kinds: say --format text") !=
        std::string::npos);
  const Outcome dry = site.import(text, {"--format", "text", "-n"});
  CHECK(dry.status == ExitStatus::found);
  CHECK(dry.out == "would take jo\nwould take al\nwould take 2 users, would leave out 4\n");
  CHECK_FALSE(site.has("jo"));
  const Outcome outcome = site.import(text, {"--format", "text"});
  CHECK(outcome.out == "took 2 users, left out 4\n");
  CHECK(outcome.err ==
        "popauth: import: left out: empty: its secret is empty\n"
        "popauth: import: left out: line 6: has no colon\n"
        "popauth: import: left out: ../x: not a name a user can have\n"
        "popauth: import: left out: jo: comes twice; the first counts\n");
  CHECK(site.stored("jo").apop_secret->octets() == "a secret: with colons");
  CHECK(site.stored("al").password_hash.empty());
}

// "doveadm pw" made the keys and the hash, of "secret".
TEST_CASE("popauth import takes a passwd-file of Dovecot", "[popauth][import]") {
  const Site site;
  const Outcome outcome = site.import(
      "jo:{SHA512-CRYPT}$6$rounds=1000$3nI8KP1sBgodXEgy$lPeEilFLC7LnyoRRdX89bnTu0VY0kyBQP."
      "OdjrTc1mwGl6WJIlU7fe0bMby9ZIo24.xBWEYXrjhDxL8IgV1nt0:1000:8::/srv/jo::"
      "userdb_mail=maildir:~/Maildir userdb_quota_rule=*:storage=1G\n"
      "keys:{SCRAM-SHA-256}4096,fgSgdNMlSn3PGpXF/2Z1oA==,"
      "h3H26UbE3H+weKzVNfYWmUn+YE1W/w5o9D6qnOXQpwc=,2j2NFPjCgJTL85LgM6B+M2Yv/"
      "pub1TysCxv7HG4jQN0=:1000:8::/srv/keys::\n"
      "old-keys:{SCRAM-SHA-1}4096,8kUuNnj4qfiwNvFYDNQT2A==,5UfP69k/EmXyEjMsGrBZC2MPKWk=,"
      "F6VJDFLtUEuWNkDWMms7wp7N4dw=:::::\n"
      "clear:{plain}se:cret:1000:8::/srv/clear::\n"
      "plain:{PLAIN}secret:1000:8::/srv/plain::\n"
      "salted:{SSHA}AAAA:1000:8::/srv/x::\n"
      "root:{PLAIN}x:0:0::/root::\n"
      "nets:{PLAIN}x:1000:8::/srv/x::allow_nets=192.0.2.0/24\n"
      "homeless:{PLAIN}x:1000:8::::\n"
      "names:{PLAIN}x:vmail:vmail::/srv/x::\n"
      "odd:nonsense:1000:8::/srv/x::\n");
  CHECK(outcome.status == ExitStatus::found);
  CHECK(outcome.out == "took 4 users, left out 7\n");
  CHECK(outcome.err.starts_with("popauth: import: warning: jo: left out: userdb_quota_rule\n"));
  const auto left_out = [&outcome](const std::string& what) {
    return outcome.err.find("left out: " + what) != std::string::npos;
  };
  CHECK(left_out("salted: its password has the scheme SSHA, which is not known here"));
  CHECK(left_out("root: a virtual user must have neither root's uid nor its gid"));
  CHECK(left_out("nets: the field allow_nets may restrict it, and cannot be kept"));
  CHECK(left_out("homeless: it has no home directory"));
  CHECK(left_out("names: its uid and gid are not two numbers"));
  CHECK(left_out("odd: its password hash is of no kind that crypt(3) knows"));

  const Credential jo = site.stored("jo");
  CHECK(password_hash_matches(Secret{"secret"}, jo.password_hash));
  CHECK_FALSE(jo.scram_sha_256);
  REQUIRE(jo.virtual_user);
  CHECK(jo.virtual_user->uid == 1000);
  CHECK(jo.virtual_user->home == "/srv/jo");
  CHECK(jo.virtual_user->maildrop == "/srv/jo/Maildir");
  CHECK(scram_keys_match(ScramHash::sha_256, Secret{"secret"},
                         site.stored("keys").scram_sha_256.value()));
  CHECK(scram_keys_match(ScramHash::sha_1, Secret{"secret"},
                         site.stored("old-keys").scram_sha_1.value()));
  const Credential plain = site.stored("plain");
  CHECK(password_hash_matches(Secret{"secret"}, plain.password_hash));
  CHECK(plain.scram_sha_1);
  CHECK_FALSE(plain.apop_secret);
}

TEST_CASE("popauth import --replace changes what the source names", "[popauth][import]") {
  const Site site;
  site.done({"set", "jo", "--stdin", "--uid", "1000", "--gid", "8", "--home", "/srv/jo"}, "one\n");
  const std::string hash = site.stored("jo").password_hash;
  REQUIRE(site.import("jo: shared\n", {"--format", "text", "--replace", "-q"}).status ==
          ExitStatus::ok);
  CHECK(site.stored("jo").apop_secret->octets() == "shared");
  CHECK(site.stored("jo").password_hash == hash);
  const std::string other = make_password_hash(Secret{"two"}).value();
  REQUIRE(site.import("jo:" + other + ":::::\n", {"--replace"}).status == ExitStatus::ok);
  CHECK(site.stored("jo").password_hash == other);
  CHECK_FALSE(site.stored("jo").scram_sha_256);  // of "one"
  CHECK(site.stored("jo").virtual_user->uid == 1000);
}

TEST_CASE("popauth import reads what export wrote", "[popauth][import][export]") {
  const Site from;
  from.done({"set", "jo", "--stdin", "--apop", "--uid", "1000", "--gid", "8", "--home", "/srv/jo"},
            "one\n");
  REQUIRE(from.call({"device", "add", "jo", "phone"}).status == ExitStatus::ok);
  from.done({"set", "nobody", "--stdin"}, "two\n");
  const std::string text = from.call({"export"}).out;
  CHECK(text.starts_with("credential 1\nuser jo\n"));
  CHECK(from.call({"export", "nobody"}).out.starts_with("credential 1\nuser nobody\n"));
  CHECK(from.call({"export", "--json", "nobody"}).out.find("\"record\": \"credential 1\\n") !=
        std::string::npos);

  const Site to;
  REQUIRE(to.call({"device", "add", "nobody", "own"}).status == ExitStatus::ok);  // takes line 0
  const Outcome outcome = to.import(text, {"--json"});
  CHECK(outcome.status == ExitStatus::found);
  CHECK(outcome.out.find("\"why\": \"is there already; --replace would change it\"") !=
        std::string::npos);
  CHECK(to.stored("jo").password_hash == from.stored("jo").password_hash);
  CHECK(to.stored("jo").apop_secret->octets() == "one");
  REQUIRE(to.stored("jo").devices.size() == 1);
  CHECK(to.stored("jo").devices[0].id == from.stored("jo").devices[0].id);
  CHECK(to.stored("jo").devices[0].slot == 1);
  std::string damaged = text;
  damaged[damaged.find("/srv/jo") + 5] = 'X';
  const Outcome rest = to.import(damaged, {"--replace"});
  CHECK(rest.out == "took 1 user, left out 1\n");
  CHECK(rest.err == "popauth: import: left out: jo: record of jo: its checksum is wrong\n");
}

TEST_CASE("popauth import says what it cannot read", "[popauth][import]") {
  const Site site;
  CHECK(site.call({"import", site.path("none").native()}).status == ExitStatus::no_input);
  CHECK(site.import("GDBM\0not"s).status == ExitStatus::data);
  CHECK(site.import("x: y\n", {"--format", "json"}).status == ExitStatus::usage);
  CHECK(site.import("").status == ExitStatus::usage);
}

// ---------------------------------------------------------------------------- check and recover

TEST_CASE("popauth check finds what is wrong", "[popauth][check]") {
  const Site site;
  site.done({"set", "jo", "--stdin", "--uid", "1000", "--gid", "8", "--home", "/srv/jo"}, "one\n");
  REQUIRE(site.call({"device", "add", "jo", "phone"}).status == ExitStatus::ok);
  CHECK(site.call({"check", "-v"}).out == "1 users, 0 problems\n");
  Credential odd;
  odd.password_hash = "nonsense";
  odd.virtual_user = Credential::Virtual{.uid = 0, .gid = 8, .home = "/", .maildrop = {}};
  odd.devices = site.stored("jo").devices;
  odd.newer_fields = Secret{"later x\n"};
  std::vector<CredentialChange> changes;
  changes.push_back({"odd", std::move(odd)});
  REQUIRE(CredentialDbWriter::apply(system_disk(), site.file(), std::move(changes)));
  std::filesystem::remove(site.file().native() + ".used");
  const Outcome outcome = site.call({"check"});
  CHECK(outcome.status == ExitStatus::found);
  CHECK(outcome.out.find("odd: its password hash is of no kind that crypt(3) knows\n") !=
        std::string::npos);
  CHECK(outcome.out.find("odd: a virtual user with root's uid or gid is refused\n") !=
        std::string::npos);
  CHECK(outcome.out.find("odd: has fields of a later version\n") != std::string::npos);
  CHECK(outcome.out.find("device password phone shares its line") != std::string::npos);
  CHECK(outcome.out.starts_with("last uses are not noted: there is no "));
  CHECK(site.call({"check", "--json"}).out.find("\"users\": 2") != std::string::npos);
  CHECK(site.call({"recover"}).out == "nothing to recover\n");
}

/// Overwrites each occurrence of `what` in the file with as many 'X'.
void spoil(const std::filesystem::path& file, const std::string& what) {
  std::string bytes = test::get_file(file);
  REQUIRE(bytes.find(what) != std::string::npos);
  for (std::size_t at = bytes.find(what); at != std::string::npos; at = bytes.find(what)) {
    bytes.replace(at, what.size(), what.size(), 'X');
  }
  test::put_file(file, bytes);
}

TEST_CASE("popauth recover saves every record that holds", "[popauth][recover]") {
  const Site site;
  for (int i = 0; i < 20; ++i) {
    site.done({"set", "user" + std::to_string(i), "--stdin", "--uid", "1000", "--gid", "8",
               "--home", "/srv/" + std::to_string(i) + "/"},
              "password\n");
  }
  const std::string hash = site.stored("user7").password_hash;
  spoil(site.file(), "/srv/3/");
  CHECK(site.call({"check"}).out == "user3: record of user3: its checksum is wrong\n");
  std::string bytes = test::get_file(site.file());
  bytes.replace(0, 512, 512, '\0');  // GDBM's own part
  test::put_file(site.file(), bytes);
  const Outcome lost = site.call({"check"});
  CHECK(lost.status == ExitStatus::data);
  CHECK(lost.err.ends_with("popauth: check: popauth recover saves what can be read\n"));

  CHECK(site.call({"recover", "-n"}).out == "would save 19 users\n");
  CHECK(test::get_file(site.file()) == bytes);
  const Outcome outcome = site.call({"recover"});
  CHECK(outcome.status == ExitStatus::found);
  CHECK(outcome.err == "popauth: recover: lost: user3\n");
  CHECK(outcome.out.starts_with("saved 19 users; the damaged file is "));
  CHECK(test::get_file(site.file().native() + ".damaged") == bytes);
  CHECK(site.call({"check", "-v"}).out == "19 users, 0 problems\n");
  CHECK(site.stored("user7").password_hash == hash);
  CHECK_FALSE(site.has("user3"));
}

/// A file with anna, bert and carl in which the text, there once, is another of its length.
void fill_and_damage(const Site& site, const std::string& text, const std::string& other) {
  for (const std::string user : {"anna", "bert", "carl"}) {
    site.done({"set", user, "--stdin", "--uid", "1000", "--gid", "8", "--home", "/srv"}, "one\n");
  }
  std::string bytes = test::get_file(site.file());
  REQUIRE(text.size() == other.size());
  REQUIRE(bytes.find(text) != std::string::npos);
  bytes.replace(bytes.find(text), text.size(), other);
  test::put_file(site.file(), bytes);
}

TEST_CASE("popauth recover loses nobody without a word", "[popauth][recover]") {
  struct Row {
    const char* other;
    const char* lost_by_bytes;  // what it says when GDBM can name nobody
  };
  for (const Row& row : {
           Row{"credential 2\nuser bert\n", "bert"},
           Row{"credXntial 1\nuser bert\n", "bert"},
           Row{"credential 1Xuser bert\n", "bert"},
           Row{"credential X\nuser bert\n", "bert"},
           Row{"credential 1\nusXr bert\n", "a record"},
           Row{"credential 1\nuser \377ert\n", "a record"},
       }) {
    for (const bool has_index : {true, false}) {
      CAPTURE(row.other, has_index);
      const Site site;
      fill_and_damage(site, "credential 1\nuser bert\n", row.other);
      if (!has_index) {
        std::string bytes = test::get_file(site.file());
        test::put_file(site.file(), bytes.replace(0, 512, 512, '\0'));
      }
      const std::string lost = has_index ? "bert" : row.lost_by_bytes;
      const Outcome outcome = site.call({"recover"});
      CHECK(outcome.status == ExitStatus::found);
      CHECK(outcome.err == "popauth: recover: lost: " + lost + "\n");
      CHECK(outcome.out.starts_with("saved 2 users; "));
    }
  }
}

TEST_CASE("popauth recover leaves a file with records of a later format alone",
          "[popauth][recover]") {
  const Site site;
  const std::string text = "credential 2\nuser bert\nlater x\n";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string sum;
  for (std::size_t i = 0; i < 16; ++i) {
    sum += "0123456789abcdef"[(digest[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
  }
  Result<DbmFile> dbm = DbmFile::open(Fd{::open(site.file().c_str(), O_RDWR | O_CLOEXEC)}, "file",
                                      DbmFile::Access::change);
  REQUIRE(dbm);
  REQUIRE(dbm->store("bert", text + "sum " + sum + "\n"));
  REQUIRE(dbm->close());
  const std::string before = test::get_file(site.file());
  for (const Lines& arguments : {Lines{"recover", "-n"}, Lines{"recover"}}) {
    const Outcome outcome = site.call(arguments);
    CHECK(outcome.status == ExitStatus::data);
    CHECK(outcome.err.find("record of bert is of a later format") != std::string::npos);
  }
  CHECK(test::get_file(site.file()) == before);
  CHECK_FALSE(std::filesystem::exists(site.file().native() + ".damaged"));
}

TEST_CASE("popauth recover keeps what an earlier one kept", "[popauth][recover]") {
  const Site site;
  std::vector<std::string> damaged;
  for (const std::string suffix : {".damaged", ".damaged.1", ".damaged.2"}) {
    fill_and_damage(site, "credential 1\nuser bert\n", "credential 1\nuser bErt\n");
    damaged.push_back(test::get_file(site.file()));
    const Outcome outcome = site.call({"recover"});
    CHECK(outcome.out ==
          "saved 2 users; the damaged file is " + site.file().native() + suffix + "\n");
    CHECK(test::get_file(site.file().native() + suffix) == damaged.back());
  }
  CHECK(test::get_file(site.file().native() + ".damaged") == damaged.front());
}

TEST_CASE("popauth recover makes an empty file of nothing but damage", "[popauth][recover]") {
  const Site site;
  test::put_file(site.file(), std::string(5000, '\xff'));
  CHECK(site.call({"recover", "-n"}).status == ExitStatus::found);
  const Outcome outcome = site.call({"recover"});
  CHECK(outcome.out.starts_with("saved 0 users; "));
  CHECK(outcome.err == "popauth: recover: no record of it can be read\n");
  CHECK(outcome.status == ExitStatus::found);
  CHECK(site.call({"list"}).out.empty());
}

}  // namespace
}  // namespace pop
