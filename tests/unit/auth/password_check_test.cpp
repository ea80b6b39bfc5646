#include "auth/password_check.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "auth/credential_db.h"
#include "auth/device_use.h"
#include "auth/login_cost.h"
#include "auth/pam_transaction.h"
#include "auth/password_hash.h"
#include "support/catch.h"
#include "support/hash_count.h"
#include "support/temporary_directory.h"

extern char** environ;

namespace pop {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;

const LoginOrigin stranger{"192.0.2.1"};
constexpr std::string_view stamp = "<1.2.3.4@pop.example.org>";

std::string hash_of(std::string_view password) {
  const Result<std::string> hash = make_password_hash(Secret{password});
  REQUIRE(hash);
  return *hash;
}

Credential::Virtual as_virtual(uid_t uid = 1000) {
  return {.uid = uid, .gid = 8, .home = "/srv/mail/jo", .maildrop = "/srv/mail/jo/mbox"};
}

/// What a client that knows the secret sends.
std::string digest_of(const std::string& secret) {
  const std::string text = std::string{stamp} + secret;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  REQUIRE(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

/// A credential file with one user of each kind; every password is "right", every secret "shared".
class CredentialSite {
 public:
  CredentialSite() {
    settings.auth_source = AuthSource::credentials;
    settings.credential_file = directory_ / "credentials.gdbm";
    REQUIRE(CredentialDbWriter::create(system_disk(), settings.credential_file));
    const std::string hash = hash_of("right");
    std::vector<CredentialDbWriter::Change> changes;
    const auto add = [&changes](std::string user, Credential credential) {
      changes.push_back({std::move(user), std::move(credential)});
    };
    add("virtual", {{}, hash, as_virtual(), {}});
    add("apop", {Secret{"shared"}, hash, as_virtual(), {}});
    add("apop-only", {Secret{"shared"}, "", as_virtual(), {}});
    add("apop-off", {Secret{""}, hash, as_virtual(), {}});
    add("nobody", {Secret{"shared"}, hash, {}, {}});  // of the system
    add("root", {Secret{"shared"}, hash, {}, {}});
    add("not-in-passwd", {Secret{"shared"}, hash, {}, {}});
    add("virtual-root", {Secret{"shared"}, hash, as_virtual(0), {}});
    add("virtual-root-group", {Secret{"shared"}, hash, as_virtual(), {}});
    changes.back().credential->virtual_user->gid = 0;
    add("locked", {{}, "!" + hash, as_virtual(), {}});
    REQUIRE(CredentialDbWriter::apply(system_disk(), settings.credential_file, std::move(changes)));
  }

  [[nodiscard]] std::unique_ptr<PasswordChecker> checker() const {
    Result<std::unique_ptr<PasswordChecker>> made = make_password_checker(settings);
    REQUIRE(made);
    return std::move(*made);
  }

  Settings settings;

 private:
  TemporaryDirectory directory_;
};

void check_denied(const Result<Account>& account, std::string_view text) {
  REQUIRE_FALSE(account);
  CHECK(account.error().code == Errc::denied);
  CHECK(account.error().text == text);
}

// ------------------------------------------------------------------ hashes

TEST_CASE("A hash matches its password and no other", "[auth][hash]") {
  const std::string hash = hash_of("right");
  CHECK(hash.starts_with("$y$"));
  CHECK(hash != hash_of("right"));
  CHECK(password_hash_matches(Secret{"right"}, hash));
  const std::string_view with_nul{"right\0", 6};
  for (const std::string_view wrong :
       {std::string_view{"wrong"}, std::string_view{""}, with_nul, std::string_view{"righ"}}) {
    CHECK_FALSE(password_hash_matches(Secret{wrong}, hash));
  }
  for (const std::string& bad :
       {std::string{}, std::string{"!"}, std::string{"*"}, "!" + hash,
        hash.substr(0, hash.size() - 1), std::string{"$y$"}, std::string{"right"}}) {
    CAPTURE(bad);
    CHECK_FALSE(password_hash_matches(Secret{"right"}, bad));
  }
}

TEST_CASE("Who has proven to be a user needs no password, and keeps to the rules", "[auth]") {
  CredentialSite site;
  site.settings.block_uid = -1;
  const auto checker = site.checker();
  const auto check = [&](std::string_view user) { return checker->check_identity(user, stranger); };
  CHECK(check("virtual")->maildrop == "/srv/mail/jo/mbox");
  check_denied(check("locked"), "account locked");
  check_denied(check("virtual-root"), "a virtual user must not be root");
  check_denied(check("nosuch"), "unknown user: not in the credential file");
  check_denied(check("../etc"), "not a name a user can have");
  site.settings.auth_source = AuthSource::shadow;
  check_denied(site.checker()->check_identity("nosuch", stranger), "unknown user");
}

TEST_CASE("Hashes of other kinds are known", "[auth][hash]") {
  // "openssl passwd" made both.
  for (const char* hash :
       {"$1$saltsalt$SWh2jK7VNoHg7Y0vgbCuG/",
        "$6$saltsalt$gzY3OAolfMFSB9Ld7iMdOQlViFqO3IOPeU0zkHsD.58tcMxRAFD0Qjfi2sjus3i."
        "8aqWarEvFPREqzp18Jm291"}) {
    CAPTURE(hash);
    CHECK(password_hash_matches(Secret{"right"}, hash));
    CHECK_FALSE(password_hash_matches(Secret{"wrong"}, hash));
  }
}

TEST_CASE("A password that crypt(3) would cut is refused", "[auth][hash]") {
  CHECK_FALSE(make_password_hash(Secret{""}));
  CHECK_FALSE(make_password_hash(Secret{std::string_view{"a\0b", 3}}));
  CHECK_FALSE(make_password_hash(Secret{std::string(512, 'a')}));
  CHECK(make_password_hash(Secret{std::string(511, 'a')}));
}

TEST_CASE("The setting of a hash costs the same and tells nothing", "[auth][hash]") {
  CHECK(hash_setting_of("$y$j9T$salt$hash") == "$y$j9T$salt");
  CHECK(hash_setting_of("$6$salt$hash") == "$6$salt");
  CHECK(hash_setting_of("$6$rounds=9000$salt$hash") == "$6$rounds=9000$salt");
  CHECK(hash_setting_of("$2b$05$abcdefghijklmnopqrstuvHASHHASH") ==
        "$2b$05$abcdefghijklmnopqrstuv");
  for (const char* none : {"", "!", "*", "x", "$y$", "!$y$j9T$salt$hash"}) {
    CAPTURE(none);
    CHECK(hash_setting_of(none).empty());
  }
  CHECK(ordinary_hash_setting().starts_with("$y$"));
  CHECK_FALSE(system_hash_setting().empty());
}

// ------------------------------------------------------------------ device passwords

constexpr std::string_view phone_secret = "0000-1111-2222-3333-4444";

DevicePassword device(std::string name, std::string_view secret, std::uint32_t slot) {
  DevicePassword device;
  device.name = std::move(name);
  device.id = "000000000000000" + std::to_string(slot);
  device.slot = slot;
  device.digest = device_digest(Secret{secret}).value();
  return device;
}

/// A site where "virtual" has three device passwords and "nobody" and "locked" have one.
struct DeviceSite : CredentialSite {
  DeviceSite() {
    DevicePassword limited = device("limited", "limited0-1111-2222-3333", 1);
    limited.networks = "198.51.100.0/24";
    limited.rights = DevicePassword::Rights::read_only;
    DevicePassword ended = device("ended", "ended000-1111-2222-3333", 2);
    ended.expires = std::chrono::sys_seconds{std::chrono::seconds{1}};
    give("virtual", {device("phone", phone_secret, 0), limited, ended});
    give("nobody", {device("phone", phone_secret, 3)});
    give("locked", {device("phone", phone_secret, 4)});
  }
  void give(const std::string& user, std::vector<DevicePassword> devices) const {
    Result<std::optional<Credential>> stored = CredentialDb{settings.credential_file}.find(user);
    REQUIRE((stored && *stored));
    (*stored)->devices = std::move(devices);
    std::vector<CredentialChange> changes;
    changes.push_back({user, std::move(**stored)});
    REQUIRE(CredentialDbWriter::apply(system_disk(), settings.credential_file, std::move(changes)));
  }
};

std::optional<DeviceUse> last_use(const DeviceUses& uses, const DevicePassword& device) {
  Result<std::optional<DeviceUse>> use = uses.last(device);
  REQUIRE(use);
  return *use;
}

TEST_CASE("A device password is as good as the password", "[auth][check][device]") {
  const DeviceSite site;
  const auto checker = site.checker();
  const Result<Account> account =
      checker->check_password("virtual", Secret{phone_secret}, stranger);
  REQUIRE(account);
  CHECK(account->is_virtual);
  CHECK_FALSE(account->is_read_only);
  CHECK(account->device == "phone");
  const Result<Account> by_password = checker->check_password("virtual", Secret{"right"}, stranger);
  REQUIRE(by_password);
  CHECK(by_password->device.empty());
  check_denied(checker->check_password("virtual", Secret{"0000-1111-2222-3333-4445"}, stranger),
               "wrong password");
  check_denied(checker->check_password("no-such-user", Secret{phone_secret}, stranger),
               "unknown user: not in the credential file");
  check_denied(checker->check_password("locked", Secret{phone_secret}, stranger), "account locked");
}

TEST_CASE("A device password ends, and is good from its networks only", "[auth][check][device]") {
  const DeviceSite site;
  const auto checker = site.checker();
  const Secret limited{"limited0-1111-2222-3333"};
  check_denied(checker->check_password("virtual", limited, stranger),
               "device password limited: not good from this address");
  const Result<Account> account = checker->check_password("virtual", limited, {"198.51.100.7"});
  REQUIRE(account);
  CHECK(account->is_read_only);
  check_denied(checker->check_password("virtual", Secret{"ended000-1111-2222-3333"}, stranger),
               "device password ended: has expired");
}

TEST_CASE("Clear text rules hold for device passwords too", "[auth][check][device]") {
  DeviceSite site;
  site.give("apop", {device("phone", phone_secret, 5)});
  check_denied(site.checker()->check_password("apop", Secret{phone_secret}, stranger),
               "clear text: this user must use APOP");
  site.settings.clear_text_password = ClearText::always;
  CHECK(site.checker()->check_password("apop", Secret{phone_secret}, stranger));
  CHECK(site.checker()->check_password("nobody", Secret{phone_secret}, stranger));
}

TEST_CASE("A login by a device password is noted where it can be", "[auth][check][device]") {
  const DeviceSite site;
  const auto checker = site.checker();
  const DeviceUses uses{site.settings.credential_file};
  const DevicePassword phone = device("phone", phone_secret, 0);
  fs::path used = site.settings.credential_file;
  used += ".used";

  CHECK(checker->check_password("virtual", Secret{phone_secret}, stranger));  // no file yet
  CHECK_FALSE(fs::exists(used));
  REQUIRE(DeviceUses::ensure(system_disk(), site.settings.credential_file));
  CHECK_FALSE(last_use(uses, phone));
  REQUIRE(checker->check_password("virtual", Secret{phone_secret}, stranger));
  const auto use = last_use(uses, phone);
  REQUIRE(use);
  CHECK(use->address == "192.0.2.1");
  const auto age = std::chrono::system_clock::now() - use->time;
  CHECK(age < std::chrono::minutes{10});
  CHECK_FALSE(last_use(uses, device("other", phone_secret, 1)));
  CHECK_FALSE(checker->check_password("virtual", Secret{"limited0-1111-2222-3333"}, stranger));
  CHECK_FALSE(last_use(uses, device("limited", phone_secret, 1)));

  fs::permissions(used, fs::perms{0644});  // not to be trusted: no harm to the login
  CHECK(checker->check_password("virtual", Secret{phone_secret}, {"192.0.2.2"}));
  fs::permissions(used, fs::perms{0600});
  CHECK(last_use(uses, phone)->address == "192.0.2.1");
  CHECK(checker->check_password("virtual", Secret{phone_secret}, {"192.0.2.2"}));
  CHECK(last_use(uses, phone)->address == "192.0.2.2");
}

TEST_CASE("The last use is written once a minute and found by its id", "[auth][device]") {
  const CredentialSite site;
  REQUIRE(DeviceUses::ensure(system_disk(), site.settings.credential_file));
  const DeviceUses uses{site.settings.credential_file};
  const std::chrono::sys_seconds start{std::chrono::seconds{1'800'000'000}};
  const DevicePassword seventh = device("phone", phone_secret, 7);
  const auto record = [&](int later, std::string address) {
    REQUIRE(uses.record(seventh, {start + std::chrono::seconds{later}, std::move(address)}));
    return last_use(uses, seventh).value();
  };
  const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
  CHECK(record(0, longest) == DeviceUse{start, longest});
  CHECK(record(59, longest) == DeviceUse{start, longest});
  CHECK(record(60, longest) == DeviceUse{start + std::chrono::seconds{60}, longest});
  CHECK(record(61, "::1") == DeviceUse{start + std::chrono::seconds{61}, "::1"});
  CHECK(record(0, "::1") == DeviceUse{start, "::1"});  // the clock was put back
  DevicePassword next = seventh;
  next.id = "fedcba9876543210";
  CHECK_FALSE(last_use(uses, next));
}

// ------------------------------------------------------------------ credential file

TEST_CASE("The right password of a virtual user gives the account of its record", "[auth][check]") {
  const CredentialSite site;
  const Result<Account> account =
      site.checker()->check_password("virtual", Secret{"right"}, stranger);
  REQUIRE(account);
  CHECK(account->name == "virtual");
  CHECK(account->uid == 1000);
  CHECK(account->gid == 8);
  CHECK(account->home == "/srv/mail/jo");
  CHECK(account->maildrop == "/srv/mail/jo/mbox");
  CHECK(account->is_virtual);
}

TEST_CASE("A record without a virtual part is for the system's user of that name",
          "[auth][check]") {
  const CredentialSite site;
  const Result<Account> account =
      site.checker()->check_apop("nobody", stamp, digest_of("shared"), stranger);
  REQUIRE(account);
  CHECK(account->uid == find_system_account("nobody")->uid);
  CHECK_FALSE(account->is_virtual);
}

TEST_CASE("Every failure is a refusal that tells the log why", "[auth][check]") {
  CredentialSite site;
  site.settings.clear_text_password = ClearText::always;
  const auto checker = site.checker();
  struct Row {
    const char* user;
    const char* password;
    const char* text;
  };
  for (const Row& row : {
           Row{"virtual", "wrong", "wrong password"},
           Row{"virtual", "", "wrong password"},
           Row{"locked", "right", "account locked"},
           Row{"nosuch", "right", "unknown user: not in the credential file"},
           Row{"../virtual", "right", "not a name a user can have"},
           Row{"apop-only", "right", "has no password in the credential file"},
           Row{"apop-only", "", "has no password in the credential file"},
           Row{"root", "right", "access is blocked for root"},
           Row{"not-in-passwd", "right", "unknown user"},
           Row{"virtual-root", "right", "a virtual user must not be root"},
           Row{"virtual-root-group", "right", "a virtual user must not have root's group"},
       }) {
    CAPTURE(row.user, row.password);
    check_denied(checker->check_password(row.user, Secret{row.password}, stranger), row.text);
  }
}

TEST_CASE("APOP: right and wrong digests, missing and empty secrets", "[auth][check]") {
  const CredentialSite site;
  const auto checker = site.checker();
  CHECK(checker->apop_usable());
  CHECK(checker->check_apop("apop", stamp, digest_of("shared"), stranger));
  CHECK(checker->check_apop("apop-only", stamp, digest_of("shared"), stranger));
  const std::string no_secret = "APOP: has no secret in the credential file";
  check_denied(checker->check_apop("apop", stamp, digest_of("wrong"), stranger),
               "APOP: wrong digest");
  check_denied(checker->check_apop("apop", "<other@stamp>", digest_of("shared"), stranger),
               "APOP: wrong digest");
  check_denied(checker->check_apop("virtual", stamp, digest_of(""), stranger), no_secret);
  check_denied(checker->check_apop("apop-off", stamp, digest_of(""), stranger), no_secret);
  check_denied(checker->check_apop("nosuch", stamp, digest_of("no user has this one"), stranger),
               no_secret);
  check_denied(checker->check_apop("root", stamp, digest_of("shared"), stranger),
               "access is blocked for root");
}

TEST_CASE("By default an APOP user's password is not taken in the clear", "[auth][check]") {
  CredentialSite site;
  check_denied(site.checker()->check_password("apop", Secret{"right"}, stranger),
               "clear text: this user must use APOP");
  CHECK(site.checker()->check_password("apop-off", Secret{"right"}, stranger));
  site.settings.clear_text_password = ClearText::always;
  CHECK(site.checker()->check_password("apop", Secret{"right"}, stranger));
  site.settings.clear_text_password = ClearText::local;
  CHECK(site.checker()->check_password("apop", Secret{"right"}, {"127.0.0.1"}));
  CHECK_FALSE(site.checker()->check_password("virtual", Secret{"right"}, stranger));
  site.settings.clear_text_password = ClearText::never;
  CHECK_FALSE(site.checker()->check_password("virtual", Secret{"right"}, {"127.0.0.1"}));
  CHECK(site.checker()->check_apop("apop", stamp, digest_of("shared"), stranger));
}

TEST_CASE("A file that cannot be used is no verdict on a user", "[auth][check]") {
  CredentialSite site;
  SECTION("others may read it") {
    fs::permissions(site.settings.credential_file, fs::perms{0644});
  }
  SECTION("missing") {
    fs::remove(site.settings.credential_file);
  }
  SECTION("damaged") {
    test::put_file(site.settings.credential_file, "no database");
  }
  const auto checker = site.checker();
  CHECK_FALSE(checker->apop_usable());
  const Result<Account> account = checker->check_password("virtual", Secret{"right"}, stranger);
  REQUIRE_FALSE(account);
  CHECK(account.error().code == Errc::io);
  const Result<Account> apop = checker->check_apop("apop", stamp, digest_of("shared"), stranger);
  REQUIRE_FALSE(apop);
  CHECK(apop.error().code == Errc::io);
}

TEST_CASE("A password that nobody on the way can read is taken, and no other", "[auth][check]") {
  CredentialSite site;
  site.settings.clear_text_password = ClearText::tls;
  const auto checker = site.checker();
  const LoginOrigin over_tls{stranger.address, true};
  CHECK(checker->check_password("virtual", Secret{"right"}, over_tls));
  CHECK_FALSE(checker->check_password("virtual", Secret{"right"}, stranger));
}

TEST_CASE("The account is that of the treated name, and keeps the typed one", "[auth][check]") {
  CredentialSite site;
  site.settings.downcase_user = true;
  site.settings.trim_domain = true;
  site.settings.folder = "[+](.*)";
  const auto checker = site.checker();
  const Result<Account> account =
      checker->check_password("Virtual+Lists@example.org", Secret{"right"}, stranger);
  REQUIRE(account);
  CHECK(account->name == "virtual");
  CHECK(account->folder == "lists");
  CHECK(account->login == "Virtual+Lists@example.org");
  const Result<Account> by_digest =
      checker->check_apop("APOP+x", stamp, digest_of("shared"), stranger);
  REQUIRE(by_digest);
  CHECK(by_digest->name == "apop");
  CHECK(by_digest->folder == "x");
  CHECK(by_digest->login == "APOP+x");
  check_denied(checker->check_password("virtual+../jo", Secret{"right"}, stranger),
               "not a name a folder can have");
  check_denied(checker->check_password("+lists", Secret{"right"}, stranger),
               "not a name a user can have");
}

TEST_CASE("Accounts: rules hold for passwords and digests alike", "[auth][check]") {
  CredentialSite site;
  site.settings.clear_text_password = ClearText::always;
  const TemporaryDirectory lists;
  const auto check = [&](const std::string& why) {
    const auto checker = site.checker();
    CHECK(checker->check_password("virtual", Secret{"right"}, stranger));
    check_denied(checker->check_password("apop", Secret{"right"}, stranger), why);
    check_denied(checker->check_password("apop", Secret{"wrong"}, stranger), why);
    check_denied(checker->check_apop("apop", stamp, digest_of("shared"), stranger), why);
    // A wrong digest is known at no cost, so it is judged first.
    check_denied(checker->check_apop("apop", stamp, digest_of("wrong"), stranger),
                 "APOP: wrong digest");
  };
  SECTION("auth-file") {
    site.settings.auth_file = lists / "allowed";
    test::put_file(site.settings.auth_file, "virtual\nVirtual\napo");
    check("not listed in auth-file");
  }
  SECTION("nonauth-file") {
    site.settings.nonauth_file = lists / "refused";
    test::put_file(site.settings.nonauth_file, "virtua\nvirtual \napop");
    check("listed in nonauth-file");
  }
}

TEST_CASE("Accounts: block-uid is for every kind of user", "[auth][check]") {
  CredentialSite site;
  site.settings.block_uid = 1000;
  check_denied(site.checker()->check_password("virtual", Secret{"right"}, stranger),
               "access is blocked for UIDs up to 1000");
  site.settings.block_uid = -1;
  CHECK(site.checker()->check_password("virtual", Secret{"right"}, stranger));
  site.settings.clear_text_password = ClearText::always;
  check_denied(site.checker()->check_password("root", Secret{"right"}, stranger),
               "access is blocked for root");
}

// ------------------------------------------------------------------ cost

/// Processor time of the cheapest of a few attempts: waiting for the processor does not count.
/// Hashes of the ordinary kind that `attempt` makes, at least: the first one of a process also
/// measures what a hash costs, and a busy machine may now and then make one too many.
int hashes_of(const std::function<void()>& attempt) {
  static const std::string kind{hash_kind_of(ordinary_hash_setting())};
  int least = std::numeric_limits<int>::max();
  for (int i = 0; i < 5; ++i) {
    const int before = test::hashes_made(kind);
    attempt();
    least = std::min(least, test::hashes_made(kind) - before);
  }
  return least;
}

struct Attempt {
  std::string user, password;
};

/// Each of the attempts is refused at the cost of `wrong`. A missing hash fails in every round.
void check_costs(const std::function<std::unique_ptr<PasswordChecker>()>& make_checker,
                 const Attempt& wrong, const std::vector<Attempt>& attempts) {
  constexpr int rounds = 8;
  std::string odd;
  for (int round = 0; round < rounds; ++round) {
    const auto checker = make_checker();
    const auto cost = [&](const Attempt& attempt) {
      return hashes_of(
          [&] { (void)checker->check_password(attempt.user, Secret{attempt.password}, stranger); });
    };
    const int usual = cost(wrong);
    odd = usual > 0 ? "" : "a wrong password costs no hash; ";
    for (const Attempt& attempt : attempts) {
      const int made = cost(attempt);
      if (made != usual) {
        odd += attempt.user + ": " + std::to_string(made) +
               " hashes, wrong password: " + std::to_string(usual) + "; ";
      }
    }
    if (odd.empty()) break;
  }
  CHECK(odd == "");
}

TEST_CASE("Every refusal costs as much as a wrong password", "[auth][check][cost]") {
  const CredentialSite site;
  check_costs([&] { return site.checker(); }, {"virtual", "wrong"},
              {{"nosuch", "wrong"},
               {"../virtual", "wrong"},
               {"apop-only", "wrong"},
               {"apop", "wrong"},
               {"locked", "wrong"},
               {"not-in-passwd", "wrong"},
               {"virtual", ""}});
}

TEST_CASE("A device password costs as much as another when it is refused",
          "[auth][check][cost][device]") {
  const DeviceSite site;
  const std::string unknown = "0000-1111-2222-3333-4445";
  check_costs([&] { return site.checker(); }, {"virtual", "wrong"},
              {{"virtual", unknown},
               {"nosuch", unknown},
               {"virtual", "limited0-1111-2222-3333"},
               {"virtual", "ended000-1111-2222-3333"},
               {"locked", std::string{phone_secret}}});
}

TEST_CASE("A refusal by a list costs as much as a wrong password", "[auth][check][cost]") {
  CredentialSite site;
  const TemporaryDirectory lists;
  site.settings.nonauth_file = lists / "refused";
  test::put_file(site.settings.nonauth_file, "apop-off\nlocked\n");
  check_costs([&] { return site.checker(); }, {"virtual", "wrong"},
              {{"apop-off", "right"}, {"apop-off", "wrong"}, {"locked", "wrong"}});
}

TEST_CASE("An attempt that compared once did one hash, however long it took", "[auth][cost]") {
  LoginCost cost{ordinary_hash_setting, 1};
  const std::string kind{hash_kind_of(ordinary_hash_setting())};
  const LoginCost::CpuTime nothing{0}, long_time = std::chrono::minutes{1};
  CHECK(hashes_of([&] { cost.even_out(nothing); }) == 1);
  CHECK(hashes_of([&] { cost.even_out(long_time, kind); }) == 0);
  cost.learn(long_time);
  cost.learn(long_time);
  const int most = cost.hashes();
  REQUIRE(most > 1);
  CHECK(hashes_of([&] { cost.even_out(long_time, kind); }) == most - 1);
  // A kind that costs next to nothing does not count.
  CHECK(hashes_of([&] { cost.even_out(nothing, "$1$"); }) == most);
}

TEST_CASE("One attempt that took longer than ever teaches nothing, two do", "[auth][cost]") {
  LoginCost cost{ordinary_hash_setting, 1};
  const LoginCost::CpuTime nothing{0}, long_time = std::chrono::minutes{1};
  cost.learn(long_time);
  CHECK(cost.hashes() == 1);
  cost.learn(nothing);
  cost.learn(long_time);
  CHECK(cost.hashes() == 1);
  cost.learn(long_time);
  CHECK(cost.hashes() > 1);
}

// ------------------------------------------------------------------ PAM

/// Runs a program without a shell; false when it fails.
bool run(std::vector<std::string> words, const std::string& input = "") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  Fd read_end{ends[0]};
  Fd write_end{ends[1]};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, read_end.get(), 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t child = -1;
  const int spawned = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0) return false;
  const bool fed =
      ::write(write_end.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size());
  write_end = Fd{};
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0 && fed;
}

/// A PAM service and a user of the test's own, both removed whatever happens.
class PamSite {
 public:
  PamSite() {
    test::put_file(service_file(), "auth required pam_unix.so\naccount required pam_unix.so\n");
    settings.pam_service = service_;
    settings.credential_file = directory_ / "credentials.gdbm";
    REQUIRE(run({"useradd", "-M", "-N", "-s", "/usr/sbin/nologin", user_}));
    REQUIRE(run({"chpasswd"}, user_ + ":right\n"));
  }
  PamSite(const PamSite&) = delete;
  PamSite& operator=(const PamSite&) = delete;
  ~PamSite() {
    (void)run({"userdel", user_});
    std::error_code ignored;
    fs::remove(service_file(), ignored);
  }

  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] fs::path service_file() const { return fs::path{"/etc/pam.d"} / service_; }
  [[nodiscard]] std::unique_ptr<PasswordChecker> checker() const {
    Result<std::unique_ptr<PasswordChecker>> made = make_password_checker(settings);
    REQUIRE(made);
    return std::move(*made);
  }

  Settings settings;

 private:
  TemporaryDirectory directory_;
  std::string service_ = "popper-test-" + std::to_string(::getpid());
  std::string user_ = "poptest" + std::to_string(::getpid());
};

/// Needs /etc/shadow and useradd.
bool can_test_pam() {
  if (::geteuid() == 0) return true;
  WARN("NOT TESTED: PAM with users of the system needs root");
  return false;
}

TEST_CASE("PAM: the right password gives the system's account", "[auth][pam][root]") {
  if (!can_test_pam()) return;
  const PamSite site;
  const Result<Account> account =
      site.checker()->check_password(site.user(), Secret{"right"}, stranger);
  REQUIRE(account);
  CHECK(account->name == site.user());
  CHECK(account->uid == find_system_account(site.user())->uid);
  CHECK_FALSE(account->is_virtual);
}

TEST_CASE("PAM: wrong, empty and cut passwords, unknown and system users are refused",
          "[auth][pam][root]") {
  if (!can_test_pam()) return;
  const PamSite site;
  const auto checker = site.checker();
  const auto denied = [&](std::string_view user, std::string_view password) {
    const Result<Account> account = checker->check_password(user, Secret{password}, stranger);
    REQUIRE_FALSE(account);
    CHECK(account.error().code == Errc::denied);
    return account.error().text;
  };
  CHECK(denied(site.user(), "wrong") == "PAM authenticate: Authentication failure");
  CHECK(denied(site.user(), "") == "PAM authenticate: Authentication failure");
  CHECK(denied(site.user(), std::string_view{"right\0x", 7}).find("NUL") != std::string::npos);
  CHECK(denied(site.user(), std::string(600, 'a')).find("too long") != std::string::npos);
  CHECK(denied("no-such-user", "right").starts_with("PAM authenticate: User not known"));
  CHECK(denied("root", "right") == "access is blocked for root");
}

TEST_CASE("PAM: locked and expired accounts are refused, also with APOP", "[auth][pam][root]") {
  if (!can_test_pam()) return;
  const PamSite site;
  REQUIRE(CredentialDbWriter::create(system_disk(), site.settings.credential_file));
  std::vector<CredentialDbWriter::Change> changes;
  changes.push_back({site.user(), Credential{Secret{"shared"}, "", {}, {}}});
  REQUIRE(
      CredentialDbWriter::apply(system_disk(), site.settings.credential_file, std::move(changes)));
  Settings settings = site.settings;
  settings.clear_text_password = ClearText::always;
  const auto checker = std::move(*make_password_checker(settings));
  const auto by_password = [&] {
    return checker->check_password(site.user(), Secret{"right"}, stranger);
  };
  const auto by_apop = [&] {
    return checker->check_apop(site.user(), stamp, digest_of("shared"), stranger);
  };
  REQUIRE(by_password());
  REQUIRE(by_apop());

  REQUIRE(run({"chage", "-E", "1", site.user()}));
  CHECK(by_password().error().text.find("expired") != std::string::npos);
  CHECK(by_password().error().code == Errc::account_expired);
  CHECK(by_apop().error().code == Errc::account_expired);
  CHECK(checker->check_password(site.user(), Secret{"wrong"}, stranger).error().code ==
        Errc::denied);
  REQUIRE(run({"chage", "-E", "-1", site.user()}));
  REQUIRE(by_password());

  REQUIRE(run({"chage", "-d", "0", site.user()}));
  const Result<Account> must_change = by_password();
  REQUIRE_FALSE(must_change);
  CHECK(must_change.error().code == Errc::password_expired);
  CHECK(must_change.error().text.find("password") != std::string::npos);
  settings.check_password_expired = false;
  CHECK((*make_password_checker(settings))->check_password(site.user(), Secret{"right"}, stranger));
  REQUIRE(run({"chage", "-d", "20000", site.user()}));

  REQUIRE(run({"usermod", "-L", site.user()}));
  CHECK(by_password().error().code == Errc::denied);
}

TEST_CASE("PAM: a virtual user is checked with its record", "[auth][pam][root]") {
  if (!can_test_pam()) return;
  const PamSite site;
  REQUIRE(CredentialDbWriter::create(system_disk(), site.settings.credential_file));
  std::vector<CredentialDbWriter::Change> changes;
  changes.push_back({"virtual", Credential{{}, hash_of("right"), as_virtual(), {}}});
  REQUIRE(
      CredentialDbWriter::apply(system_disk(), site.settings.credential_file, std::move(changes)));
  const auto checker = site.checker();
  CHECK(checker->check_password("virtual", Secret{"right"}, stranger)->is_virtual);
  CHECK_FALSE(checker->check_password("virtual", Secret{"wrong"}, stranger));
  CHECK(checker->check_password(site.user(), Secret{"right"}, stranger));
}

TEST_CASE("PAM: a service that cannot work is no verdict on the user", "[auth][pam][root]") {
  if (!can_test_pam()) return;
  const PamSite site;
  test::put_file(site.service_file(), "auth required /no/such/module.so\n");
  const Result<Account> account =
      site.checker()->check_password(site.user(), Secret{"right"}, stranger);
  REQUIRE_FALSE(account);
  CHECK(account.error().code == Errc::io);
}

TEST_CASE("PAM: messages of modules reach the log, escaped", "[auth][pam][root]") {
  if (!can_test_pam()) return;
  const PamSite site;
  TemporaryDirectory directory;
  test::put_file(directory / "motd", "Closed\tfor the night\n");
  test::put_file(site.service_file(),
                 "auth required pam_echo.so file=" + (directory / "motd").native() +
                     "\nauth required pam_deny.so\n");
  const Result<Account> account =
      site.checker()->check_password(site.user(), Secret{"right"}, stranger);
  REQUIRE_FALSE(account);
  CHECK(account.error().text ==
        "PAM authenticate: Authentication failure (Closed\\x09for the night)");
}

TEST_CASE("PAM: a wrong password with letters that SASLprep changes counts once",
          "[auth][pam][root]") {
  if (!can_test_pam()) return;
  const PamSite site;
  const TemporaryDirectory directory;
  const fs::path count = directory / "count", counted = directory / "counted";
  test::put_file(count, "#!/bin/sh\necho asked >> " + counted.native() + "\n");
  fs::permissions(count, fs::perms{0700});
  test::put_file(site.service_file(),
                 "auth required pam_exec.so " + count.native() + "\nauth required pam_deny.so\n");
  check_denied(site.checker()->check_password(site.user(), Secret{"wrong\u00AA"}, stranger),
               "PAM authenticate: Authentication failure");
  CHECK(test::get_file(counted) == "asked\n");
}

TEST_CASE("PAM: every refusal costs as much as a wrong password", "[auth][pam][root][cost]") {
  if (!can_test_pam()) return;
  const PamSite site;
  check_costs(
      [&] { return site.checker(); }, {site.user(), "wrong"},
      {{"no-such-user", "wrong"}, {"root", "wrong"}, {"../root", "wrong"}, {"man", "wrong"}});
}

TEST_CASE("PAM: whom a list refuses costs as much as a wrong password", "[auth][pam][root][cost]") {
  if (!can_test_pam()) return;
  PamSite site;
  const TemporaryDirectory lists;
  site.settings.auth_file = lists / "allowed";
  test::put_file(site.settings.auth_file, site.user() + "\n");
  check_costs([&] { return site.checker(); }, {site.user(), "wrong"},
              {{"no-such-user", "wrong"}, {"nobody", "wrong"}});
}

// ------------------------------------------------------------------ shadow

TEST_CASE("shadow: the right password gives the system's account", "[auth][shadow][root]") {
  if (!can_test_pam()) return;
  PamSite site;
  site.settings.auth_source = AuthSource::shadow;
  const auto checker = site.checker();
  const Result<Account> account = checker->check_password(site.user(), Secret{"right"}, stranger);
  REQUIRE(account);
  CHECK(account->name == site.user());
  CHECK(account->uid == find_system_account(site.user())->uid);
  const auto why = [&](std::string_view user, std::string_view password) {
    const Result<Account> refused = checker->check_password(user, Secret{password}, stranger);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::denied);
    return refused.error().text;
  };
  CHECK(why(site.user(), "wrong") == "wrong password");
  CHECK(why(site.user(), "") == "wrong password");
  CHECK(why("no-such-user", "right") == "unknown user");
  CHECK(why("root", "") == "access is blocked for root");
  CHECK(why("nobody", "right") == "account locked");
}

TEST_CASE("shadow: empty, locked and expired ones are refused", "[auth][shadow][root]") {
  if (!can_test_pam()) return;
  PamSite site;
  site.settings.auth_source = AuthSource::shadow;
  const auto why = [&](std::string_view password = "right") {
    const Result<Account> account =
        site.checker()->check_password(site.user(), Secret{password}, stranger);
    return account ? std::string{"let in"} : account.error().text;
  };
  const auto change = [&](std::vector<std::string> words) {
    words.push_back(site.user());
    REQUIRE(run(std::move(words)));
  };
  CHECK(why() == "let in");
  change({"chage", "-E", "1"});
  CHECK(why() == "account expired");
  CHECK(why("wrong") == "wrong password");
  change({"chage", "-E", "-1"});
  change({"chage", "-d", "0"});
  CHECK(why().starts_with("password expired"));
  change({"chage", "-d", "10000", "-M", "30"});
  CHECK(why().starts_with("password expired"));
  site.settings.check_password_expired = false;
  CHECK(why() == "let in");
  change({"chage", "-I", "5"});
  CHECK(why().starts_with("password expired"));
  change({"chage", "-I", "-1", "-M", "-1"});
  change({"usermod", "-L"});
  CHECK(why() == "account locked");
  change({"usermod", "-U"});
  CHECK(why() == "let in");
  change({"passwd", "-d"});
  CHECK(why("") == "has an empty password");
  CHECK(why() == "has an empty password");
}

TEST_CASE("shadow: an APOP user whose account has expired stays out", "[auth][shadow][root]") {
  if (!can_test_pam()) return;
  PamSite site;
  site.settings.auth_source = AuthSource::shadow;
  REQUIRE(CredentialDbWriter::create(system_disk(), site.settings.credential_file));
  std::vector<CredentialDbWriter::Change> changes;
  changes.push_back({site.user(), Credential{Secret{"shared"}, "", {}, {}}});
  REQUIRE(
      CredentialDbWriter::apply(system_disk(), site.settings.credential_file, std::move(changes)));
  const auto by_apop = [&] {
    return site.checker()->check_apop(site.user(), stamp, digest_of("shared"), stranger);
  };
  CHECK(by_apop());
  REQUIRE(run({"chage", "-E", "1", site.user()}));
  CHECK(by_apop().error().code == Errc::account_expired);
}

TEST_CASE("shadow: every refusal costs as much as a wrong password", "[auth][shadow][root][cost]") {
  if (!can_test_pam()) return;
  PamSite site;
  site.settings.auth_source = AuthSource::shadow;
  check_costs([&] { return site.checker(); }, {site.user(), "wrong"},
              {{"no-such-user", "wrong"},
               {"root", "wrong"},
               {"../root", "wrong"},
               {"nobody", "wrong"},
               {site.user(), ""}});
}

// ------------------------------------------------------------------ login-cache

int hashes_of_login(PasswordChecker& checker, std::string_view user) {
  return hashes_of([&] { REQUIRE(checker.check_password(user, Secret{"right"}, stranger)); });
}

TEST_CASE("login-cache: what was right is not hashed again, and each change counts at once",
          "[auth][memo]") {
  CredentialSite site;
  site.settings.login_cache = std::chrono::seconds{600};
  const auto checker = site.checker();
  CHECK(hashes_of_login(*CredentialSite{}.checker(), "virtual") == 1);
  CHECK(hashes_of_login(*checker, "virtual") == 0);
  const auto why = [&](std::string_view password) {
    const Result<Account> account = checker->check_password("virtual", Secret{password}, stranger);
    return account ? std::string{"in"} : account.error().text;
  };
  CHECK(why("wrong") == "wrong password");
  CHECK(why("") == "wrong password");
  const auto set_hash = [&](std::string hash) {
    std::vector<CredentialDbWriter::Change> changes;
    changes.push_back({"virtual", Credential{{}, std::move(hash), as_virtual(), {}}});
    REQUIRE(CredentialDbWriter::apply(system_disk(), site.settings.credential_file,
                                      std::move(changes)));
  };
  const std::string right = hash_of("right");
  set_hash("!" + right);
  CHECK(why("right") == "account locked");
  set_hash(hash_of("other"));
  CHECK(why("right") == "wrong password");
  CHECK(why("other") == "in");
  set_hash(right);
  CHECK(why("right") == "in");
  CHECK(why("other") == "wrong password");
}

TEST_CASE("login-cache: PAM's account part and the system's files are asked each time",
          "[auth][pam][memo][root]") {
  if (!can_test_pam()) return;
  for (const AuthSource source : {AuthSource::pam, AuthSource::shadow}) {
    PamSite site;
    site.settings.auth_source = source;
    site.settings.login_cache = std::chrono::seconds{600};
    const auto checker = site.checker();
    site.settings.login_cache = std::chrono::seconds{0};
    CHECK(hashes_of_login(*site.checker(), site.user()) > 0);
    // What is remembered ends when anybody changes the accounts: other tests do.
    int hashes = 1;
    for (int i = 0; i < 50 && hashes > 0; ++i) hashes = hashes_of_login(*checker, site.user());
    CHECK(hashes == 0);
    const auto code = [&](std::string_view password) {
      const Result<Account> account =
          checker->check_password(site.user(), Secret{password}, stranger);
      return account ? std::optional<Errc>{} : account.error().code;
    };
    CHECK(code("wrong") == Errc::denied);
    REQUIRE(run({"chage", "-E", "1", site.user()}));
    CHECK(code("right") == Errc::account_expired);
    REQUIRE(run({"chage", "-E", "-1", site.user()}));
    CHECK_FALSE(code("right"));
    REQUIRE(run({"usermod", "-L", site.user()}));
    CHECK(code("right") == Errc::denied);
    REQUIRE(run({"usermod", "-U", site.user()}));
    CHECK_FALSE(code("right"));
    REQUIRE(run({"chpasswd"}, site.user() + ":other\n"));
    CHECK(code("right") == Errc::denied);
    CHECK_FALSE(code("other"));
  }
}

}  // namespace
}  // namespace pop
