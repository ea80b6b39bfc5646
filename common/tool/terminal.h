#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// The three streams a tool talks through: results to standard output, diagnostics to standard
/// error, questions to the terminal itself. Tests give it other descriptors.
class Terminal {
 public:
  struct Streams {
    int in = 0;
    int out = 1;
    int err = 2;
  };
  /// `program` begins each diagnostic. The descriptors stay the caller's.
  explicit Terminal(std::string program) : Terminal{std::move(program), Streams{}} {}
  Terminal(std::string program, Streams streams);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  /// A result. Kept until flush() or until there is a lot of it.
  void print(std::string_view text);
  /// "program: text" and a newline to standard error, at once.
  void complain(std::string_view text);
  void complain(const Error& error) { complain(error.text); }
  /// To standard error as it is, at once: what an older program's users expect word for word.
  enum class LineEnd : std::uint8_t { newline, none };
  void tell(std::string_view text, LineEnd end = LineEnd::newline);
  /// Writes what print() kept. Errc::full or io when any of it could not be written.
  [[nodiscard]] Result<void> flush();

  [[nodiscard]] bool out_is_terminal() const { return out_is_terminal_; }
  [[nodiscard]] bool err_is_terminal() const { return err_is_terminal_; }
  /// Standard output is a terminal that shows colours, and NO_COLOR does not forbid them.
  [[nodiscard]] bool color() const { return color_; }

  /// Asks on the controlling terminal without showing what is typed. Errc::usage when standard
  /// input is not a terminal: then nobody is asked. Errc::io at the end of input.
  /// SIGINT, SIGQUIT, SIGTERM and SIGHUP end the process as ever, after the terminal was restored.
  [[nodiscard]] Result<Secret> ask_secret(std::string_view prompt);
  /// One line of standard input without its line end. Errc::usage when there is none, Errc::limit
  /// beyond 8 KiB.
  [[nodiscard]] Result<Secret> read_secret_line();
  /// All of standard input; Errc::limit beyond 64 MiB.
  [[nodiscard]] Result<std::string> read_input();
  /// Standard input, for a process that reads it in the tool's stead.
  [[nodiscard]] int input() const { return streams_.in; }

 private:
  std::string program_;
  Streams streams_;
  std::string kept_;
  Result<void> written_;  // the first failure stays
  bool out_is_terminal_;
  bool err_is_terminal_;
  bool color_;
};

/// The first line of a descriptor, as read_secret_line() gives it; reads no further than its end.
[[nodiscard]] Result<Secret> read_secret_line_of(int descriptor);

}  // namespace pop
