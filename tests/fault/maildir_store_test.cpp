// Every failing call and every state that a power cut or a kill may leave of a Maildir session: a
// kept message is there once with its content and its unique-id, a deleted one may be back, but not
// after the commit has said that it is done.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/maildir_name.h"
#include "store/maildrop.h"
#include "support/catch.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

using namespace pop;
using namespace pop::test;
namespace fs = std::filesystem;

namespace {

std::string mail(int number, std::string_view body) {
  const std::string n = std::to_string(number);
  return "Message-Id: <" + n + "@example.org>\nSubject: " + n + "\n\n" + std::string{body};
}

struct File {
  std::string name;  // below the Maildir
  std::string content;
};

/// The second has the same content as the first, so that their ids hang together.
const std::vector<File>& files() {
  static const std::vector<File> all{
      {"new/1.host", mail(1, "same\n")},      {"cur/2.host:2,", mail(1, "same\n")},
      {"new/3.host", mail(3, "three\n")},     {"new/4.host", mail(4, "")},
      {"cur/5.host:2,F", mail(5, "five")},    {"cur/6.host:2,S", mail(6, "six\r\n")},
      {"new/7.host,S=30", mail(7, "seven\n")}};
  return all;
}

struct Case {
  std::string what;
  std::vector<std::uint32_t> deleted, retrieved;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{{"owner of a shared id", {1}, {}},
                                     {"one of each", {1, 5}, {2, 3}},
                                     {"all", {1, 2, 3, 4, 5, 6, 7}, {1, 2}},
                                     {"only retrieved", {}, {1, 2, 4, 6, 7}},
                                     {"nothing", {}, {}}};
  return all;
}

std::string base_of(const std::string& name) {
  return std::string{parse_maildir_name(fs::path{name}.filename().native()).base};
}

void lay_out(const fs::path& root) {
  for (const char* name : {"new", "cur", "tmp"}) fs::create_directories(root / "jo" / name);
  for (const File& file : files()) put_file(root / "jo" / file.name, file.content);
}

Settings settings_for(const fs::path& root) {
  Settings settings;
  settings.spool_dir = root;
  return settings;
}

MailUser user_of(const fs::path& root) {
  MailUser user;
  user.name = "jo";
  user.uid = ::getuid();
  user.gid = ::getgid();
  user.home = root;
  return user;
}

Result<std::unique_ptr<Maildrop>> open_on(Disk& disk, const fs::path& root,
                                          const Settings& settings) {
  return open_maildrop({settings, disk, system_clock()}, user_of(root));
}

/// A whole session; true if the commit said that it is done.
bool run(SimulatedDisk& disk, const fs::path& root, const Case& what) {
  const Settings settings = settings_for(root);
  Result<std::unique_ptr<Maildrop>> maildrop = open_on(disk, root, settings);
  if (!maildrop) return false;
  disk.mark("opened");
  const std::size_t messages = (*maildrop)->messages().size();
  if (messages != files().size()) return false;
  SessionOutcome outcome{MessageSet{messages}, MessageSet{messages}};
  for (const std::uint32_t number : what.deleted) outcome.deleted.insert({number});
  for (const std::uint32_t number : what.retrieved) outcome.retrieved.insert({number});
  if (!(*maildrop)->commit(outcome)) return false;
  disk.mark("done");
  return true;
}

/// Without our own code: the files of each base name. A second name of the same file counts once.
std::map<std::string, std::vector<std::string>> found_in(const fs::path& root) {
  std::map<std::string, std::vector<std::string>> found;
  for (const char* directory : {"new", "cur"}) {
    std::vector<fs::path> seen;
    for (const auto& entry : fs::directory_iterator{root / "jo" / directory}) {
      const std::string base = base_of(entry.path().native());
      bool doubled = false;
      for (const auto& other : fs::directory_iterator{root / "jo/new"}) {
        doubled = doubled ||
                  (std::string_view{directory} == "cur" && base_of(other.path().native()) == base &&
                   fs::equivalent(other.path(), entry.path()));
      }
      if (!doubled) found[base].push_back(get_file(entry.path()));
    }
  }
  return found;
}

bool contains(const std::vector<std::uint32_t>& numbers, std::size_t number) {
  return std::ranges::find(numbers, number) != numbers.end();
}

/// "" if mail and ids are as they must be.
std::string judge(const fs::path& root, const Case& what, bool done,
                  const std::optional<std::vector<std::string>>& ids) {
  const auto found = found_in(root);
  std::vector<std::string> expected_ids;
  for (std::size_t i = 0; i < files().size(); ++i) {
    const std::string base = base_of(files()[i].name);
    const auto there = found.find(base);
    const bool deleted = contains(what.deleted, i + 1);
    if (there == found.end()) {
      if (!deleted) return "lost: " + base;
      continue;
    }
    if (deleted && done) return "back after +OK: " + base;
    if (there->second != std::vector{files()[i].content}) return "doubled or changed: " + base;
    if (ids) expected_ids.push_back((*ids)[i]);
  }
  const Settings settings = settings_for(root);
  const Result<std::unique_ptr<Maildrop>> maildrop = open_on(system_disk(), root, settings);
  if (!maildrop) return "does not open: " + maildrop.error().text;
  std::vector<std::string> listed;
  for (const MessageInfo& m : (*maildrop)->messages()) listed.emplace_back(m.unique_id);
  if (ids && listed != expected_ids) return "other messages or unique-ids are listed";
  return {};
}

std::vector<std::string> undisturbed_ids() {
  const TemporaryDirectory root;
  lay_out(root.path());
  const Settings settings = settings_for(root.path());
  const Result<std::unique_ptr<Maildrop>> maildrop = open_on(system_disk(), root.path(), settings);
  REQUIRE(maildrop);
  std::vector<std::string> ids;
  for (const MessageInfo& m : (*maildrop)->messages()) ids.emplace_back(m.unique_id);
  REQUIRE(ids.size() == files().size());
  REQUIRE(ids[1] == ids[0] + "-2");
  return ids;
}

bool has(const std::vector<std::string>& marks, std::string_view mark) {
  return std::ranges::find(marks, mark) != marks.end();
}

}  // namespace

TEST_CASE("a Maildir survives a crash at any point of a session", "[fault][maildir]") {
  const std::vector<std::string> ids = undisturbed_ids();
  for (const Case& what : cases()) {
    const TemporaryDirectory root;
    lay_out(root.path());
    SimulatedDisk disk{root.path()};
    REQUIRE(run(disk, root.path(), what));
    std::string wrong;
    const auto visit = [&](const CrashState& state) {
      const std::string fault = judge(state.root, what, has(state.marks, "done"), ids);
      if (!fault.empty()) wrong += what.what + ", " + state.description + ": " + fault + "\n";
    };
    CHECK(disk.for_each_crash_state({.states_per_point = 128}, visit) > 3);
    CHECK(disk.for_each_kill_state(visit) > 1);
    CHECK(wrong == "");
  }
}

TEST_CASE("a Maildir survives the failure of any call, and success is never claimed wrongly",
          "[fault][maildir]") {
  const std::vector<std::string> ids = undisturbed_ids();
  for (const Case& what : cases()) {
    for (const int error : {EIO, ENOSPC, EACCES}) {
      for (const FaultSpan span : {FaultSpan::once, FaultSpan::lasting}) {
        for (std::size_t call = 1;; ++call) {
          const TemporaryDirectory root;
          lay_out(root.path());
          SimulatedDisk disk{root.path()};
          disk.fail_at({.call = call, .error = error, .span = span});
          const bool done = run(disk, root.path(), what);
          if (disk.calls() < call) break;
          CAPTURE(what.what, error, call, disk.describe_call(call), done);
          // With no room for index and record ids that hang together may change.
          const bool full = error == ENOSPC && span == FaultSpan::lasting;
          CHECK(judge(root.path(), what, done, full ? std::nullopt : std::optional{ids}) == "");
        }
      }
    }
  }
}
