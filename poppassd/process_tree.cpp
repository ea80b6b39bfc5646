#include "poppassd/process_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace pop {
namespace {

// Who starts more than this is not one process that hangs.
constexpr std::size_t most = 1000;

void append_children(std::vector<pid_t>& found, pid_t process) {
  const std::string number = std::to_string(process);
  const std::string path = "/proc/" + number + "/task/" + number + "/children";
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 4096> text;
  const ssize_t got = file.is_open() ? ::read(file.get(), text.data(), text.size()) : 0;
  const char* at = text.data();
  const char* const end = at + (got > 0 ? got : 0);
  while (at < end && found.size() < most) {
    pid_t child = 0;
    const auto [next, error] = std::from_chars(at, end, child);
    if (error != std::errc{}) return;
    found.push_back(child);
    at = next + 1;  // a blank
  }
}

}  // namespace

std::vector<pid_t> descendants_of(pid_t process) {
  std::vector<pid_t> found;
  append_children(found, process);
  for (std::size_t i = 0; i < found.size(); ++i) append_children(found, found[i]);
  return found;
}

// Stopped, it starts no more while we look.
void kill_tree(pid_t child) {
  if (child <= 0) return;
  ::kill(child, SIGSTOP);
  for (const pid_t descendant : descendants_of(child)) ::kill(descendant, SIGKILL);
  ::kill(child, SIGKILL);
}

}  // namespace pop
