#include "tool/terminal.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/child_process.h"
#include "support/tool_streams.h"

namespace pop {
namespace {

TEST_CASE("Results and diagnostics go their own ways", "[tool][terminal]") {
  const test::ToolStreams streams;
  Terminal terminal{"tool", streams.streams()};
  terminal.print("a result\n");
  terminal.complain("something");
  terminal.complain(Error{Errc::io, "else"});
  CHECK(streams.out().empty());
  CHECK(streams.err() == "tool: something\ntool: else\n");
  REQUIRE(terminal.flush());
  CHECK(streams.out() == "a result\n");
  CHECK_FALSE(terminal.out_is_terminal());
  CHECK_FALSE(terminal.color());
}

TEST_CASE("A large result is written although nobody flushes", "[tool][terminal]") {
  const test::ToolStreams streams;
  Terminal terminal{"tool", streams.streams()};
  const std::string line(1023, 'x');
  for (int i = 0; i < 200; ++i) terminal.print(line + "\n");
  CHECK(streams.out().size() > 100'000);
  REQUIRE(terminal.flush());
  CHECK(streams.out().size() == 200 * 1024);
}

TEST_CASE("Lines of secrets are read one by one", "[tool][terminal]") {
  const test::ToolStreams streams{"first\nsec ond\r\n\nlast"};
  Terminal terminal{"tool", streams.streams()};
  CHECK(terminal.read_secret_line()->octets() == "first");
  CHECK(terminal.read_secret_line()->octets() == "sec ond\r");
  CHECK(terminal.read_secret_line()->octets().empty());
  CHECK(terminal.read_secret_line()->octets() == "last");
  CHECK(terminal.read_secret_line().error().code == Errc::usage);
}

TEST_CASE("A line may be long but not endless", "[tool][terminal]") {
  const test::ToolStreams longest{std::string(8191, 'a') + "\n"};
  CHECK(read_secret_line_of(longest.streams().in)->octets().size() == 8191);
  const test::ToolStreams longer{std::string(8193, 'a') + "\n"};
  CHECK(read_secret_line_of(longer.streams().in).error().code == Errc::limit);
}

TEST_CASE("Nobody is asked when standard input is not a terminal", "[tool][terminal]") {
  const test::ToolStreams streams{"secret\n"};
  Terminal terminal{"tool", streams.streams()};
  const Result<Secret> asked = terminal.ask_secret("Password: ");
  REQUIRE_FALSE(asked);
  CHECK(asked.error().code == Errc::usage);
}

/// A terminal of the test's own: what is typed goes into `master`.
struct Pty {
  Fd master, slave;
  Pty() {
    int ends[2] = {-1, -1};
    REQUIRE(::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr) == 0);
    master = Fd{ends[0]};
    slave = Fd{ends[1]};
  }
};

std::string read_until(const Fd& fd, std::string_view wanted) {
  std::string text;
  char byte = 0;
  while (!text.ends_with(wanted) && ::read(fd.get(), &byte, 1) == 1) text += byte;
  return text;
}

TEST_CASE("A prompt does not show what is typed and puts the terminal back", "[tool][terminal]") {
  const Pty pty;
  test::ChildProcess child{[&pty] {
    if (::setsid() < 0 || ::ioctl(pty.slave.get(), TIOCSCTTY, 0) != 0) return 2;
    const int slave = pty.slave.get();
    Terminal terminal{"tool", {.in = slave, .out = slave, .err = slave}};
    const Result<Secret> answer = terminal.ask_secret("Password: ");
    termios after{};
    if (::tcgetattr(slave, &after) != 0) return 3;
    if ((after.c_lflag & static_cast<tcflag_t>(ECHO)) == 0) return 4;
    return answer && answer->octets() == "open sesame" ? 0 : 5;
  }};
  CHECK(read_until(pty.master, "Password: ") == "Password: ");
  REQUIRE(::write(pty.master.get(), "open sesame\n", 12) == 12);
  CHECK(read_until(pty.master, "\n") == "\r\n");
  CHECK(child.wait() == 0);
}

TEST_CASE("NO_COLOR and dumb terminals get no colours", "[tool][terminal]") {
  const Pty pty;
  const int slave = pty.slave.get();
  const auto color_with = [slave](const char* no_color, const char* kind) {
    ::setenv("NO_COLOR", no_color, 1);
    ::setenv("TERM", kind, 1);
    return Terminal{"tool", {.in = slave, .out = slave, .err = slave}}.color();
  };
  CHECK(color_with("", "xterm"));
  CHECK_FALSE(color_with("1", "xterm"));
  CHECK_FALSE(color_with("", "dumb"));
  ::unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace pop
