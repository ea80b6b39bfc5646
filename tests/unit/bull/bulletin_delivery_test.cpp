#include "bull/bulletin_delivery.h"

#include "support/bulletin_bed.h"

namespace pop::test {
namespace {

std::string spool_of(const Bed& bed) {
  return bed.form == Form::maildir ? "" : get_file(bed.world / "jo");
}

TEST_CASE("A login brings the bulletins that the user has not had", "[bull][delivery]") {
  Bed bed{GENERATE(Form::mbox, Form::mmdf, Form::maildir)};
  Login login{bed, system_disk(), bed.world.path()};
  {
    const Login::Session session = login.open();
    REQUIRE(session.delivered);
    CHECK(session.delivered->files == std::vector<std::string>{"2.x", "3.x"});
    CHECK(subjects(*session.maildrop) == expected(bed.form, {2, 3}));
    CHECK(session.maildrop->messages().back().unique_id.starts_with("bulletin-3-"));
  }
  CHECK(get_file(bed.world / ".popbull") == "3\n");
  const Login::Session again = login.open();
  REQUIRE(again.delivered);
  CHECK(again.delivered->files.empty());
  CHECK(subjects(*again.maildrop) == expected(bed.form, {2, 3}));
}

TEST_CASE("What was delivered and whose number was not written is not delivered again",
          "[bull][delivery]") {
  Bed bed{GENERATE(Form::mbox, Form::maildir)};
  Login login{bed, system_disk(), bed.world.path()};
  (void)login.open();
  put_file(bed.world / ".popbull", "1\n");  // as a crash leaves it
  bed.put(4);
  const Login::Session session = login.open();
  REQUIRE(session.delivered);
  CHECK(subjects(*session.maildrop) == expected(bed.form, {2, 3, 4}));
  CHECK(get_file(bed.world / ".popbull") == "4\n");
}

TEST_CASE("Where the number cannot be written the bulletins are taken out again",
          "[bull][delivery]") {
  Bed bed{GENERATE(Form::mbox, Form::mmdf, Form::maildir)};
  const std::string before = spool_of(bed);
  Login login{bed, system_disk(), bed.world.path()};
  // A directory in the place of the file that is to be renamed, which no right overcomes.
  const std::string beside = ".popbull.new." + std::to_string(::getpid());
  std::filesystem::create_directories(bed.world / beside / "x");
  {
    const Login::Session session = login.open();
    CHECK_FALSE(session.delivered);
    CHECK(subjects(*session.maildrop) == expected(bed.form, {}));
    CHECK(session.maildrop->commit({MessageSet{session.maildrop->messages().size()},
                                    MessageSet{session.maildrop->messages().size()}}));
  }
  CHECK(spool_of(bed) == before);
  CHECK(get_file(bed.world / ".popbull") == "1\n");
  std::filesystem::remove_all(bed.world / beside);
  const Login::Session session = login.open();
  REQUIRE(session.delivered);
  CHECK(subjects(*session.maildrop) == expected(bed.form, {2, 3}));
}

TEST_CASE("A new user's first login leaves a number", "[bull][delivery]") {
  Bed bed{GENERATE(Form::mbox, Form::maildir)};
  std::filesystem::remove(bed.world / ".popbull");
  Login login{bed, system_disk(), bed.world.path()};
  login.settings.max_bulletins = GENERATE(0, 1);
  const Login::Session session = login.open();
  REQUIRE(session.delivered);
  CHECK(session.delivered->files.size() == static_cast<std::size_t>(login.settings.max_bulletins));
  CHECK(get_file(bed.world / ".popbull") == "3\n");
}

}  // namespace
}  // namespace pop::test
