// What scanning and sending cost, next to copying the same bytes and to counting their lines.
//   bench_mail [MEGABYTES] [FILE]
// With FILE, a spool of that size is written there and scanned from it as well.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "mail/defect_finder.h"
#include "mail/from_line.h"
#include "mail/mbox_scanner.h"
#include "mail/wire_text.h"

using namespace pop;

namespace {

constexpr std::size_t piece_size = std::size_t{128} << 10;
constexpr std::size_t message_size = 33000;

/// Keeps the optimiser from dropping what is measured.
volatile std::uint64_t sink;

/// CPU time, user and system: others on the machine matter less than for time of day.
double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// The best of three.
double seconds(const std::function<void()>& work) {
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const double begin = cpu_seconds();
    work();
    best = std::min(best, cpu_seconds() - begin);
  }
  return best;
}

std::string header(std::mt19937& random) {
  std::string text = "Return-Path: <list-bounces@example.org>\nDelivered-To: jo@example.net\n";
  for (int hop = 0; hop < 4; ++hop) {
    text += "Received: from mx" + std::to_string(random() % 1000) +
            ".example.org (mx.example.org [192.0.2.1])\n\tby mail.example.net (Postfix) with "
            "ESMTPS id " +
            std::to_string(random()) +
            "\n\tfor <jo@example.net>; Thu,  1 Jan 1970 00:00:00 +0000\n";
  }
  text += "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=x;\n\t" +
          std::string(70, 'h') + "\n\t" + std::string(70, 'b') + "\n\t" + std::string(70, 'b');
  text += "\nFrom: Some Body <some@example.org>\nTo: jo@example.net\nSubject: " +
          std::to_string(random()) + "\nMessage-ID: <" + std::to_string(random()) +
          "@example.org>\nDate: Thu, 1 Jan 1970 00:00:00 +0000\nMIME-Version: 1.0\n"
          "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n";
  return text;
}

/// Paragraphs of lines near 76 characters, now and then a leading dot.
std::string body(std::mt19937& random, std::size_t size) {
  std::string text;
  text.reserve(size + 100);
  while (text.size() < size) {
    const std::size_t length = random() % 8 == 0 ? random() % 76 : 70 + random() % 7;
    if (random() % 100 == 0) text += '.';
    for (std::size_t i = 0; i < length; ++i) text += static_cast<char>('a' + (i * 7 + length) % 26);
    text += random() % 10 == 0 ? "\n\n" : "\n";
  }
  return text;
}

std::string spool_of(std::size_t size) {
  std::mt19937 random{1};
  std::vector<std::string> bodies;
  for (int i = 0; i < 50; ++i) bodies.push_back(body(random, message_size - 1700));
  std::string spool;
  spool.reserve(size + 2 * message_size);
  while (spool.size() < size) {
    spool += make_from_line("some@example.org", std::chrono::system_clock::time_point{});
    spool += header(random);
    spool += bodies[random() % bodies.size()];
    spool += '\n';
  }
  return spool;
}

std::string with_crlf(std::string_view text) {
  std::string result;
  result.reserve(text.size() + text.size() / 30);
  for (const char c : text) {
    if (c == '\n') result += '\r';
    result += c;
  }
  return result;
}

void collect(MboxScanner& scanner, std::uint64_t& found) {
  while (auto message = scanner.next()) found += message->wire.count;
}

void scan(std::string_view spool, UniqueIdRecipe recipe) {
  MboxScanner scanner{{.recipe = recipe}, nullptr};
  std::uint64_t found = 0;
  for (; !spool.empty(); spool.remove_prefix(std::min(piece_size, spool.size()))) {
    scanner.feed(spool.substr(0, piece_size));
    collect(scanner, found);
  }
  if (!scanner.finish()) std::abort();
  collect(scanner, found);
  sink = found;
}

void scan_file(const char* path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  std::vector<char> buffer(piece_size);
  MboxScanner scanner{{}, nullptr};
  std::uint64_t found = 0;
  for (ssize_t got = 0; (got = ::read(file, buffer.data(), buffer.size())) > 0;) {
    scanner.feed({buffer.data(), static_cast<std::size_t>(got)});
    collect(scanner, found);
  }
  if (!scanner.finish()) std::abort();
  ::close(file);
  sink = found;
}

class FileLookAhead final : public LookAhead {
 public:
  FileLookAhead(int file, std::uint64_t size) : file_{file}, size_{size} {}
  [[nodiscard]] FileBytes size() const override { return {size_}; }
  [[nodiscard]] std::string_view bytes(FileBytes offset, std::size_t count) override {
    buffer_.resize(count);
    const ssize_t got = ::pread(file_, buffer_.data(), count, static_cast<off_t>(offset.count));
    return std::string_view{buffer_}.substr(0, got > 0 ? static_cast<std::size_t>(got) : 0);
  }

 private:
  int file_;
  std::uint64_t size_;
  std::string buffer_;
};

void check_file(const char* path, std::uint64_t size) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  std::vector<char> buffer(piece_size);
  FileLookAhead text{file, size};
  DefectFinder finder{{}, text};
  for (ssize_t got = 0; (got = ::read(file, buffer.data(), buffer.size())) > 0;) {
    finder.feed({buffer.data(), static_cast<std::size_t>(got)});
  }
  const SpoolFindings found = finder.finish();
  if (!found.defects.empty()) std::abort();
  ::close(file);
  sink = found.messages.size();
}

void count_file_lines(const char* path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  std::vector<char> buffer(piece_size);
  std::ptrdiff_t lines = 0;
  for (ssize_t got = 0; (got = ::read(file, buffer.data(), buffer.size())) > 0;) {
    lines += std::count(buffer.begin(), buffer.begin() + got, '\n');
  }
  ::close(file);
  sink = static_cast<std::uint64_t>(lines);
}

void count_lines(std::string_view text) {
  std::uint64_t lines = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (
      (at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at))))) {
    ++at;
    ++lines;
  }
  sink = lines;
}

void copy(std::string_view text) {
  std::vector<char> out(piece_size);
  for (; !text.empty(); text.remove_prefix(std::min(piece_size, text.size()))) {
    const std::string_view piece = text.substr(0, piece_size);
    std::memcpy(out.data(), piece.data(), piece.size());
    sink = static_cast<unsigned char>(out[0]);
  }
}

void send(std::string_view message) {
  std::vector<char> out(WireText::room_for(piece_size));
  WireText wire;
  for (; !message.empty(); message.remove_prefix(std::min(piece_size, message.size()))) {
    sink = wire.convert(message.substr(0, piece_size), out);
  }
  sink = wire.finish(out);
}

struct Row {
  const char* what;
  double seconds;
  std::size_t bytes;
};

void print(const Row& row, double copy_rate, double count_rate) {
  const double rate = static_cast<double>(row.bytes) / row.seconds / 1e9;
  std::printf("%-34s %8.1f ms %7.2f GB/s   copy / %.2f   memchr / %.2f\n", row.what,
              row.seconds * 1e3, rate, copy_rate / rate, count_rate / rate);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t megabytes = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 256;
  const std::string spool = spool_of(megabytes * 1000000);
  std::mt19937 random{2};
  const std::string message = header(random) + body(random, 60000000);
  const std::string message_crlf = with_crlf(message);

  const double copied = seconds([&] { copy(spool); });
  const double counted = seconds([&] { count_lines(spool); });
  const double copy_rate = static_cast<double>(spool.size()) / copied / 1e9;
  const double count_rate = static_cast<double>(spool.size()) / counted / 1e9;
  const std::vector<Row> rows{
      {"copy in pieces", copied, spool.size()},
      {"count lines with memchr", counted, spool.size()},
      {"scan, native ids", seconds([&] { scan(spool, UniqueIdRecipe::native); }), spool.size()},
      {"scan, Qpopper ids", seconds([&] { scan(spool, UniqueIdRecipe::qpopper); }), spool.size()},
      {"send one message, LF", seconds([&] { send(message); }), message.size()},
      {"send one message, CRLF", seconds([&] { send(message_crlf); }), message_crlf.size()},
  };
  for (const Row& row : rows) print(row, copy_rate, count_rate);
  if (argc < 3) return 0;

  std::FILE* file = std::fopen(argv[2], "w");
  if (!file || std::fwrite(spool.data(), 1, spool.size(), file) != spool.size()) return 1;
  if (std::fclose(file) != 0) return 1;
  print({"read file and count lines", seconds([&] { count_file_lines(argv[2]); }), spool.size()},
        copy_rate, count_rate);
  print({"read file and scan, native ids", seconds([&] { scan_file(argv[2]); }), spool.size()},
        copy_rate, count_rate);
  print({"read file and find defects", seconds([&] { check_file(argv[2], spool.size()); }),
         spool.size()},
        copy_rate, count_rate);
  return 0;
}
