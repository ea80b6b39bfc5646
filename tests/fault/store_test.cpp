// Every state that a kill or a power cut may leave of a commit, in one process on the simulated
// disk: an open must make it the old maildrop or the new one, whole, and the new one if the commit
// had been reported done. The same for failing calls, and for the open that does the mending.
//
// Where a point of the log allows more states than POPPER_FAULT_STATES (default 128;
// run-all takes 1024), the telling ones and then random ones are taken; POPPER_FAULT_SEED changes those.
// Recoveries are interrupted from every POPPER_FAULT_STRIDE-th state only (default 29; 5).

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fault/mini_reader.h"
#include "fault/restored_disk.h"
#include "store/maildrop.h"
#include "support/catch.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

std::size_t number_from_environment(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

CrashLimits crash_limits() {
  return {.states_per_point = number_from_environment("POPPER_FAULT_STATES", 128),
          .seed = number_from_environment("POPPER_FAULT_SEED", 1)};
}

/// Where memory is a directory, temporary ones are made there: the states are many.
const bool in_memory = [] {
  return ::access("/dev/shm", W_OK) == 0 && ::setenv("TMPDIR", "/dev/shm", 0) == 0;
}();

/// A temporary directory, removed at the end.
class Root {
 public:
  Root() {
    std::string pattern = fs::temp_directory_path() / "popper-states-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Root() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string content_of(const fs::path& file) {
  std::error_code missing;
  const std::uintmax_t size = fs::file_size(file, missing);
  if (missing) return {};
  std::string content(size, '\0');
  std::ifstream{file, std::ios::binary}.read(content.data(), static_cast<std::streamsize>(size));
  return content;
}

void write_file(const fs::path& file, std::string_view content) {
  std::ofstream out{file, std::ios::binary};
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
}

std::string message(int number, std::string_view fields, std::string_view body) {
  const std::string n = std::to_string(number);
  return "From ann@example.org Thu Jan  1 00:0" + n + ":00 1970\nFrom: ann@example.org\nSubject: " +
         n + "\nMessage-Id: <" + n + "@example.org>\n" + std::string{fields} + "\n" +
         std::string{body} + "\n";
}

std::string lines(int number, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += std::to_string(number) + " line " + std::to_string(i) + " of a longer text\n";
  }
  return text;
}

/// Six messages over several sectors; bookkeeping stored in some, the last without its line end.
std::vector<std::string> spool_messages() {
  std::vector<std::string> all{
      message(1, "Status: RO\nX-UIDL: stored-id-0123456789\n", lines(1, 20)),
      message(2, "", ">From here\nFrom there\n.\n"),
      message(3, "Status: O\n", lines(3, 31)),
      message(4, "", "four\r\n\r\nnul and more\n"),
      message(5, "X-Status: A\n", lines(5, 40)),
      message(6, "", "six"),
  };
  all.back().pop_back();
  return all;
}

std::string joined(const std::vector<std::string>& messages) {
  std::string all;
  for (const std::string& one : messages) all += one;
  return all;
}

const std::string arrival = message(7, "", "delivered between open and commit\n");
const std::string late_arrival = message(8, "", "delivered after the crash\n");

enum class Mode : std::uint8_t { server, normal, fast_update };
enum class Delivery : std::uint8_t { none, between, after };

struct Case {
  Mode mode;
  std::string_view what;
  std::vector<std::uint32_t> deleted;
  std::vector<std::uint32_t> retrieved;
  Delivery delivery;
};

std::vector<Case> all_cases(Mode mode) {
  std::vector<Case> cases;
  for (const Delivery delivery : {Delivery::none, Delivery::between, Delivery::after}) {
    cases.push_back({mode, "first", {1}, {}, delivery});
    cases.push_back({mode, "middle", {3}, {2}, delivery});
    cases.push_back({mode, "last", {6}, {}, delivery});
    cases.push_back({mode, "all", {1, 2, 3, 4, 5, 6}, {}, delivery});
    cases.push_back({mode, "every second", {2, 4, 6}, {}, delivery});
    cases.push_back({mode, "only retrieved", {}, {2, 4}, delivery});
  }
  return cases;
}

Settings settings_for(const fs::path& root, Mode mode) {
  Settings settings;
  settings.spool_dir = root;
  settings.server_mode = mode == Mode::server;
  settings.fast_update = mode == Mode::fast_update;
  settings.lock_wait = std::chrono::seconds{1};
  settings.dotlock_stale_after = std::chrono::seconds{0};  // the crash was long ago
  return settings;
}

MailUser user_of(const fs::path& root) {
  return {.name = "jo", .uid = ::getuid(), .gid = ::getgid(), .home = root, .maildrop = {}};
}

/// Appends as a delivery agent does that fsyncs; a missing empty line before it is added. False if
/// there is no room: then nothing has been added.
bool deliver(Disk& disk, const fs::path& root, std::string_view mail) {
  const Result<Fd> directory = open_directory(root);
  REQUIRE(directory);
  const int create = fs::exists(root / "jo") ? 0 : O_CREAT;
  const Result<Fd> spool = disk.open(directory->get(), "jo", O_RDWR | create, 0600);
  if (!spool || ::flock(spool->get(), LOCK_EX | LOCK_NB) != 0) return false;
  const Result<FileStatus> status = disk.status(*spool);
  REQUIRE(status);
  std::array<char, 2> tail{};
  const std::uint64_t size = status->size.count;
  const std::size_t look = std::min<std::uint64_t>(size, 2);
  REQUIRE(disk.read(*spool, {tail.data(), look}, {size - look}));
  std::string bytes;
  if (size > 0 && tail[look - 1] != '\n') bytes = "\n";
  if (size > 0 && std::string_view{tail.data(), look} != "\n\n") bytes += "\n";
  bytes += mail;
  if (!disk.write(*spool, bytes, status->size)) {
    REQUIRE(disk.truncate(*spool, status->size));
    return false;
  }
  return disk.sync(*spool) && disk.sync_directory(directory->get());
}

/// What must be found, and what has been promised.
struct Promise {
  std::vector<std::string> before;  // messages
  std::vector<std::uint32_t> deleted;
  std::vector<std::string> arrivals;
  bool done = false;
  std::vector<std::string> ids;  // unique-ids of `before`
};

/// "" if the spool holds the old maildrop or the new one; else what is wrong.
std::string judge(const std::string& spool, const Promise& promise) {
  std::vector<std::string> kept;
  std::vector<std::string> all = promise.before;
  for (std::uint32_t n = 1; n <= promise.before.size(); ++n) {
    if (std::ranges::find(promise.deleted, n) == promise.deleted.end()) {
      kept.push_back(promise.before[n - 1]);
    }
  }
  for (const std::string& mail : promise.arrivals) {
    kept.push_back(mail);
    all.push_back(mail);
  }
  const std::vector<std::string> found = split_messages(spool);
  if (same_messages(found, kept)) return {};
  if (!same_messages(found, all)) return describe_difference(found, kept, all);
  return promise.done ? "the commit was reported done, and the deleted ones are back" : "";
}

std::string judge_ids(std::span<const MessageInfo> listed, const std::string& spool,
                      const Promise& promise) {
  const std::vector<std::string> found = split_messages(spool);
  if (found.size() != listed.size()) return "the listing does not fit to the spool";
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (std::size_t k = 0; k < promise.before.size(); ++k) {
      const bool same = same_messages({found[i]}, {promise.before[k]});
      if (same && listed[i].unique_id != promise.ids[k]) {
        return "unique-id was " + promise.ids[k] + ", is " + std::string{listed[i].unique_id};
      }
    }
  }
  return {};
}

/// Names beside the spool that may not stay after an open.
std::string leftover_in(const fs::path& root) {
  for (const auto& entry : fs::directory_iterator{root}) {
    const std::string name = entry.path().filename();
    if (name == "jo" || name == ".jo.cache") continue;
    if (name == ".jo.pop" && entry.file_size() == 0) continue;
    return "left behind: " + name;
  }
  return {};
}

/// The dotlock in a state names this very process, which lives; after a crash it would not.
void bury_lock_holder(const fs::path& root) {
  if (fs::exists(root / "jo.lock")) write_file(root / "jo.lock", "4194305\n");
}

/// Unique-ids of spool_messages(), as an open without any fault gives them.
const std::vector<std::string>& undisturbed_ids() {
  static const std::vector<std::string> ids = [] {
    const Root root;
    write_file(root.path() / "jo", joined(spool_messages()));
    const Settings settings = settings_for(root.path(), Mode::server);
    const Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, system_disk(), system_clock()}, user_of(root.path()));
    REQUIRE(maildrop);
    std::vector<std::string> found;
    for (const MessageInfo& info : (*maildrop)->messages()) found.emplace_back(info.unique_id);
    REQUIRE(found.size() == spool_messages().size());
    return found;
  }();
  return ids;
}

class Experiment {
 public:
  explicit Experiment(const Case& what) : case_{what}, settings_{settings_for(root_.path(), what.mode)} {
    write_file(root_.path() / "jo", joined(spool_messages()));
    spool_ = identity_of(root_.path() / "jo");
    promise_.before = spool_messages();
    promise_.deleted = what.deleted;
    promise_.ids = undisturbed_ids();
  }

  /// The whole session on `disk`; true if the commit said that it is done.
  bool run(SimulatedDisk& disk) {
    Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings_, disk, clock_}, user_of(root_.path()));
    if (!maildrop) return false;
    if (case_.delivery == Delivery::between) {
      disk.mark("delivering");
      delivery_began_ = disk.calls();
      delivered_ = deliver(disk, root_.path(), arrival);
      delivery_ended_ = disk.calls();
      if (delivered_) disk.mark("delivered");
    }
    if (!commit(**maildrop)) return false;
    disk.mark("done");
    return true;
  }

  [[nodiscard]] const fs::path& root() const { return root_.path(); }
  [[nodiscard]] bool delivered() const { return delivered_; }
  /// Whether a call was the delivery's, whose faults are not ours.
  [[nodiscard]] bool is_delivery(std::size_t call) const {
    return call > delivery_began_ && call <= delivery_ended_;
  }

  /// What holds for a state with these marks; nullopt while the delivery itself was under way.
  [[nodiscard]] std::optional<Promise> promise_at(const std::vector<std::string>& marks) const {
    const auto has = [&](std::string_view mark) {
      return std::ranges::find(marks, mark) != marks.end();
    };
    if (has("delivering") && !has("delivered")) return std::nullopt;
    Promise promise = promise_;
    if (has("delivered")) promise.arrivals.push_back(arrival);
    promise.done = has("done");
    return promise;
  }

  /// Mail that comes after the crash.
  void deliver_late(const fs::path& root, Promise& promise) const {
    if (case_.delivery != Delivery::after) return;
    REQUIRE(deliver(system_disk(), root, late_arrival));
    promise.arrivals.push_back(late_arrival);
  }

  /// Opens a state on `disk` and tells what is wrong with the result, "" if nothing.
  std::string settle(Disk& disk, const fs::path& root, const Promise& promise) const {
    std::string wrong = open_and_judge(disk, root, promise);
    if (wrong.empty() && fs::exists(root / "jo.lock")) {
      // An open that trusts the index needs no lock. Whoever needs it must get it.
      fs::remove(root / ".jo.cache");
      wrong = open_and_judge(disk, root, promise);
    }
    return wrong.empty() ? leftover_in(root) : wrong;
  }

  /// The state's spool passes for the original, as it would be after a real crash: a journal
  /// recognises its spool by that. A spool that was renamed into place has no original.
  [[nodiscard]] RestoredDisk restored(Disk& disk, const fs::path& root) const {
    const Identity copy = identity_of(root / "jo");
    return {disk, copy, case_.mode == Mode::fast_update ? copy : spool_};
  }

 private:
  std::string open_and_judge(Disk& disk, const fs::path& root, const Promise& promise) const {
    const Settings settings = settings_for(root, case_.mode);
    test::ImpatientClock clock;
    const Result<std::unique_ptr<Maildrop>> maildrop =
        open_maildrop({settings, disk, clock}, user_of(root));
    if (!maildrop) return "the next open fails: " + maildrop.error().text;
    const std::string spool = content_of(root / "jo");
    const std::string wrong = judge(spool, promise);
    return wrong.empty() ? judge_ids((*maildrop)->messages(), spool, promise) : wrong;
  }

  bool commit(Maildrop& maildrop) {
    const std::size_t messages = maildrop.messages().size();
    if (messages != promise_.before.size()) return false;
    SessionOutcome outcome{MessageSet{messages}, MessageSet{messages}};
    for (const std::uint32_t n : case_.deleted) outcome.deleted.insert({n});
    for (const std::uint32_t n : case_.retrieved) outcome.retrieved.insert({n});
    return maildrop.commit(outcome).has_value();
  }

  const Case& case_;
  Root root_;
  Settings settings_;
  test::ImpatientClock clock_;
  Promise promise_;
  Identity spool_;
  bool delivered_ = false;
  std::size_t delivery_began_ = 0, delivery_ended_ = 0;
};

struct Tally {
  std::size_t power_cuts = 0, kills = 0, errors = 0, again = 0, bad = 0;

  void complain(const Case& what, const std::string& state, const std::string& wrong) {
    if (++bad > 20) return;
    FAIL_CHECK(what.what << ", delivery " << static_cast<int>(what.delivery) << ": " << state
                         << ": " << wrong);
  }
  void print(const char* mode) const {
    std::printf(
        "%s: %zu power-cut states, %zu kill states, %zu error points, %zu states of interrupted "
        "recoveries: %zu bad\n",
        mode, power_cuts, kills, errors, again, bad);
  }
};

/// The open that mends a state is cut, too.
void interrupt_recovery(const Case& what, const Experiment& experiment, const CrashState& state,
                        const Promise& promise, Tally& tally) {
  SimulatedDisk recording{state.root};
  RestoredDisk disk = experiment.restored(recording, state.root);
  const std::string wrong = experiment.settle(disk, state.root, promise);
  if (!wrong.empty()) return tally.complain(what, state.description, wrong);
  tally.again += recording.for_each_crash_state(crash_limits(), [&](const CrashState& again) {
    bury_lock_holder(again.root);
    RestoredDisk last = experiment.restored(system_disk(), again.root);
    const std::string still = experiment.settle(last, again.root, promise);
    if (!still.empty()) {
      tally.complain(what, state.description + "; in recovery: " + again.description, still);
    }
  });
}

using Visitor = SimulatedDisk::Visit;

Visitor checking(const Case& what, const Experiment& experiment, Tally& tally) {
  const std::size_t stride = number_from_environment("POPPER_FAULT_STRIDE", 29);
  return [&what, &experiment, &tally, stride, count = std::size_t{0}](const CrashState& state) mutable {
    std::optional<Promise> promise = experiment.promise_at(state.marks);
    if (!promise) return;
    bury_lock_holder(state.root);
    experiment.deliver_late(state.root, *promise);
    if (count++ % stride == 0) {
      return interrupt_recovery(what, experiment, state, *promise, tally);
    }
    RestoredDisk disk = experiment.restored(system_disk(), state.root);
    const std::string wrong = experiment.settle(disk, state.root, *promise);
    if (!wrong.empty()) tally.complain(what, state.description, wrong);
  };
}

void try_states(Mode mode, const char* name) {
  Tally tally;
  for (const Case& what : all_cases(mode)) {
    Experiment experiment{what};
    SimulatedDisk disk{experiment.root()};
    REQUIRE(experiment.run(disk));
    tally.power_cuts +=
        disk.for_each_crash_state(crash_limits(), checking(what, experiment, tally));
    tally.kills += disk.for_each_kill_state(checking(what, experiment, tally));
  }
  CHECK(tally.power_cuts > 500);
  tally.print(name);
}

std::vector<std::string> marks_of(bool done, bool delivered) {
  std::vector<std::string> marks;
  if (delivered) marks.emplace_back("delivered");
  if (done) marks.emplace_back("done");
  return marks;
}

/// One call fails; the reply must be true, and the next open, on the disk that works again, must
/// find everything, durably: an fsync that failed may have thrown its data away.
void try_fault(const Case& what, const Fault& fault, Tally& tally) {
  Experiment experiment{what};
  std::string description;
  SimulatedDisk disk{experiment.root()};
  disk.fail_at(fault);
  const bool done = experiment.run(disk);
  REQUIRE(disk.faults_hit() > 0);
  ++tally.errors;
  bury_lock_holder(experiment.root());
  description = "call " + std::to_string(fault.call) + " (" + disk.describe_call(fault.call) +
                ") fails with " + std::to_string(fault.error);
  const Promise promise = *experiment.promise_at(marks_of(done, experiment.delivered()));
  if (fault.span == FaultSpan::lasting) {
    RestoredDisk working = experiment.restored(system_disk(), experiment.root());
    const std::string wrong = experiment.settle(working, experiment.root(), promise);
    if (!wrong.empty()) tally.complain(what, description, wrong);
    return;
  }
  const std::string wrong = experiment.settle(disk, experiment.root(), promise);
  if (!wrong.empty()) return tally.complain(what, description, wrong);
  disk.mark("settled");
  const CrashLimits few{.states_per_point = 8, .seed = 1};
  tally.power_cuts += disk.for_each_crash_state(few, [&](const CrashState& state) {
    if (std::ranges::find(state.marks, "settled") == state.marks.end()) return;
    bury_lock_holder(state.root);
    RestoredDisk last = experiment.restored(system_disk(), state.root);
    const std::string later = experiment.settle(last, state.root, promise);
    if (!later.empty()) tally.complain(what, description + "; later " + state.description, later);
  });
}

/// The calls of a session that may be made to fail.
std::vector<std::size_t> calls_of(const Case& what) {
  Experiment experiment{what};
  SimulatedDisk disk{experiment.root()};
  REQUIRE(experiment.run(disk));
  std::vector<std::size_t> calls;
  for (std::size_t call = 1; call <= disk.calls(); ++call) {
    if (!experiment.is_delivery(call)) calls.push_back(call);
  }
  return calls;
}

void try_faults(Mode mode, const char* name) {
  Tally tally;
  for (const Case& what : all_cases(mode)) {
    if (what.delivery == Delivery::after) continue;  // there is no crash
    for (const std::size_t call : calls_of(what)) {
      try_fault(what, {.call = call, .error = EIO}, tally);
      try_fault(what, {.call = call, .error = EIO, .kind = FaultKind::short_write}, tally);
      try_fault(what, {.call = call, .error = ENOSPC, .span = FaultSpan::lasting}, tally);
      try_fault(what, {.call = call, .error = EDQUOT, .span = FaultSpan::once}, tally);
    }
  }
  CHECK(tally.errors > 100);
  tally.print(name);
}

TEST_CASE("Cuts and kills in server mode leave the old mail or the new", "[fault]") {
  try_states(Mode::server, "server mode");
}
TEST_CASE("Cuts and kills in normal mode leave the old mail or the new", "[fault]") {
  try_states(Mode::normal, "normal mode");
}
TEST_CASE("Cuts and kills with fast-update leave the old mail or the new", "[fault]") {
  try_states(Mode::fast_update, "fast-update");
}
TEST_CASE("Failing calls in server mode lose nothing and are told", "[fault]") {
  try_faults(Mode::server, "server mode");
}
TEST_CASE("Failing calls in normal mode lose nothing and are told", "[fault]") {
  try_faults(Mode::normal, "normal mode");
}
TEST_CASE("Failing calls with fast-update lose nothing and are told", "[fault]") {
  try_faults(Mode::fast_update, "fast-update");
}

}  // namespace
}  // namespace pop::test
