// What a message as one part of text costs, by what it is made of, for each MB: it should not
// depend on how long the message is. Beside it, what counting its lines costs.
//   bench_mime [--small]

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mime/mime_flattener.h"

using namespace pop;

namespace {

constexpr std::size_t mega = std::size_t{1} << 20;
constexpr std::size_t piece_size = 64 * 1024;  // as a session reads

/// Keeps the optimiser from dropping what is measured.
volatile std::size_t sink;

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double seconds(const std::function<void()>& work) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const double begin = cpu_seconds();
    work();
    best = std::min(best, cpu_seconds() - begin);
  }
  return best;
}

std::string repeated(std::string text, std::string_view line, std::size_t size) {
  text.reserve(size + line.size());
  while (text.size() < size) text += line;
  return text;
}

const std::string mixed =
    "Subject: measured\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nwords\n--b\n";

struct Kind {
  const char* name;
  std::string (*make)(std::size_t size);
};

// What an attachment is, what a person writes, and what somebody would send to keep us busy.
constexpr Kind kinds[]{
    {"attachment",
     [](std::size_t size) {
       return repeated(mixed + "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n",
                       std::string(76, 'A') + "\n", size);
     }},
    {"plain text",
     [](std::size_t size) { return repeated("\n", "as many words as a line has\n", size); }},
    {"html",
     [](std::size_t size) {
       return repeated("Content-Type: text/html\n\n",
                       "<p class=\"x\">a <a href=\"http://x/\">link</a> &amp; <b>more</b></p>\n",
                       size);
     }},
    {"parts", [](std::size_t size) { return repeated(mixed, "\nx\n--b\n", size); }},
    {"one line", [](std::size_t size) { return repeated("\n", "word ", size); }},
    {"boundaries",
     [](std::size_t size) {
       std::string deep;
       for (int i = 0; i < 40; ++i) {
         const std::string name = std::string(60, 'b') + std::to_string(i);
         deep += "Content-Type: multipart/mixed; boundary=" + name + "\n\n--" + name + "\n";
       }
       return repeated(deep + "\n", "--" + std::string(60, 'b') + "\n", size);
     }},
    {"fields",
     [](std::size_t size) {
       return repeated("Subject: x\n", "To: =?utf-8?Q?J=C3=B6?= <jo@example.org>\n", size);
     }},
    {"parameters",
     [](std::size_t size) {
       return repeated("Content-Type: text/plain", ";\n name*0*=a; x=y", size);
     }},
};

void flatten(std::string_view message) {
  Result<MimeFlattener> flattener = MimeFlattener::make({});
  if (!flattener) return;
  for (; !message.empty(); message.remove_prefix(std::min(piece_size, message.size()))) {
    flattener->feed(message.substr(0, piece_size));
  }
  sink = flattener->finish().size();
}

}  // namespace

int main(int count, char** arguments) {
  const bool is_small = count > 1 && std::strcmp(arguments[1], "--small") == 0;
  const std::vector<std::size_t> sizes =
      is_small ? std::vector<std::size_t>{1, 2} : std::vector<std::size_t>{1, 10, 60};
  if (!MimeFlattener::make({})) {
    std::puts("GMime is not installed");
    return 1;
  }
  std::printf("%-12s %8s %12s %14s\n", "made of", "MB", "ms for a MB", "times wc -l");
  for (const Kind& kind : kinds) {
    for (const std::size_t size : sizes) {
      const std::string message = kind.make(size * mega);
      const double work = seconds([&] { flatten(message); });
      const double lines =
          seconds([&] { sink = static_cast<std::size_t>(std::ranges::count(message, '\n')); });
      std::printf("%-12s %8zu %12.2f %14.1f\n", kind.name, size,
                  work * 1e3 / static_cast<double>(size), work / lines);
    }
  }
  return 0;
}
