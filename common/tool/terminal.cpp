#include "tool/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/fd.h"

namespace pop {
namespace {

constexpr std::size_t keep_at_most = 64 * 1024;
constexpr std::size_t longest_line = 8 * 1024;

Result<void> write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write");
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

bool shows_color() {
  const char* forbidden = std::getenv("NO_COLOR");
  if (forbidden != nullptr && *forbidden != '\0') return false;
  const char* kind = std::getenv("TERM");
  return kind != nullptr && std::string_view{kind} != "dumb";
}

/// Puts the terminal back as it was, also when the read fails.
class EchoOff {
 public:
  explicit EchoOff(int terminal) : terminal_{terminal} {
    if (::tcgetattr(terminal_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_off_ = ::tcsetattr(terminal_, TCSAFLUSH, &quiet) == 0;
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  ~EchoOff() {
    if (is_off_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  [[nodiscard]] bool is_off() const { return is_off_; }

 private:
  int terminal_;
  termios before_{};
  bool is_off_ = false;
};

}  // namespace

Terminal::Terminal(std::string program, Streams streams)
    : program_{std::move(program)},
      streams_{streams},
      out_is_terminal_{::isatty(streams.out) == 1},
      err_is_terminal_{::isatty(streams.err) == 1},
      color_{out_is_terminal_ && shows_color()} {}

void Terminal::print(std::string_view text) {
  kept_ += text;
  if (kept_.size() >= keep_at_most) (void)flush();
}

Result<void> Terminal::flush() {
  const std::string text = std::exchange(kept_, {});
  Result<void> put = write_all(streams_.out, text);
  if (!put && written_) written_ = std::unexpected(std::move(put).error().in("standard output"));
  return written_;
}

void Terminal::complain(std::string_view text) {
  // Nobody can be told when this fails.
  (void)write_all(streams_.err, program_ + ": " + std::string{text} + "\n");
}

void Terminal::tell(std::string_view text, LineEnd end) {
  const std::string line = std::string{text} + (end == LineEnd::newline ? "\n" : "");
  (void)write_all(streams_.err, line);
}

Result<Secret> Terminal::ask_secret(std::string_view prompt) {
  if (::isatty(streams_.in) != 1) {
    return fail(Errc::usage, "standard input is not a terminal, nobody can be asked");
  }
  Fd controlling{::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
  const int where = controlling.is_open() ? controlling.get() : streams_.in;
  const EchoOff echo{where};
  if (!echo.is_off()) return fail(Errc::io, "the terminal shows what is typed");
  if (Result<void> asked = write_all(where, prompt); !asked) {
    return std::unexpected(std::move(asked).error());
  }
  Result<Secret> line = read_secret_line_of(where);
  (void)write_all(where, "\n");  // the one that was not shown
  return line;
}

Result<Secret> Terminal::read_secret_line() {
  return read_secret_line_of(streams_.in);
}

Result<Secret> read_secret_line_of(int descriptor) {
  std::array<char, longest_line> line;
  std::size_t size = 0;
  Result<Secret> read = fail(Errc::limit, "the line is too long");
  while (size < line.size()) {
    // One at a time: what follows the line belongs to somebody else.
    const ssize_t got = ::read(descriptor, line.data() + size, 1);
    if (got < 0 && errno == EINTR) continue;
    const bool ended = got == 0 || (got == 1 && line[size] == '\n');
    if (got < 0)
      read = fail_errno(errno, "read");
    else if (got == 0 && size == 0)
      read = fail(Errc::usage, "nothing to read");
    else if (ended)
      read = Secret{std::string_view{line.data(), size}};
    else
      ++size;
    if (got < 0 || ended) break;
  }
  wipe(line);
  return read;
}

}  // namespace pop
