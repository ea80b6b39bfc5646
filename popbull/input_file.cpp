#include "popbull/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fd.h"
#include "base/text.h"

namespace pop {
namespace {

std::unexpected<Error> too_large(const std::string& name, std::size_t most) {
  return fail(Errc::limit, escaped(name) + " is larger than " + std::to_string(most) + " octets");
}

Result<std::string> read_to_end(const Fd& file, const std::string& name, std::size_t most) {
  std::string content;
  std::array<char, std::size_t{32} << 10> piece;
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    const int saved = errno;
    if (got < 0 && saved == EINTR) continue;
    if (got < 0) return fail_errno(saved, "read " + escaped(name));
    if (got == 0) return content;
    content.append(piece.data(), static_cast<std::size_t>(got));
    if (content.size() > most) return too_large(name, most);
  }
}

}  // namespace

Result<std::string> read_named(const std::string& name, std::size_t most, Terminal& terminal) {
  if (name == "-") {
    Result<std::string> input = terminal.read_input();
    if (input && input->size() > most) return too_large("standard input", most);
    return input;
  }
  const Fd file{::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  struct stat st {};
  if (!file.is_open() || ::fstat(file.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "open " + escaped(name));
  }
  if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
    return fail(Errc::denied, escaped(name) + " is neither a file nor a pipe");
  }
  return read_to_end(file, name, most);
}

}  // namespace pop
