#include "poppassd/changer.h"

#include <memory>

#include "auth/set_password.h"
#include "support/catch.h"
#include "support/recording_sink.h"
#include "support/temporary_directory.h"

using namespace pop;
using test::TemporaryDirectory;
using Outcome = ChangeVerdict::Outcome;
using Word = TurnRequest::Word;

namespace {

/// A credential file with one virtual user, jo, and a changer that serves one client.
struct Site {
  TemporaryDirectory directory;
  Settings settings;
  test::RecordingSink::Lines lines;
  Log log{std::make_unique<test::RecordingSink>(lines), Severity::debug};
  std::vector<TurnRequest::Word> turns;
  std::optional<Turn> answer = Turn::now;
  GuessHash guesses{7};

  Site() {
    settings.credential_file = directory.path() / "credentials.gdbm";
    settings.auth_source = AuthSource::credentials;
    REQUIRE(CredentialDbWriter::create(system_disk(), settings.credential_file));
    Credential jo;
    jo.virtual_user = Credential::Virtual{5000, 8, "/nowhere", ""};
    jo.apop_secret = Secret{"right horse"};
    REQUIRE(set_password(jo, Secret{"right horse"}, ApopUse::as_before));
    store(std::move(jo));
  }

  void store(Credential jo) const {
    std::vector<CredentialChange> changes;
    changes.push_back({"jo", std::move(jo)});
    REQUIRE(CredentialDbWriter::apply(system_disk(), settings.credential_file, std::move(changes)));
  }

  [[nodiscard]] Credential jo() const {
    auto found = CredentialDb{settings.credential_file}.find("jo");
    REQUIRE(found);
    REQUIRE(*found);
    return std::move(**found);
  }

  std::optional<ChangeVerdict> change(const std::string& user, const std::string& old_password,
                                      const std::string& new_password) {
    const auto checker = make_password_checker(settings_for_check(settings), &log);
    REQUIRE(checker);
    const auto await_turn = [&](const TurnRequest& request) {
      turns.push_back(request.word);
      CHECK(request.guess == guesses.of(user, Secret{old_password}));
      return answer;
    };
    Changer changer{{settings, log, system_disk(), **checker, await_turn, guesses},
                    {"1", "192.0.2.1"}};
    return changer.change({user, Secret{old_password}, Secret{new_password}, false});
  }

  [[nodiscard]] bool has_logged(const std::string& text) const {
    for (const auto& [severity, line] : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace

TEST_CASE("A new password takes the place of the old one everywhere in the record",
          "[poppassd][changer]") {
  Site site;
  const auto verdict = site.change("jo", "right horse", "correct staple");
  REQUIRE(verdict);
  CHECK(verdict->outcome == Outcome::changed);
  const Credential jo = site.jo();
  const Secret fresh{"correct staple"};
  CHECK(is_password_of(jo, fresh));
  CHECK(jo.apop_secret->octets() == fresh.octets());
  CHECK(scram_keys_match(ScramHash::sha_256, fresh, *jo.scram_sha_256));
  CHECK(scram_keys_match(ScramHash::sha_1, fresh, *jo.scram_sha_1));
  CHECK(jo.virtual_user->uid == 5000);
  CHECK(site.turns == std::vector{Word::may_check, Word::right});
  CHECK(site.has_logged("password changed for jo"));
  CHECK(!site.has_logged("staple"));
}

TEST_CASE("Who is wrong, unknown or locked out hears the same, after a turn",
          "[poppassd][changer]") {
  Site site;
  Credential locked = site.jo();
  const auto check = [&](const std::string& user, const std::string& old_password) {
    site.turns.clear();
    const auto verdict = site.change(user, old_password, "correct staple");
    REQUIRE(verdict);
    CHECK(verdict->outcome == Outcome::rejected);
    CHECK(verdict->text.empty());
    CHECK(site.turns == std::vector{Word::may_check, Word::failed});
    CHECK(site.has_logged("someone tried to change " + user + "'s password"));
  };
  check("jo", "wrong");
  CHECK(site.has_logged("guess=new why="));
  site.answer = Turn::repeated;
  check("jo", "wrong");
  CHECK(site.has_logged("guess=repeated why="));
  check("al", "right horse");
  check("root", "right horse");
  locked.password_hash.insert(0, "!");
  site.store(std::move(locked));
  check("jo", "right horse");
}

TEST_CASE("A device password does not change the password", "[poppassd][changer]") {
  Site site;
  Credential jo = site.jo();
  const auto secret = make_device_secret();
  const auto id = make_device_id();
  REQUIRE(secret);
  REQUIRE(id);
  jo.devices.push_back({.name = "phone", .id = *id, .digest = *device_digest(*secret)});
  site.store(std::move(jo));
  const auto verdict = site.change("jo", std::string{secret->octets()}, "correct staple");
  REQUIRE(verdict);
  CHECK(verdict->outcome == Outcome::rejected);
  CHECK(is_password_of(site.jo(), Secret{"right horse"}));
}

TEST_CASE("New passwords that are too short or the old one are refused", "[poppassd][changer]") {
  Site site;
  site.settings.poppassd_min_length = 9;
  const auto verdict = site.change("jo", "right horse", "12345678");
  REQUIRE(verdict);
  CHECK(verdict->outcome == Outcome::refused);
  CHECK(verdict->text == "New password is too short; at least 9 characters are needed");
  CHECK(site.change("jo", "right horse", "right horse")->outcome == Outcome::refused);
  CHECK(is_password_of(site.jo(), Secret{"right horse"}));
}

TEST_CASE("Without the master nothing is checked", "[poppassd][changer]") {
  Site site;
  site.answer.reset();
  CHECK(!site.change("jo", "right horse", "correct staple"));
  CHECK(is_password_of(site.jo(), Secret{"right horse"}));
}

TEST_CASE("A damaged credential file is no verdict about the password", "[poppassd][changer]") {
  Site site;
  std::filesystem::resize_file(site.settings.credential_file, 100);
  const auto verdict = site.change("jo", "right horse", "correct staple");
  REQUIRE(verdict);
  CHECK(verdict->outcome == Outcome::unavailable);
  CHECK(site.turns == std::vector{Word::may_check});
}
