// A deliberately wrong maildrop engine with the command line of engine_driver: it truncates the
// spool and writes the kept messages back, says "+OK" whatever happens and forgets what was
// delivered meanwhile. The fault tests must find mail lost, mail cut and a lie in it; otherwise
// they could not find them in the real engine either.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::string whole_file(int fd) {
  std::string content;
  char piece[4096];
  for (ssize_t got = 0; (got = ::read(fd, piece, sizeof piece)) > 0;) {
    content.append(piece, static_cast<std::size_t>(got));
  }
  return content;
}

std::vector<std::string> messages_of(const std::string& spool) {
  std::vector<std::string> messages;
  std::size_t begin = 0;
  while (begin < spool.size()) {
    const std::size_t next = spool.find("\n\nFrom toy", begin);
    const std::size_t end = next == spool.npos ? spool.size() : next + 2;
    messages.push_back(spool.substr(begin, end - begin));
    begin = end;
  }
  return messages;
}

void say(const std::string& line) {
  const std::string out = line + "\n";
  if (::write(STDOUT_FILENO, out.data(), out.size()) < 0) std::_Exit(3);
}

bool in_list(std::string_view list, std::size_t number) {
  if (list == "all") return true;
  const std::string wanted = "," + std::to_string(number) + ",";
  return ("," + std::string{list} + ",").find(wanted) != std::string::npos;
}

void write_carelessly(int fd, const std::string& kept) {
  const std::size_t half = kept.size() / 2;
  if (::pwrite(fd, kept.data(), half, 0) < 0) return;
  if (::pwrite(fd, kept.data() + half, kept.size() - half, static_cast<off_t>(half)) < 0) return;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string_view verb = argv[1];
  const std::string spool = std::string{argv[2]} + "/jo";
  std::string_view erase;
  bool pause = false;
  for (int i = 3; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with("--delete=")) erase = word.substr(9);
    pause = pause || word == "--pause";
  }
  (void)::getpgid(0);
  const int fd = ::open(spool.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return 1;
  const std::vector<std::string> messages = messages_of(whole_file(fd));
  std::size_t number = 0;
  if (verb == "list") {
    for (const std::string& message : messages) {
      const std::size_t id = message.find("Message-Id: ");
      const std::size_t end = message.find('\n', id);
      say(std::to_string(++number) + " " +
          (end == message.npos ? "none" : message.substr(id + 12, end - id - 12)) + " 1 new");
    }
    say("+OK");
    return 0;
  }
  if (pause) {
    say("opened");
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
    }
  }
  std::string kept;
  for (const std::string& message : messages) {
    if (!in_list(erase, ++number)) kept += message;
  }
  if (::ftruncate(fd, 0) == 0) write_carelessly(fd, kept);
  say("+OK");
  return 0;
}
