#include "tool/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "base/fd.h"

namespace pop {
namespace {

constexpr std::size_t keep_at_most = 64 * 1024;
constexpr std::size_t longest_line = 8 * 1024;
constexpr std::size_t largest_input = std::size_t{64} * 1024 * 1024;

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

// What a signal handler can reach: one prompt at a time.
int asked_terminal = -1;
termios asked_before{};

/// The signal, back at its default, ends the process when the handler returns.
void restore_and_raise(int signal) {
  ::tcsetattr(asked_terminal, TCSAFLUSH, &asked_before);
  ::raise(signal);
}

/// Puts the terminal back as it was, also when the read fails or a signal ends the process.
class EchoOff {
 public:
  explicit EchoOff(int terminal) {
    if (::tcgetattr(terminal, &asked_before) != 0) return;
    asked_terminal = terminal;
    catch_signals();
    termios quiet = asked_before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_off_ = ::tcsetattr(terminal, TCSAFLUSH, &quiet) == 0;
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  ~EchoOff() {
    if (is_off_) ::tcsetattr(asked_terminal, TCSAFLUSH, &asked_before);
    for (std::size_t i = 0; i < caught_.size(); ++i) {
      if (caught_[i]) ::sigaction(ending_signals[i], &*caught_[i], nullptr);
    }
  }
  [[nodiscard]] bool is_off() const { return is_off_; }

 private:
  static constexpr std::array ending_signals{SIGINT, SIGQUIT, SIGTERM, SIGHUP};

  /// One that is ignored, or has a handler already, stays as it is.
  void catch_signals() {
    struct sigaction restore {};
    restore.sa_handler = restore_and_raise;
    restore.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigfillset(&restore.sa_mask);  // with SIGTTOU, which would stop it in the background
    for (std::size_t i = 0; i < caught_.size(); ++i) {
      struct sigaction before {};
      if (::sigaction(ending_signals[i], nullptr, &before) != 0) continue;
      if ((before.sa_flags & SA_SIGINFO) != 0 || before.sa_handler != SIG_DFL) continue;
      if (::sigaction(ending_signals[i], &restore, nullptr) == 0) caught_[i] = before;
    }
  }

  std::array<std::optional<struct sigaction>, ending_signals.size()> caught_{};
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

Result<std::string> Terminal::read_input() {
  std::string text;
  std::array<char, std::size_t{64} * 1024> piece;
  for (;;) {
    const ssize_t got = ::read(streams_.in, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read standard input");
    if (got == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (text.size() > largest_input) return fail(Errc::limit, "standard input is too long");
  }
}

}  // namespace pop
