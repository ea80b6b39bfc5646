// Speed of the maildrop engine on a large spool, in one process: what a session costs besides
// talking to the client. Every row shows the machine's own limit for the same bytes, measured in
// the same run, and the ratio to it: that says more than milliseconds on somebody else's machine.
//
//   store_bench [--small] [--maildir] [--directory=D] [--repeat=N]
//
// Generates its spools (1 GB with 30,000 messages; 60 MB; a Maildir of 200,000) in a directory of its own below D, by
// default the current one, and removes them. --small takes some megabytes and shows only that all
// of it works, --maildir measures only that.

#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "mail/wire_text.h"
#include "store/maildrop.h"

namespace {

using namespace pop;
namespace fs = std::filesystem;

constexpr std::size_t mega = 1'000'000;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "store_bench: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T must(Result<T> result, std::string_view doing) {
  if (!result) give_up(std::string{doing} + ": " + result.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Plan {
  fs::path directory = fs::current_path();
  int repeat = 5;
  std::size_t messages = 30'000;
  std::size_t spool_bytes = 1000 * mega;
  std::size_t large_bytes = 60 * mega;
  std::size_t maildir_messages = 200'000;
  bool only_maildir = false;
};

Plan plan_from(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--small") {
      plan.messages = 300;
      plan.spool_bytes = 6 * mega;
      plan.large_bytes = 2 * mega;
      plan.maildir_messages = 500;
    } else if (word == "--maildir") {
      plan.only_maildir = true;
    } else if (word.starts_with("--directory=")) {
      plan.directory = word.substr(12);
    } else if (word.starts_with("--repeat=")) {
      plan.repeat = std::max(1, std::atoi(argv[i] + 9));
    } else {
      give_up("usage: store_bench [--small] [--maildir] [--directory=D] [--repeat=N]");
    }
  }
  return plan;
}

// --- What the spools are made of -------------------------------------------------------------

std::string message(std::size_t number, std::size_t bytes) {
  const std::string n = std::to_string(number);
  std::string text =
      "From list-owner@lists.example.org Thu Jan  1 00:00:00 1970\n"
      "Received: from mx.example.org (mx.example.org [192.0.2.7]) by mail.example.net with ESMTPS\n"
      "\tid " + n + "A7F for <jo@example.net>; Thu, 1 Jan 1970 00:00:00 +0000\n"
      "Received: from localhost by mx.example.org; Thu, 1 Jan 1970 00:00:00 +0000\n"
      "Date: Thu, 1 Jan 1970 00:00:00 +0000\n"
      "From: Somebody <somebody" + n + "@example.org>\n"
      "To: jo@example.net\n"
      "Subject: Re: about matter number " + n + "\n"
      "Message-Id: <" + n + ".bench@example.org>\n"
      "Content-Type: text/plain; charset=utf-8\n\n";
  constexpr std::string_view line =
      "It was the best of lines, it was the worst of lines, and it had seventy octets\n";
  while (text.size() + line.size() < bytes) {
    text += line;
    if (text.size() % 13 == 0) text += ".a line with a dot\n>From a quoted one\n\n";
  }
  text += "\n";
  return text;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0) give_up(std::string{"write: "} + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

/// Most mail is small and some is large, as in real spools; the mean is what was asked for.
void write_spool(const fs::path& file, std::size_t messages, std::size_t bytes) {
  const Fd fd{::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!fd.is_open()) give_up("create " + file.native() + ": " + std::strerror(errno));
  const std::size_t mean = bytes / messages;
  std::string pending;
  for (std::size_t n = 0; n < messages; ++n) {
    const std::size_t size = n % 10 == 9 ? mean * 6 : mean * 4 / 9;
    pending += message(n, size);
    if (pending.size() < 4 * mega) continue;
    write_all(fd.get(), pending);
    pending.clear();
  }
  write_all(fd.get(), pending);
  ::fsync(fd.get());
}

void append_new(const fs::path& file, std::string_view bytes) {
  const Fd fd{::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (!fd.is_open()) give_up("create " + file.native());
  write_all(fd.get(), bytes);
}

void append(const fs::path& file, std::string_view bytes) {
  const Fd fd{::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
  if (!fd.is_open()) give_up("append to " + file.native());
  write_all(fd.get(), bytes);
}

class Workplace {
 public:
  explicit Workplace(const fs::path& parent) {
    std::string pattern = parent / "store-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) give_up("no directory in " + parent.native());
    path_ = pattern;
  }
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] fs::path spool() const { return path_ / "jo"; }

 private:
  fs::path path_;
};

// --- Measuring -------------------------------------------------------------------------------

struct Cost {
  double wall = 0, cpu = 0;  // seconds
  bool operator<(const Cost& other) const { return wall < other.wall; }
};

double cpu_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

Cost cost_of(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
          cpu_seconds() - cpu};
}

/// The best of some: what the code costs, without what else the machine did. `prepare` is not
/// counted.
Cost best_of(int repeat, const std::function<void()>& prepare, const std::function<void()>& work) {
  Cost best{1e9, 1e9};
  for (int i = 0; i < repeat; ++i) {
    prepare();
    best = std::min(best, cost_of(work));
  }
  return best;
}

const std::function<void()> nothing = [] {};

void print_row(const char* what, Cost cost, double bar, const char* limit_name, Cost limit) {
  std::printf("%-44s %9.2f ms, cpu %8.2f; bar %5.0f; %6.2f x %s (%.2f ms, cpu %.2f)\n", what,
              cost.wall * 1e3, cost.cpu * 1e3, bar * 1e3, cost.wall / limit.wall, limit_name,
              limit.wall * 1e3, limit.cpu * 1e3);
  std::fflush(stdout);
}

/// Where no bar is set.
void print_row(const char* what, Cost cost, const char* limit_name, Cost limit) {
  std::printf("%-44s %9.2f ms, cpu %8.2f; %17.2f x %s (%.2f ms, cpu %.2f)\n", what,
              cost.wall * 1e3, cost.cpu * 1e3, cost.wall / limit.wall, limit_name,
              limit.wall * 1e3, limit.cpu * 1e3);
  std::fflush(stdout);
}

// --- The machine's limits ---------------------------------------------------------------------

void read_pass(const fs::path& file, const std::function<void(std::string_view)>& use) {
  const Fd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  std::vector<char> buffer(256 * 1024);
  for (ssize_t got = 0; (got = ::read(fd.get(), buffer.data(), buffer.size())) > 0;) {
    use({buffer.data(), static_cast<std::size_t>(got)});
  }
}

Cost cost_of_reading(const Plan& plan, const fs::path& file) {
  return best_of(plan.repeat, nothing, [&] { read_pass(file, [](std::string_view) {}); });
}

/// What `wc -l` does.
Cost cost_of_counting_lines(const Plan& plan, const fs::path& file) {
  std::size_t lines = 0;
  const Cost cost = best_of(plan.repeat, nothing, [&] {
    read_pass(file, [&](std::string_view piece) {
      for (std::size_t at = 0; (at = piece.find('\n', at)) != piece.npos; ++at) ++lines;
    });
  });
  if (lines == 0) give_up("a spool without lines");
  return cost;
}

Cost cost_of_fsync(const Plan& plan, const fs::path& directory) {
  const fs::path file = directory / "fsync-probe";
  const Fd fd{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  const Cost cost = best_of(
      plan.repeat, [&] { write_all(fd.get(), std::string(4096, 'x')); },
      [&] { ::fsync(fd.get()); });
  fs::remove(file);
  return cost;
}

Cost cost_of_copy_and_fsync(const Plan& plan, const fs::path& directory, std::size_t bytes) {
  const fs::path file = directory / "copy-probe";
  const std::string content(bytes, 'c');
  const Cost cost = best_of(
      plan.repeat, [&] { fs::remove(file); },
      [&] {
        const Fd fd{::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
        write_all(fd.get(), content);
        ::fsync(fd.get());
      });
  fs::remove(file);
  return cost;
}

// --- The engine -------------------------------------------------------------------------------

class Bench {
 public:
  Bench(const Plan& plan, const Workplace& place) : plan_{plan}, place_{place} {
    settings_.spool_dir = place.path();
    settings_.server_mode = true;
  }

  std::unique_ptr<Maildrop> open() {
    const MailUser user{.name = "jo",
                        .uid = ::getuid(),
                        .gid = ::getgid(),
                        .home = place_.path(),
                        .maildrop = {}};
    return must(open_maildrop({settings_, system_disk(), system_clock()}, user), "open");
  }

  /// A whole session that deletes these, without the network.
  void delete_and_quit(const std::function<bool(std::size_t)>& is_deleted) {
    const std::unique_ptr<Maildrop> maildrop = open();
    quit(*maildrop, is_deleted);
  }

  static void quit(Maildrop& maildrop, const std::function<bool(std::size_t)>& is_deleted) {
    const std::size_t messages = maildrop.messages().size();
    SessionOutcome outcome{MessageSet{messages}, MessageSet{messages}};
    for (std::uint32_t n = 1; n <= messages; ++n) {
      if (is_deleted(n)) outcome.deleted.insert({n});
    }
    must(maildrop.commit(outcome), "commit");
  }

  void forget_index() { fs::remove(place_.path() / ".jo.cache"); }

  /// Opens and ends the session, so that the index is written.
  void settle() {
    delete_and_quit([](std::size_t) { return false; });
  }

 private:
  const Plan& plan_;
  const Workplace& place_;
  Settings settings_;
};

void expect_messages(const Maildrop& maildrop, std::size_t wanted) {
  const std::size_t found = maildrop.messages().size();
  if (found != wanted) {
    give_up(std::to_string(found) + " messages found, not " + std::to_string(wanted));
  }
}

void bench_opens(const Plan& plan, const Workplace& place, Bench& bench) {
  const Cost lines = cost_of_counting_lines(plan, place.spool());
  const Cost reading = cost_of_reading(plan, place.spool());
  const Cost fsync = cost_of_fsync(plan, place.path());

  std::unique_ptr<Maildrop> maildrop;
  const Cost first = best_of(
      std::min(plan.repeat, 3),
      [&] {
        maildrop.reset();
        bench.forget_index();
      },
      [&] { maildrop = bench.open(); });
  expect_messages(*maildrop, plan.messages);
  print_row("first open, no index", first, 0.450, "wc -l", lines);
  print_row("  the same", first, 0.450, "a read pass", reading);
  maildrop.reset();

  bench.settle();
  const Cost unchanged = best_of(
      plan.repeat, [&] { maildrop.reset(); }, [&] { maildrop = bench.open(); });
  expect_messages(*maildrop, plan.messages);
  print_row("opened again, unchanged", unchanged, 0.002, "fsync", fsync);
  maildrop.reset();

  std::size_t delivered = 0;
  const Cost grown = best_of(
      plan.repeat,
      [&] {
        maildrop.reset();
        bench.settle();
        append(place.spool(), message(plan.messages + delivered++, 10'000));
      },
      [&] { maildrop = bench.open(); });
  expect_messages(*maildrop, plan.messages + delivered);
  print_row("opened after a delivery of 10 KB", grown, 0.005, "fsync", fsync);
  maildrop.reset();

  bench.settle();
  std::size_t left = plan.messages + delivered;
  const Cost last = best_of(
      plan.repeat, [&] { maildrop = bench.open(); },
      [&] {
        Bench::quit(*maildrop, [&](std::size_t n) { return n == left; });
        maildrop.reset();
        --left;
      });
  expect_messages(*bench.open(), left);
  print_row("last message deleted, QUIT, durable", last, 0.005, "fsync", fsync);
}

/// Takes everything from a socket and forgets it, as a fast client would.
class Drain {
 public:
  Drain() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) give_up("socketpair");
    server_ = Fd{ends[0]};
    client_ = Fd{ends[1]};
    reader_ = std::thread{[this] {
      std::vector<char> buffer(1 << 20);
      for (ssize_t got = 0; (got = ::read(client_.get(), buffer.data(), buffer.size())) > 0;) {
        received_ += static_cast<std::size_t>(got);
      }
    }};
  }
  /// Waits until all has arrived; returns how much.
  std::size_t finish() {
    ::shutdown(server_.get(), SHUT_WR);
    reader_.join();
    return received_;
  }
  [[nodiscard]] int server() const { return server_.get(); }

 private:
  Fd server_, client_;
  std::size_t received_ = 0;
  std::thread reader_;
};

constexpr std::size_t piece = 128 * 1024;

std::size_t retrieve(Maildrop& maildrop, MessageNumber number) {
  Drain drain;
  const std::unique_ptr<MessageReader> reader = must(maildrop.open(number), "open a message");
  std::vector<char> stored(piece), wire(WireText::room_for(piece));
  WireText text;
  for (;;) {
    const std::size_t got = must(reader->read(stored), "read a message");
    const std::size_t out = got == 0 ? text.finish(wire) : text.convert({stored.data(), got}, wire);
    write_all(drain.server(), {wire.data(), out});
    if (got == 0) break;
  }
  return drain.finish();
}

std::size_t send_unchanged(const fs::path& file) {
  Drain drain;
  read_pass(file, [&](std::string_view bytes) { write_all(drain.server(), bytes); });
  return drain.finish();
}

void bench_retrieval(const Plan& plan, const Workplace& place, Bench& bench) {
  write_spool(place.spool(), 1, plan.large_bytes * 9 / 4);  // write_spool makes the first ones small
  bench.forget_index();
  const std::unique_ptr<Maildrop> maildrop = bench.open();
  expect_messages(*maildrop, 1);
  std::size_t sent = 0;
  const Cost ours =
      best_of(plan.repeat, nothing, [&] { sent = retrieve(*maildrop, MessageNumber{1}); });
  if (sent < maildrop->messages()[0].size.count) give_up("RETR sent less than it promised");
  const Cost copy = best_of(plan.repeat, nothing, [&] { send_unchanged(place.spool()); });
  print_row("RETR of 60 MB through a socket", ours, 0.040, "read and send as it is", copy);
}

void bench_rewrite(const Plan& plan, const Workplace& place, Bench& bench) {
  const std::size_t messages = std::max<std::size_t>(plan.large_bytes / 35'000, 4);
  const Cost copy = cost_of_copy_and_fsync(plan, place.path(), plan.large_bytes);
  std::unique_ptr<Maildrop> maildrop;
  const Cost ours = best_of(
      plan.repeat,
      [&] {
        write_spool(place.spool(), messages, plan.large_bytes);
        bench.forget_index();
        maildrop = bench.open();
      },
      [&] {
        Bench::quit(*maildrop, [](std::size_t n) { return n % 2 == 0; });
        maildrop.reset();
      });
  expect_messages(*bench.open(), messages - messages / 2);
  print_row("every second of 60 MB deleted, QUIT, durable", ours, 0.060, "write + fsync", copy);
}

// --- Maildir ----------------------------------------------------------------------------------

std::string maildir_name(std::size_t number) {
  return std::to_string(1'000'000'000 + number) + ".M" + std::to_string(number) +
         "P77.mail.example.org:2,S";
}

void write_maildir(const fs::path& maildir, std::size_t messages) {
  for (const char* name : {"new", "cur", "tmp"}) fs::create_directories(maildir / name);
  for (std::size_t n = 0; n < messages; ++n) {
    const fs::path file = maildir / "cur" / maildir_name(n);
    const Fd fd{::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!fd.is_open()) give_up("create " + file.native() + ": " + std::strerror(errno));
    const std::string text = message(n, 2000);
    write_all(fd.get(), std::string_view{text}.substr(text.find('\n') + 1));
  }
}

/// As if the last change of the directories were long ago, as it mostly is.
void age(const fs::path& maildir) {
  const std::array long_ago{timespec{1'700'000'000, 0}, timespec{1'700'000'000, 0}};
  for (const char* name : {"new", "cur"}) {
    if (::utimensat(AT_FDCWD, (maildir / name).c_str(), long_ago.data(), 0) != 0) give_up("age");
  }
  // The time of the last change of state cannot be set.
  std::this_thread::sleep_for(std::chrono::milliseconds{2100});
}

/// What another server that knows every name and reads no file pays.
Cost cost_of_listing(const Plan& plan, const fs::path& directory) {
  std::size_t names = 0;
  const Cost cost = best_of(plan.repeat, nothing, [&] {
    const Fd fd = must(open_directory(directory.native()), "open a directory");
    must(system_disk().list(fd.get(), [&](const ListedName&) { ++names; }), "list");
  });
  if (names == 0) give_up("an empty directory");
  return cost;
}

void bench_maildir(const Plan& plan, const Workplace& place) {
  fs::remove(place.spool());
  Bench bench{plan, place};
  const fs::path maildir = place.spool();
  write_maildir(maildir, plan.maildir_messages);
  const Cost listing = cost_of_listing(plan, maildir / "cur");
  const Cost fsync = cost_of_fsync(plan, place.path());
  std::unique_ptr<Maildrop> maildrop;
  const Cost first = best_of(
      std::min(plan.repeat, 2),
      [&] {
        maildrop.reset();
        fs::remove(maildir / ".popper.cache");
      },
      [&] { maildrop = bench.open(); });
  expect_messages(*maildrop, plan.maildir_messages);
  print_row("Maildir: first open, no index", first, "listing", listing);
  maildrop.reset();

  age(maildir);
  const Cost listed = cost_of([&] { maildrop = bench.open(); });
  print_row("Maildir: opened, names listed, nothing read", listed, "listing", listing);
  maildrop.reset();
  const Cost unchanged = best_of(
      plan.repeat, [&] { maildrop.reset(); }, [&] { maildrop = bench.open(); });
  print_row("Maildir: opened again, unchanged", unchanged, "listing", listing);

  std::size_t delivered = 0;
  const Cost grown = best_of(
      plan.repeat,
      [&] {
        maildrop.reset();
        const fs::path file =
            maildir / "new" / maildir_name(plan.maildir_messages + delivered);
        append_new(file, message(delivered++, 10'000));
      },
      [&] { maildrop = bench.open(); });
  expect_messages(*maildrop, plan.maildir_messages + delivered);
  print_row("Maildir: opened after a delivery", grown, "listing", listing);

  const Cost last = best_of(
      plan.repeat,
      [&] {
        maildrop.reset();
        maildrop = bench.open();
      },
      [&] {
        Bench::quit(*maildrop, [](std::size_t n) { return n == 1; });
        maildrop.reset();
      });
  print_row("Maildir: one message deleted, QUIT, durable", last, "fsync", fsync);
}

}  // namespace

int main(int argc, char** argv) {
  const Plan plan = plan_from(argc, argv);
  const Workplace place{plan.directory};
  if (plan.only_maildir) {
    bench_maildir(plan, place);
    return 0;
  }
  Bench bench{plan, place};
  write_spool(place.spool(), plan.messages, plan.spool_bytes);
  std::printf("%zu messages, %.1f MB; the best of %d runs; bars in ms\n", plan.messages,
              static_cast<double>(fs::file_size(place.spool())) / mega, plan.repeat);
  bench_opens(plan, place, bench);
  bench_retrieval(plan, place, bench);
  bench_rewrite(plan, place, bench);
  bench_maildir(plan, place);
}
