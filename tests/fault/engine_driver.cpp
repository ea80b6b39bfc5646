// One session of the maildrop engine in one process without a daemon, for the fault tests.
//
//   engine_driver list DIRECTORY [OPTION...]
//   engine_driver session DIRECTORY [OPTION...]
//
// The spool is DIRECTORY/jo. `list` only opens (which finishes what a crash left) and writes a line
// "NUMBER UNIQUE-ID OCTETS retrieved|new" a message. `session` opens, reads and deletes as told,
// commits, and writes "+OK" only after the commit said that it is done. Either writes "-ERR CODE
// TEXT" when something fails, and exits with status 1.
//
//   --mode=normal|server|fast-update|server-fast-update
//   --no-status                 update-status-headers off
//   --conservative-cache, --keep-temp-drop
//   --trash                     deleted messages go to the trash
//   --temp-dir=D, --cache-dir=D
//   --retrieve=1,3  --delete=2,4  message numbers; "all" is all of them
//   --pause                     after the open, write "opened" and wait for a line: time for a
//                               delivery
//   --content                   `list` also writes what RETR would read: its size and its sum
//
// Dotlocks of dead programs count as stale at once: no test waits minutes for that. The call of
// getpgid(2) tells `strike` where the session begins.

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/wire_text.h"
#include "store/maildrop.h"

namespace {

using namespace pop;

struct Plan {
  bool commit = false;
  bool pause = false;
  bool content = false;
  std::filesystem::path directory;
  Settings settings;
  std::string_view retrieve, erase;
};

void say(std::string line) {
  line += '\n';
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t put = ::write(STDOUT_FILENO, left.data(), left.size());
    if (put <= 0) std::_Exit(3);  // nobody listens: what was done is still checked
    left.remove_prefix(static_cast<std::size_t>(put));
  }
}

constexpr std::array errc_names{
    "usage", "not_found", "denied",  "account_expired", "password_expired",
    "busy",  "changed",   "corrupt", "limit",           "full",
    "io"};
static_assert(errc_names.size() == static_cast<std::size_t>(Errc::io) + 1);

int complain(const Error& error) {
  say(std::string{"-ERR "} + errc_names[static_cast<std::size_t>(error.code)] + " " + error.text);
  return 1;
}

[[noreturn]] void misused(std::string_view word) {
  say("-ERR usage " + std::string{word});
  std::_Exit(2);
}

void set_mode(Settings& settings, std::string_view mode) {
  if (mode == "server") {
    settings.server_mode = true;
  } else if (mode == "fast-update") {
    settings.fast_update = true;
  } else if (mode == "server-fast-update") {
    settings.server_mode = settings.fast_update = true;
  } else if (mode != "normal") {
    misused(mode);
  }
}

void take_flag(Plan& plan, std::string_view word) {
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = equals == word.npos ? "" : word.substr(equals + 1);
  if (name == "--mode") return set_mode(plan.settings, value);
  if (name == "--temp-dir") return void(plan.settings.temp_dir = value);
  if (name == "--cache-dir") return void(plan.settings.cache_dir = value);
  if (name == "--retrieve") return void(plan.retrieve = value);
  if (name == "--delete") return void(plan.erase = value);
  if (word == "--no-status") return void(plan.settings.update_status_headers = false);
  if (word == "--conservative-cache") return void(plan.settings.conservative_cache = true);
  if (word == "--keep-temp-drop") return void(plan.settings.keep_temp_drop = true);
  if (word == "--trash") return void(plan.settings.trash_days = 7);
  if (word == "--pause") return void(plan.pause = true);
  if (word == "--content") return void(plan.content = true);
  misused(word);
}

Plan plan_from(int argc, char** argv) {
  if (argc < 3) misused("list|session DIRECTORY [OPTION...]");
  Plan plan;
  const std::string_view verb = argv[1];
  if (verb != "list" && verb != "session") misused(verb);
  plan.commit = verb == "session";
  plan.directory = argv[2];
  plan.settings.spool_dir = plan.directory;
  plan.settings.lock_wait = std::chrono::seconds{1};
  plan.settings.dotlock_stale_after = std::chrono::seconds{0};
  for (int i = 3; i < argc; ++i) take_flag(plan, argv[i]);
  return plan;
}

std::vector<MessageNumber> numbers(std::string_view list, std::size_t messages) {
  std::vector<MessageNumber> found;
  if (list == "all") {
    for (std::uint32_t n = 1; n <= messages; ++n) found.push_back({n});
    return found;
  }
  while (!list.empty()) {
    MessageNumber number;
    const char* end = list.data() + list.size();
    const auto parsed = std::from_chars(list.data(), end, number.value);
    if (parsed.ec != std::errc{} || number.value < 1 || number.value > messages) misused(list);
    found.push_back(number);
    list.remove_prefix(static_cast<std::size_t>(parsed.ptr - list.data()));
    if (!list.empty()) list.remove_prefix(1);
  }
  return found;
}

/// What a client gets: octets on the wire and FNV-1a over them, dots doubled.
struct Sent {
  WireOctets octets;
  std::uint64_t sum = 14695981039346656037ULL;

  void add(std::string_view bytes) {
    for (const char byte : bytes) {
      sum = (sum ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
    }
  }
};

Result<Sent> retrieve(Maildrop& maildrop, MessageNumber number) {
  Result<std::unique_ptr<MessageReader>> reader = maildrop.open(number);
  if (!reader) return std::unexpected(reader.error());
  constexpr std::size_t piece = 64 * 1024;
  std::vector<char> stored(piece), wire(WireText::room_for(piece));
  WireText text;
  Sent sent;
  for (;;) {
    const Result<std::size_t> got = (*reader)->read(stored);
    if (!got) return std::unexpected(got.error());
    const std::size_t out =
        *got == 0 ? text.finish(wire) : text.convert({stored.data(), *got}, wire);
    sent.add({wire.data(), out});
    if (*got == 0) break;
  }
  sent.octets = text.octets();
  return sent;
}

std::optional<Error> list(Maildrop& maildrop, const Plan& plan) {
  MessageNumber number{1};
  for (const MessageInfo& info : maildrop.messages()) {
    std::string line = std::to_string(number.value) + " " + std::string{info.unique_id} + " " +
                       std::to_string(info.size.count) + (info.retrieved ? " retrieved" : " new");
    if (plan.content) {
      const Result<Sent> sent = retrieve(maildrop, number);
      if (!sent) return sent.error();
      line += " " + std::to_string(sent->octets.count) + " " + std::to_string(sent->sum);
    }
    say(line);
    ++number.value;
  }
  say("+OK");
  return std::nullopt;
}

void wait_for_a_line() {
  say("opened");
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
  }
}

std::optional<Error> session(Maildrop& maildrop, const Plan& plan) {
  const std::size_t messages = maildrop.messages().size();
  SessionOutcome outcome{MessageSet{messages}, MessageSet{messages}};
  for (const MessageNumber number : numbers(plan.retrieve, messages)) {
    if (const Result<Sent> sent = retrieve(maildrop, number); !sent) return sent.error();
    outcome.retrieved.insert(number);
  }
  for (const MessageNumber number : numbers(plan.erase, messages)) outcome.deleted.insert(number);
  if (plan.pause) wait_for_a_line();
  if (const Result<void> done = maildrop.commit(outcome); !done) return done.error();
  say("+OK");
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const Plan plan = plan_from(argc, argv);
  const MailUser user{
      .name = "jo", .uid = ::getuid(), .gid = ::getgid(), .home = plan.directory, .maildrop = {}};
  (void)::getpgid(0);
  Result<std::unique_ptr<Maildrop>> maildrop =
      open_maildrop({plan.settings, system_disk(), system_clock()}, user);
  if (!maildrop) return complain(maildrop.error());
  const std::optional<Error> failed =
      plan.commit ? session(**maildrop, plan) : list(**maildrop, plan);
  return failed ? complain(*failed) : 0;
}
