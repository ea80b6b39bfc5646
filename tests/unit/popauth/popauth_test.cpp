#include "popauth/popauth.h"

#include <sys/stat.h>

#include "auth/device_use.h"
#include "auth/password_hash.h"
#include "popauth_site.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

using Outcome = test::ToolOutcome;
using Site = test::PopauthSite;

/// A site with the virtual user jo, whose password is "first".
struct SiteWithJo : Site {
  SiteWithJo() {
    done({"init"});
    done({"set", "jo", "--stdin", "--uid", "1000", "--gid", "8", "--home", "/srv/jo"}, "first\n");
  }
};

TEST_CASE("popauth init makes a private file, once", "[popauth]") {
  const Site site;
  CHECK(site.call({"init", "-n"}).out == "would make " + site.file().native() + "\n");
  CHECK_FALSE(fs::exists(site.file()));
  CHECK(site.call({"init", "-v"}).out == "made " + site.file().native() + "\n");
  const Outcome again = site.call({"init"});
  CHECK(again.status == ExitStatus::cannot_create);
  CHECK(again.err ==
        "popauth: init: credential file " + site.file().native() + ": exists already\n");
  CHECK(site.call({"init", "-n"}).status == ExitStatus::cannot_create);
}

TEST_CASE("popauth set adds a virtual user with a hash and no APOP secret", "[popauth]") {
  const SiteWithJo site;
  const Credential jo = site.stored("jo");
  CHECK(password_hash_matches(Secret{"first"}, jo.password_hash));
  CHECK_FALSE(jo.apop_secret);
  REQUIRE(jo.virtual_user);
  CHECK(jo.virtual_user->uid == 1000);
  CHECK(jo.virtual_user->gid == 8);
  CHECK(jo.virtual_user->home == "/srv/jo");
  CHECK(jo.virtual_user->maildrop.empty());
}

TEST_CASE("popauth set changes what is named and keeps the rest", "[popauth]") {
  const SiteWithJo site;
  const std::string hash = site.stored("jo").password_hash;
  site.done({"set", "jo", "--maildrop", "/srv/drop"});
  CHECK(site.stored("jo").password_hash == hash);
  CHECK(site.stored("jo").virtual_user->maildrop == "/srv/drop");
  CHECK(site.stored("jo").virtual_user->uid == 1000);
  site.done({"set", "jo", "--stdin"}, "second\n");
  CHECK(password_hash_matches(Secret{"second"}, site.stored("jo").password_hash));
  CHECK(site.stored("jo").virtual_user->maildrop == "/srv/drop");
  site.done({"set", "jo", "--maildrop", "", "--uid", "1001"});
  CHECK(site.stored("jo").virtual_user->maildrop.empty());
  CHECK(site.stored("jo").virtual_user->uid == 1001);
  CHECK(site.stored("jo").virtual_user->gid == 8);
}

TEST_CASE("popauth set keeps the APOP secret equal to the password", "[popauth]") {
  const SiteWithJo site;
  site.done({"set", "jo", "--apop", "--stdin"}, "second\n");
  CHECK(site.stored("jo").apop_secret->octets() == "second");
  CHECK(password_hash_matches(Secret{"second"}, site.stored("jo").password_hash));
  site.done({"set", "jo", "--stdin"}, "third\n");
  CHECK(site.stored("jo").apop_secret->octets() == "third");
  site.done({"set", "jo", "--no-apop"});
  CHECK_FALSE(site.stored("jo").apop_secret);
  CHECK(password_hash_matches(Secret{"third"}, site.stored("jo").password_hash));
}

TEST_CASE("popauth set takes the password from a file", "[popauth]") {
  const SiteWithJo site;
  test::put_file(site.path("password"), "from a file\nrest\n");
  site.done({"set", "jo", "--password-file", site.path("password")});
  CHECK(password_hash_matches(Secret{"from a file"}, site.stored("jo").password_hash));
  const Outcome none = site.call({"set", "jo", "--password-file", site.path("none")});
  CHECK(none.status == ExitStatus::no_input);
  CHECK(none.err.starts_with("popauth: set jo: open "));
}

TEST_CASE("popauth set refuses what cannot be", "[popauth]") {
  const SiteWithJo site;
  const std::string before = test::get_file(site.file());
  struct Row {
    std::vector<std::string> arguments;
    std::string input;
    std::string complaint;
  };
  const std::vector<Row> rows = {
      {{"set", "jo", "--stdin"}, "\n", "set jo: the password is empty"},
      {{"set", "jo", "--stdin"}, "", "set jo: nothing to read"},
      {{"set", "jo"}, "x\n", "set jo: standard input is not a terminal, nobody can be asked"},
      {{"set", "jo", "--stdin"},
       std::string{"a\0b\n", 4},
       "set jo: the password is empty, too long or holds a NUL octet"},
      {{"set", "../jo", "--stdin"}, "x\n", "set ../jo: not a name a user can have"},
      {{"set", "a\nb", "--stdin"}, "x\n", "set a\\x0ab: not a name a user can have"},
      {{"set", "al", "--stdin", "--uid", "5"},
       "x\n",
       "set al: a new virtual user needs --uid, --gid and --home"},
      {{"set", "jo", "--uid", "0"}, "", "set jo: --uid 0: a virtual user must not be root"},
      {{"set", "jo", "--uid", "-1"}, "", "set jo: --uid -1: not a number of an id"},
      {{"set", "jo", "--gid", "4294967295"}, "", "set jo: --gid 4294967295: not a number of an id"},
      {{"set", "jo", "--home", "srv"}, "", "set jo: --home srv: not an absolute path"},
      {{"set", "jo", "--maildrop", "x"}, "", "set jo: --maildrop x: not an absolute path"},
      {{"set", "jo", "--stdin", "--password-file", "x"},
       "x\n",
       "set jo: --stdin and --password-file exclude each other"},
      {{"set", "jo", "--apop", "--no-apop", "--stdin"},
       "x\n",
       "set jo: --apop and --no-apop exclude each other"},
  };
  for (const Row& row : rows) {
    const Outcome outcome = site.call(row.arguments, row.input);
    CHECK(outcome.status == ExitStatus::usage);
    CHECK(outcome.err == "popauth: " + row.complaint + "\n");
    CHECK(outcome.out.empty());
  }
  CHECK(test::get_file(site.file()) == before);
}

TEST_CASE("popauth set warns of a user that nobody knows", "[popauth]") {
  const SiteWithJo site;
  const Outcome outcome = site.call({"set", "no-such-account", "--stdin"}, "x\n");
  CHECK(outcome.status == ExitStatus::ok);
  CHECK(outcome.err.find("warning: not a virtual user") != std::string::npos);
  CHECK(site.call({"-q", "set", "no-such-account", "--stdin"}, "x\n").err.empty());
  CHECK(site.call({"set", "nobody", "--stdin"}, "x\n").err.empty());
}

TEST_CASE("popauth delete tries every user and tells the missing ones", "[popauth]") {
  const SiteWithJo site;
  site.done({"set", "nobody", "--stdin"}, "x\n");
  const Outcome dry = site.call({"delete", "-n", "jo", "al"});
  CHECK(dry.out == "would delete jo\n");
  CHECK(dry.err == "popauth: delete al: not found\n");
  CHECK(dry.status == ExitStatus::no_user);
  const Outcome real = site.call({"delete", "-v", "jo", "al", "jo"});
  CHECK(real.out == "deleted jo\n");
  CHECK(real.err == "popauth: delete al: not found\n");
  CHECK(real.status == ExitStatus::no_user);
  CHECK(CredentialDb{site.file()}.users() == std::vector<std::string>{"nobody"});
  site.done({"delete", "nobody"});
  CHECK(CredentialDb{site.file()}.users() == std::vector<std::string>{});
}

TEST_CASE("popauth list shows what is there and no secret", "[popauth]") {
  const SiteWithJo site;
  site.done({"set", "nobody", "--apop", "--stdin"}, "shared\n");
  const Outcome text = site.call({"list"});
  CHECK(text.out ==
        "jo               password -    scram uid=1000 gid=8 home=/srv/jo\n"
        "nobody           password apop scram\n");
  const Outcome json = site.call({"list", "--json", "jo"});
  CHECK(json.out == R"([
  {
    "user": "jo",
    "password": true,
    "apop": false,
    "scram": true,
    "locked": false,
    "devices": 0,
    "virtual": {
      "uid": 1000,
      "gid": 8,
      "home": "/srv/jo",
      "maildrop": null
    }
  }
]
)");
  for (const Outcome& outcome : {text, json, site.call({"list", "--json"})}) {
    CHECK(outcome.out.find("shared") == std::string::npos);
    CHECK(outcome.out.find("$y$") == std::string::npos);
  }
  const Outcome missing = site.call({"list", "al", "jo"});
  CHECK(missing.status == ExitStatus::no_user);
  CHECK(missing.err == "popauth: list al: not found\n");
  CHECK(missing.out.starts_with("jo "));
}

TEST_CASE("popauth verify checks a password", "[popauth]") {
  const SiteWithJo site;
  CHECK(site.call({"verify", "--stdin", "jo"}, "first\n").status == ExitStatus::ok);
  const Outcome wrong = site.call({"verify", "--stdin", "jo"}, "second\n");
  CHECK(wrong.status == ExitStatus::found);
  CHECK(wrong.err == "popauth: verify jo: the password is not the stored one\n");
  CHECK(site.call({"verify", "--stdin", "al"}, "x\n").status == ExitStatus::no_user);
}

TEST_CASE("A dry run of set changes nothing", "[popauth]") {
  const SiteWithJo site;
  const std::string before = test::get_file(site.file());
  CHECK(site.call({"set", "-n", "jo", "--stdin"}, "x\n").out == "would change jo\n");
  CHECK(site.call({"set", "-n", "nobody", "--stdin"}, "x\n").out == "would add nobody\n");
  CHECK(test::get_file(site.file()) == before);
}

TEST_CASE("A missing file and one that others may read are told apart", "[popauth]") {
  const Site site;
  const Outcome missing = site.call({"list"});
  CHECK(missing.status == ExitStatus::no_input);
  CHECK(missing.err.find("No such file") != std::string::npos);
  site.done({"init"});
  REQUIRE(::chmod(site.file().c_str(), 0644) == 0);
  const Outcome open = site.call({"list"});
  CHECK(open.status == ExitStatus::no_permission);
  CHECK(open.err.find("its mode must be 0600") != std::string::npos);
}

TEST_CASE("The configuration names the file", "[popauth]") {
  const Site site;
  test::put_file(site.path("popper.toml"), "credential-file = \"" + site.file().native() + "\"\n");
  CHECK(Site::plain_call({"init", "-f", site.path("popper.toml")}).status == ExitStatus::ok);
  CHECK(fs::exists(site.file()));
  CHECK(Site::plain_call({"list", "-f", site.path("none.toml")}).status == ExitStatus::config);
}

// ---------------------------------------------------------------------------- SCRAM and locks

TEST_CASE("popauth set keeps SCRAM keys of the password", "[popauth][scram]") {
  const SiteWithJo site;
  Credential jo = site.stored("jo");
  REQUIRE((jo.scram_sha_256 && jo.scram_sha_1));
  CHECK(scram_keys_match(ScramHash::sha_256, Secret{"first"}, *jo.scram_sha_256));
  CHECK(scram_keys_match(ScramHash::sha_1, Secret{"first"}, *jo.scram_sha_1));
  site.done({"set", "jo", "--stdin"}, "second\n");
  jo = site.stored("jo");
  CHECK(scram_keys_match(ScramHash::sha_256, Secret{"second"}, *jo.scram_sha_256));
  CHECK_FALSE(test::get_file(site.file()).find("second") != std::string::npos);
}

TEST_CASE("popauth set locks and unlocks", "[popauth]") {
  const SiteWithJo site;
  const std::string hash = site.stored("jo").password_hash;
  for (int i = 0; i < 2; ++i) {
    site.done({"set", "jo", "--lock"});
    CHECK(site.stored("jo").password_hash == "!" + hash);
  }
  CHECK(site.call({"list"}).out ==
        "jo               password -    scram locked"
        " uid=1000 gid=8 home=/srv/jo\n");
  site.done({"verify", "jo", "--stdin"}, "first\n");
  site.done({"set", "jo", "--stdin"}, "second\n");  // stays locked
  CHECK(site.stored("jo").is_locked());
  site.done({"set", "jo", "--unlock"});
  CHECK(password_hash_matches(Secret{"second"}, site.stored("jo").password_hash));
  CHECK(site.call({"set", "jo", "--lock", "--unlock"}).status == ExitStatus::usage);
}

TEST_CASE("popauth show tells all but secrets", "[popauth]") {
  const SiteWithJo site;
  site.done({"set", "jo", "--apop", "--stdin"}, "the secret\n");
  const Outcome shown = site.call({"show", "jo"});
  CHECK(shown.status == ExitStatus::ok);
  CHECK(shown.out ==
        "jo\n"
        "  password       $y$j9T\n"
        "  scram-sha-256  10000 iterations\n"
        "  scram-sha-1    10000 iterations\n"
        "  apop           stored in the clear\n"
        "  uid            1000\n"
        "  gid            8\n"
        "  home           /srv/jo\n");
  const Outcome json = site.call({"show", "--json"});
  CHECK(json.out.find("\"scram_sha_256\": {\n") != std::string::npos);
  CHECK(json.out.find("the secret") == std::string::npos);
  CHECK(site.call({"show", "al"}).status == ExitStatus::no_user);
}

// ---------------------------------------------------------------------------- device passwords

/// The one line that was printed.
std::string secret_in(const Outcome& outcome) {
  CAPTURE(outcome.err);
  REQUIRE(outcome.status == ExitStatus::ok);
  REQUIRE(outcome.out.size() == 25);
  return outcome.out.substr(0, 24);
}

TEST_CASE("popauth device add shows a secret once and stores none", "[popauth][device]") {
  const SiteWithJo site;
  const std::string phone = secret_in(site.call({"device", "add", "jo", "phone"}));
  const std::string laptop =
      secret_in(site.call({"device", "add", "jo", "laptop", "--read-only", "--network",
                           "192.0.2.0/24,2001:db8::/32", "--expires", "90d"}));
  const std::vector<DevicePassword> devices = site.stored("jo").devices;
  REQUIRE(devices.size() == 2);
  CHECK(devices[0].digest == device_digest(Secret{phone}));
  CHECK(devices[0].rights == DevicePassword::Rights::full);
  CHECK(devices[0].networks.empty());
  CHECK_FALSE(devices[0].expires);
  CHECK(devices[1].digest == device_digest(Secret{laptop}));
  CHECK(devices[1].rights == DevicePassword::Rights::read_only);
  CHECK(devices[1].networks == "192.0.2.0/24 2001:db8::/32");
  CHECK(devices[1].expires == devices[1].created + std::chrono::days{90});
  CHECK(devices[0].id != devices[1].id);
  CHECK(devices[0].slot != devices[1].slot);
  CHECK(test::get_file(site.file()).find(phone) == std::string::npos);
  struct stat used {};
  REQUIRE(::stat((site.file().native() + ".used").c_str(), &used) == 0);
  CHECK((used.st_mode & 07777) == 0600);
  CHECK(site.call({"verify", "jo", "--stdin", "-v"}, phone + "\n").out ==
        "jo: the device password phone is right\n");
}

TEST_CASE("popauth device list and revoke", "[popauth][device]") {
  const SiteWithJo site;
  for (const char* name : {"phone", "laptop", "tablet"}) {
    (void)secret_in(site.call({"device", "add", "jo", name}));
  }
  const DevicePassword phone = site.stored("jo").devices.front();
  REQUIRE(DeviceUses{site.file()}.record(
      phone, {std::chrono::sys_days{std::chrono::year{2026} / 12 / 31}, "192.0.2.1"}));
  const std::string listed = site.call({"device", "list"}).out;
  CHECK(listed.starts_with("jo: phone, made 20"));
  CHECK(listed.find(", last used 2026-12-31T00:00:00Z from 192.0.2.1\njo: laptop, made 20") !=
        std::string::npos);
  CHECK(listed.ends_with(", never used\n"));
  const std::string json = site.call({"device", "list", "--json", "jo"}).out;
  CHECK(json.find("\"address\": \"192.0.2.1\"") != std::string::npos);

  CHECK(site.call({"device", "revoke", "-n", "jo", "phone"}).out == "would revoke phone of jo\n");
  const Outcome revoked = site.call({"device", "revoke", "-v", "jo", "phone", "watch", "tablet"});
  CHECK(revoked.status == ExitStatus::no_user);
  CHECK(revoked.out == "revoked phone of jo\nrevoked tablet of jo\n");
  CHECK(revoked.err == "popauth: device revoke jo watch: not found\n");
  REQUIRE(site.stored("jo").devices.size() == 1);
  CHECK(site.stored("jo").devices[0].name == "laptop");
  (void)secret_in(site.call({"device", "add", "jo", "phone"}));
  CHECK(site.stored("jo").devices[1].slot == phone.slot);  // again, but another id
  CHECK(site.call({"device", "list"}).out.find("192.0.2.1") == std::string::npos);
}

TEST_CASE("popauth device refuses what cannot be", "[popauth][device]") {
  const SiteWithJo site;
  (void)secret_in(site.call({"device", "add", "jo", "phone"}));
  const auto complaint = [&site](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "device");
    const Outcome outcome = site.call(std::move(arguments));
    CHECK(outcome.status != ExitStatus::ok);
    CHECK(outcome.out.empty());
    return outcome.err;
  };
  CHECK(complaint({"add", "jo", "phone"}) ==
        "popauth: device add jo: phone: there is one of this name; revoke it first\n");
  CHECK(complaint({"add", "jo", "my phone"}).find("my phone: a device's name is") !=
        std::string::npos);
  CHECK(complaint({"add", "jo", "x", "--network", "jo"}).find("--network jo: ") !=
        std::string::npos);
  CHECK(complaint({"add", "jo", "x", "--network", ""}).find("--network: empty") !=
        std::string::npos);
  for (const char* when : {"2020-01-01", "0d", "d", "36501d", "2027-02-29", "soon", "-1d", ""}) {
    CHECK(complaint({"add", "jo", "x", "--expires", when}).find("--expires ") != std::string::npos);
  }
  CHECK(complaint({"add", "../jo", "x"}).find("not a name a user can have") != std::string::npos);
  CHECK(complaint({"revoke", "al", "x"}) == "popauth: device revoke al: not found\n");
  CHECK_FALSE(complaint({"revoke", "jo"}).empty());
  CHECK_FALSE(complaint({}).empty());
}

}  // namespace
}  // namespace pop
