#include "popauth/classic.h"

#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "auth/password_hash.h"
#include "popauth_site.h"
#include "support/recording_sink.h"

namespace pop {
namespace {

using Lines = std::vector<std::string>;

/// A credential file, and the classic form on it for root or for somebody else.
struct Site : test::PopauthSite {
  Site() { done({"init"}); }

  struct Outcome {
    int status;
    std::string out, err;
  };
  [[nodiscard]] Outcome old(const Lines& arguments, const std::string& program = "popauth",
                            uid_t caller = 0, std::string_view input = "") const {
    const test::ToolStreams streams{input};
    Terminal terminal{"popauth", streams.streams()};
    const Result<ClassicCommand> command = read_classic(arguments);
    if (!command) return {1, "", command.error().text};
    Log log{std::make_unique<test::RecordingSink>(logged), Severity::notice};
    const ClassicSite site{.disk = system_disk(),
                           .file = file(),
                           .program = program,
                           .owner = "mail",
                           .caller = caller,
                           .log = log};
    const int status = run_classic(*command, site, terminal);
    return {status, streams.out(), streams.err()};
  }
  mutable test::RecordingSink::Lines logged;
};

constexpr uid_t somebody = 65534;  // "nobody" of a Debian system
constexpr uid_t owner = 8;         // "mail"
const std::string warning =
    "popauth: warning: every user of this machine can read a password on the command line\n";

TEST_CASE("The classic form is told from the new one", "[popauth][classic]") {
  CHECK(is_classic("popauth", {}));
  CHECK(is_classic("popauth", {"-init"}));
  CHECK(is_classic("popauth", {"-user", "jo"}));
  CHECK(is_classic("scramauth", {"init"}));
  CHECK(is_classic("apopauth", {"--json"}));
  for (const char* word : {"init", "-n", "-v", "-V", "-h", "--help", "-f"}) {
    CAPTURE(word);
    CHECK_FALSE(is_classic("popauth", {word}));
  }
}

TEST_CASE("Classic words are read as they were", "[popauth][classic]") {
  const auto read = [](const Lines& arguments) {
    Result<ClassicCommand> command = read_classic(arguments);
    REQUIRE(command);
    return std::move(*command);
  };
  CHECK(read({}).verb == ClassicCommand::Verb::change_own);
  CHECK(read({"-trace", "file"}).trace == "file");
  CHECK(read({"-init", "-safe"}).safe);
  CHECK(read({"-user", "jo"}).user == "jo");
  CHECK_FALSE(read({"-user", "jo", "-only"}).password);
  CHECK(read({"-user", "jo", "-x", "-only"}).password == "-x");
  CHECK(read({"-list"}).user.empty());
  CHECK(read({"-list", "ALL"}).user == "ALL");
  for (const Lines& wrong : {Lines{"-user"}, Lines{"-delete"}, Lines{"-trace"}, Lines{"-quick"},
                             Lines{"-init", "-list"}, Lines{"-user", "jo", "x", "y"}}) {
    CHECK_FALSE(read_classic(wrong));
  }
}

TEST_CASE("Classic -user stores an APOP secret and nothing else", "[popauth][classic]") {
  const Site site;
  const Site::Outcome added = site.old({"-user", "jo", "tanstaaf"});
  CHECK(added.status == 0);
  CHECK(added.out.empty());
  CHECK(added.err == "Adding only APOP password for jo.\n" + warning);
  CHECK(site.stored("jo").apop_secret->octets() == "tanstaaf");
  CHECK(site.stored("jo").password_hash.empty());
  CHECK_FALSE(site.stored("jo").scram_sha_256);
  CHECK(site.old({"-user", "jo", "2"}, "apopauth", owner).err ==
        "Changing only APOP password for jo.\n" + warning);
  CHECK(site.stored("jo").apop_secret->octets() == "2");
  REQUIRE(site.logged.size() == 2);
  CHECK(site.logged[0].second.starts_with("root added only APOP password for jo"));
  CHECK(site.logged[1].second.starts_with("mail changed only APOP password for jo"));
}

TEST_CASE("Classic -user with * turns APOP off and keeps the user", "[popauth][classic]") {
  const Site site;
  CHECK(site.old({"-user", "jo", "*"}).status == 0);
  CHECK(site.stored("jo").apop_secret->empty());
  CHECK(site.old({"-list", "jo"}).out == "jo              :           \n");
}

TEST_CASE("Classic changes leave nobody with two passwords", "[popauth][classic]") {
  const Site site;
  site.done({"set", "jo", "--stdin", "--uid", "1000", "--gid", "8", "--home", "/srv/jo"}, "one\n");
  site.done({"set", "jo", "--lock"});
  CHECK(site.old({"-user", "jo", "two"}).status == 0);
  const Credential jo = site.stored("jo");
  CHECK(jo.apop_secret->octets() == "two");
  CHECK(jo.is_locked());
  CHECK(password_hash_matches(Secret{"two"}, jo.password_hash.substr(1)));
  CHECK(scram_keys_match(ScramHash::sha_256, Secret{"two"}, jo.scram_sha_256.value()));
}

TEST_CASE("scramauth stores keys, and clears the APOP secret unless told not to",
          "[popauth][classic]") {
  const Site site;
  CHECK(site.old({"-user", "jo", "one"}).status == 0);
  CHECK(site.old({"-only", "-user", "jo", "two"}, "scramauth").err ==
        "Changing only SCRAM password for jo.\n" + warning);
  CHECK(site.stored("jo").apop_secret->octets() == "one");
  CHECK(site.old({"-list", "jo"}).out == "jo              : APOP SCRAM\n");
  CHECK(site.old({"-user", "jo", "three"}, "scramauth").err ==
        "Changing SCRAM password for jo.\n" + warning);
  CHECK_FALSE(site.stored("jo").apop_secret);
  CHECK(scram_keys_match(ScramHash::sha_1, Secret{"three"}, site.stored("jo").scram_sha_1.value()));
  CHECK(site.old({"-list", "ALL"}).out == "jo              :      SCRAM\n");
  CHECK(site.old({"-list", "ALL"}, "qauth").err == "popauth: Unknown mode: qauth\n");
}

TEST_CASE("Classic rights: who may do what", "[popauth][classic]") {
  const Site site;
  CHECK(site.old({"-user", "jo", "one"}).status == 0);
  const std::string only_owner =
      "popauth: Only superuser or user \"mail\" can perform the requested function\n";
  for (const Lines& others : {Lines{"-user", "jo", "x"}, Lines{"-delete", "jo"},
                              Lines{"-list", "jo"}, Lines{"-list", "ALL"}}) {
    const Site::Outcome refused = site.old(others, "popauth", somebody);
    CHECK(refused.status == 1);
    CHECK(refused.err == only_owner);
  }
  for (const uid_t caller : {somebody, owner}) {
    const Site::Outcome refused = site.old({"-init"}, "popauth", caller);
    CHECK(refused.status == 1);
    CHECK(refused.err == "popauth: Only superuser can perform the requested function\n");
  }
  CHECK(site.stored("jo").apop_secret->octets() == "one");
  CHECK(site.old({"-list"}, "popauth", somebody).err ==
        "popauth: no entry for \"nobody\" in POP authentication DB\n");
  CHECK(site.old({"-list", "jo"}, "popauth", owner).status == 0);
}

TEST_CASE("Classic: a virtual user of one's name is somebody else", "[popauth][classic]") {
  const Site site;
  site.done({"set", "nobody", "--stdin", "--uid", "1000", "--gid", "8", "--home", "/srv"}, "one\n");
  const Site::Outcome refused = site.old({}, "popauth", somebody);
  CHECK(refused.status == 1);
  CHECK(refused.err.find("can perform the requested function") != std::string::npos);
}

TEST_CASE("Classic -delete", "[popauth][classic]") {
  const Site site;
  CHECK(site.old({"-user", "jo", "one"}).status == 0);
  const Site::Outcome missing = site.old({"-delete", "al"});
  CHECK(missing.status == 1);
  CHECK(missing.err == "popauth: User 'al' not found in authentication database\n");
  const Site::Outcome erased = site.old({"-delete", "jo"}, "popauth", owner);
  CHECK(erased.status == 0);
  CHECK(erased.err == "Warning: deleting user \"jo\"\n");
  CHECK(site.logged.back().second.starts_with("\"jo\" deleted by \"mail\" from db "));
  CHECK(site.old({"-list", "ALL"}).out.empty());
}

TEST_CASE("Classic -init asks, and -safe leaves alone", "[popauth][classic]") {
  const Site site;
  CHECK(site.old({"-user", "jo", "one"}).status == 0);
  const Site::Outcome safe = site.old({"-init", "-safe"});
  CHECK(safe.status == 0);
  CHECK(safe.err ==
        "POP authentication DB not initialized (exists): " + site.file().native() + "\n");
  const Site::Outcome declined = site.old({"-init"}, "popauth", 0, "no\n");
  CHECK(declined.status == 1);
  CHECK(declined.err == "Really initialize POP authentication DB? ");
  CHECK(site.old({"-init"}).status == 1);
  CHECK(site.stored("jo").apop_secret);
  CHECK(site.old({"-init"}, "popauth", 0, "yes\n").status == 0);
  CHECK(site.old({"-list", "ALL"}).out.empty());
  test::put_file(site.file(), "damaged");
  CHECK(site.old({"-init"}, "popauth", 0, "yes\n").status == 0);
  CHECK(site.old({"-list", "ALL"}).status == 0);
  std::filesystem::remove(site.file());
  CHECK(site.old({"-init", "-safe"}).status == 0);
  struct stat made {};
  REQUIRE(::stat(site.file().c_str(), &made) == 0);
  CHECK((made.st_mode & 07777) == 0600);
}

TEST_CASE("Classic -help and -version", "[popauth][classic]") {
  const Site site;
  CHECK(site.old({"-help"}).status == 1);
  CHECK(site.old({"-help"}).out.starts_with("popauth [-init [-safe]]"));
  CHECK(site.old({"-version"}).status == 0);
  CHECK(site.old({}).status == 1);  // nobody can be asked
}

TEST_CASE("Classic thinks the same passwords weak", "[popauth][classic]") {
  for (const char* good : {"ab-c", "aB1c", "abcD1", "abcdef", "ABCDEF", "abcd1", "    "}) {
    CAPTURE(good);
    CHECK(strength_of(good) == Strength::good);
  }
  for (const char* bad : {"a-c", "aB1", "abc1", "abcde", "abcD"}) {
    CAPTURE(bad);
    CHECK(strength_of(bad) == Strength::too_short);
  }
  CHECK(strength_of("1234567890") == Strength::digits_only);
}

}  // namespace
}  // namespace pop
