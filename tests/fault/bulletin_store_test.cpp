// Every state that a kill, a power cut or a failing call may leave of a bulletin's delivery: the
// next login has each bulletin once, and the number of the last one never runs ahead of the mail.

#include <cerrno>
#include <optional>

#include "fault/restored_disk.h"
#include "support/bulletin_bed.h"
#include "support/simulated_disk.h"

namespace pop::test {
namespace {

TEST_CASE("A power cut or a kill in the delivery leaves each bulletin once, or not yet",
          "[fault][bulletins]") {
  Bed bed{GENERATE(Form::mbox, Form::maildir)};
  if (bed.form == Form::maildir) {  // the way of its making is deliver()'s
    for (const char* name : {"jo", "jo/tmp", "jo/new", "jo/cur"}) {
      std::filesystem::create_directory(bed.world / name);
    }
  }
  SimulatedDisk disk{bed.world.path()};
  {
    Login login{bed, disk, bed.world.path()};
    const Login::Session session = login.open();
    REQUIRE(session.delivered);
    disk.mark("delivered");
  }
  const Identity spool = identity_of(bed.world / "jo");
  const auto check = [&](const CrashState& state) {
    CAPTURE(state.description, state.changes);
    bury_lock_holder(state.root);
    RestoredDisk restored{system_disk(), identity_of(state.root / "jo"), spool};
    Login after{bed, restored, state.root};
    const SeenFile seen = from_popbull(get_file(state.root / ".popbull"));
    REQUIRE(seen.kind == SeenFile::Kind::number);
    const bool has_number = seen.record == SeenRecord{3, {}};
    if (!state.marks.empty()) CHECK(has_number);
    {  // the number never runs ahead of the mail: without bulletins all must be there
      const Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(after.context(), after.user);
      REQUIRE(maildrop);
      const Counts there = subjects(**maildrop);
      if (has_number) CHECK(there == expected(bed.form, {2, 3}));
      for (const auto& [subject, count] : there) CHECK(count == 1);
    }
    const Login::Session session = after.open();
    INFO((session.delivered ? std::string{} : session.delivered.error().text));
    REQUIRE(session.delivered);
    CHECK(subjects(*session.maildrop) == expected(bed.form, {2, 3}));
    CHECK(get_file(state.root / ".popbull") == "3\n");
  };
  const CrashLimits limits{.states_per_point = 24};
  CHECK(disk.for_each_crash_state(limits, check) > 60);
  CHECK(disk.for_each_kill_state(check) > 20);
}

TEST_CASE("A delivery that fails at any call doubles nothing and loses nothing",
          "[fault][bulletins]") {
  const Form form = GENERATE(Form::mbox, Form::maildir);
  const auto [error, span] =
      GENERATE(std::pair{ENOSPC, FaultSpan::lasting}, std::pair{EIO, FaultSpan::once});
  const std::size_t calls = [&] {
    Bed bed{form};
    SimulatedDisk disk{bed.world.path()};
    (void)Login{bed, disk, bed.world.path()}.open();
    return disk.calls();
  }();
  std::size_t whole = 0;
  for (std::size_t call = 1; call <= calls; ++call) {
    CAPTURE(call, error);
    Bed bed{form};
    std::optional<std::size_t> delivered;
    {
      SimulatedDisk disk{bed.world.path()};
      disk.fail_at({.call = call, .error = error, .kind = {}, .span = span});
      Login login{bed, disk, bed.world.path()};
      const Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(login.context(), login.user);
      if (maildrop) {
        PopbullNumbers numbers{disk, login.settings, login.user};
        const Result<BulletinsDelivered> done =
            deliver_bulletins(login.context(), Recipient{"jo"}, "host", numbers, **maildrop);
        if (done) delivered = done->files.size();
      }
    }
    bury_lock_holder(bed.world.path());
    if (delivered) {  // then they are there, without another delivery
      Login later{bed, system_disk(), bed.world.path()};
      const Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(later.context(), later.user);
      REQUIRE(maildrop);
      CHECK((*maildrop)->messages().size() == expected(form, {}).size() + *delivered);
      if (*delivered == 2) ++whole;
    }
    bury_lock_holder(bed.world.path());
    Login after{bed, system_disk(), bed.world.path()};
    const Login::Session session = after.open();
    INFO((session.delivered ? std::string{} : session.delivered.error().text));
    REQUIRE(session.delivered);
    CHECK(subjects(*session.maildrop) == expected(form, {2, 3}));
    CHECK(get_file(bed.world / ".popbull") == "3\n");
  }
  CHECK(whole > 0);  // what fails at last, fails after all is done
}

}  // namespace
}  // namespace pop::test
