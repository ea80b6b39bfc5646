#include "popper/mail_submission.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

#include "base/disk.h"
#include "popper/mail_intake.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using namespace std::chrono_literals;

Fd message_of(const test::TemporaryDirectory& directory, const std::string& text) {
  const std::array<std::filesystem::path, 1> place{directory.path()};
  Result<MailIntake> intake = MailIntake::open(system_disk(), place, {1'000'000});
  REQUIRE(intake);
  CHECK(intake->feed(text + "\r\n.\r\n") == text.size() + 5);
  REQUIRE(intake->has_ended());
  return Fd{::fcntl(intake->file().get(), F_DUPFD_CLOEXEC, 3)};
}

TEST_CASE("A mail command is judged by its end", "[popper][xmit]") {
  const test::TemporaryDirectory directory;
  const auto run = [&](const std::string& script) {
    const auto path = directory.path() / "script";
    {
      const Fd file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755)};
      REQUIRE(::write(file.get(), script.data(), script.size()) ==
              static_cast<ssize_t>(script.size()));
    }
    return run_mail_command({path, {"PATH=/usr/bin:/bin"}, 1s}, message_of(directory, "hello"));
  };
  CHECK(run("#!/bin/sh\ntest \"$(cat)\" = hello && test \"$*\" = '-t -i -oem'\n"));
  const auto failure_of = [&](const std::string& script) {
    const Result<void> done = run(script);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::io);
    return done.error().text;
  };
  CHECK(failure_of("#!/bin/sh\nexit 75\n") == "mail-command ended with 75");
  CHECK(failure_of("#!/bin/sh\necho no >&2; exit 1\n") == "mail-command ended with 1: no");
  CHECK(failure_of("#!/bin/sh\nkill -9 $$\n") == "mail-command was ended by signal 9");
  CHECK(failure_of("#!/nonexistent/interpreter\n").starts_with("mail-command ended with 127: "));
  CHECK(failure_of("#!/bin/sh\nsleep 600\n") == "mail-command took too long");
  CHECK(failure_of("#!/bin/sh\nyes 0123456789 | head -c 100000 >&2; exit 2\n").size() < 3000);
}

// One request, sent as another uid by a child; what the child heard.
std::string answer_to(const std::string& user) {
  Settings settings;
  settings.mail_command = "/bin/true";
  Result<SubmissionEnds> ends = open_submissions(settings);
  REQUIRE(ends);
  REQUIRE(ends->session.is_open());
  const test::TemporaryDirectory directory;
  const Fd message = message_of(directory, "hello");
  std::array<int, 2> heard{};
  REQUIRE(::pipe(heard.data()) == 0);
  const pid_t session = ::fork();
  if (session == 0) {
    ends->keeper = Fd{};
    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(EXIT_FAILURE);
    const Result<void> sent = submit_mail(ends->session, user, message);
    const std::string text = sent ? "sent" : sent.error().text;
    (void)!::write(heard[1], text.data(), text.size());
    ::_exit(EXIT_SUCCESS);
  }
  ends->session = Fd{};
  tend_submissions(ends->keeper, settings);
  std::array<char, 256> text{};
  const ssize_t size = ::read(heard[0], text.data(), text.size());
  ::close(heard[0]);
  ::close(heard[1]);
  while (::wait(nullptr) > 0) {
  }
  return {text.data(), static_cast<std::size_t>(std::max(size, ssize_t{0}))};
}

TEST_CASE("Mail is sent for the user whom the kernel names, and for nobody else",
          "[popper][xmit]") {
  if (::geteuid() != 0) return;
  CHECK(answer_to("nobody") == "sent");
  CHECK(answer_to("daemon") == "not the user that it says");
  CHECK(answer_to("root") == "not the user that it says");
  CHECK(answer_to("no such user") != "sent");
}

TEST_CASE("Nothing is taken where no mail command is", "[popper][xmit]") {
  Settings settings;
  settings.mail_command = "/nonexistent/sendmail";
  CHECK_FALSE(open_submissions(settings)->session.is_open());
  settings.mail_command = "/etc/passwd";
  CHECK_FALSE(open_submissions(settings)->session.is_open());
  settings.mail_command = "/bin/true";
  settings.session_program = "/bin/true";
  CHECK_FALSE(open_submissions(settings)->session.is_open());
}

TEST_CASE("A message beyond the limit is read and not kept", "[popper][xmit]") {
  const test::TemporaryDirectory directory;
  const std::array<std::filesystem::path, 2> places{"/nonexistent", directory.path()};
  Result<MailIntake> intake = MailIntake::open(system_disk(), places, {10});
  REQUIRE(intake);
  CHECK(intake->feed("12345\r\n") == 7);
  CHECK_FALSE(intake->is_too_large());
  CHECK(intake->feed("12345\r\n.\r\nQUIT\r\n") == 10);
  CHECK(intake->is_too_large());
  CHECK(intake->has_ended());
  CHECK(system_disk().status(intake->file())->size.count == 6);
}

}  // namespace
}  // namespace pop
