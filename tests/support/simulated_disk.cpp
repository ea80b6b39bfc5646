#include "support/simulated_disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <stdexcept>
#include <utility>

#include "support/crash_log.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

using Identity = std::pair<dev_t, ino_t>;

Identity identity_of(const FileStatus& status) { return {status.device, status.inode}; }

Attributes attributes_of(const FileStatus& status) {
  return {.mode = status.mode, .owner = status.owner, .group = status.group};
}

/// Faults that concern only calls which take space.
bool is_want_of_space(int error) { return error == ENOSPC || error == EDQUOT; }

enum class Takes : std::uint8_t { space, nothing };

std::string range_text(FileBytes offset, std::uint64_t size) {
  return std::to_string(offset.count) + "+" + std::to_string(size);
}

}  // namespace

/// Knows which real file is which node, counts calls, and decides which of them fail.
class SimulatedDisk::Log {
 public:
  explicit Log(const fs::path& root) {
    Result<Fd> opened = open_directory(root.native());
    if (!opened) throw std::runtime_error(opened.error().text);
    changes_.set_root(take_over(AT_FDCWD, root.native()));
  }

  // Calls and faults.

  /// Counts one changing call; the fault that hits it, if any.
  std::optional<Fault> begin(std::string description, Takes takes) {
    calls_.push_back(std::move(description));
    for (const Fault& fault : faults_) {
      const bool first = fault.call == calls_.size();
      const bool concerned = !is_want_of_space(fault.error) || takes == Takes::space;
      const bool later =
          fault.span == FaultSpan::lasting && calls_.size() > fault.call && concerned;
      if (!first && !later) continue;
      ++faults_hit_;
      return fault;
    }
    return std::nullopt;
  }
  std::unexpected<Error> failure(const Fault& fault) const {
    return fail_errno(fault.error, calls_.back());
  }
  void add(const Fault& fault) { faults_.push_back(fault); }
  [[nodiscard]] const std::vector<std::string>& calls() const { return calls_; }
  [[nodiscard]] std::size_t faults_hit() const { return faults_hit_; }

  // Files and nodes.

  [[nodiscard]] std::optional<NodeId> node_of(const Result<FileStatus>& status) const {
    if (!status) return std::nullopt;
    const auto known = nodes_.find(identity_of(*status));
    return known == nodes_.end() ? std::nullopt : std::optional{known->second.id};
  }
  [[nodiscard]] std::optional<NodeId> node_of(const Fd& file) const {
    return node_of(system_disk().status(file));
  }
  [[nodiscard]] std::optional<NodeId> node_of_directory(int directory) const {
    return node_of(system_disk().status(directory, "."));
  }

  /// The node of the directory that holds `name`, which may be a path.
  [[nodiscard]] std::optional<NodeId> parent_of(int directory, const std::string& name) const {
    const fs::path parent = fs::path{name}.parent_path();
    const Result<Fd> opened =
        open_directory(directory, parent.empty() ? "." : parent.native());
    return opened ? node_of(*opened) : std::nullopt;
  }

  static std::string last_component(const std::string& name) {
    return fs::path{name}.filename().native();
  }

  /// A file or directory that a call has just made.
  NodeId add_made(const Fd& file, NodeKind kind) {
    const Result<FileStatus> status = system_disk().status(file);
    if (!status) throw std::runtime_error(status.error().text);
    const NodeId id = changes_.add({.kind = kind, .attributes = attributes_of(*status)});
    remember(*status, id, "/proc/self/fd/" + std::to_string(file.get()));
    files_[id] = "an unnamed file";
    return id;
  }

  std::size_t append(Change change) { return changes_.append(std::move(change)); }
  void name_node(NodeId id, std::string name) { files_[id] = std::move(name); }

  /// For call descriptions: the last name that we know of.
  [[nodiscard]] std::string name_of(const Fd& file) const {
    const auto id = node_of(file);
    if (!id) return "a file elsewhere";
    const auto known = files_.find(*id);
    return known == files_.end() ? "." : known->second;
  }

  [[nodiscard]] const CrashLog& changes() const { return changes_; }

 private:
  struct Known {
    NodeId id;
    Fd held;  // keeps the inode number from being given to another file
  };

  void remember(const FileStatus& status, NodeId id, const std::string& path) {
    // O_PATH: a descriptor of its own that shares no locks and, when closed, drops none.
    const int follow = path.starts_with("/proc/") ? 0 : O_NOFOLLOW;
    Fd held{::open(path.c_str(), O_PATH | O_CLOEXEC | follow)};
    nodes_.insert_or_assign(identity_of(status), Known{id, std::move(held)});
  }

  /// What exists at the beginning, with everything below it.
  NodeId take_over(int directory, const std::string& path) {
    const Result<FileStatus> status = system_disk().status(directory, path);
    if (!status) throw std::runtime_error(status.error().text);
    if (const auto known = node_of(status)) return *known;  // another name of the same file
    Node node{.kind = status->is_directory() ? NodeKind::directory
                      : S_ISLNK(status->mode) ? NodeKind::symlink
                                              : NodeKind::file,
              .attributes = attributes_of(*status)};
    if (node.kind == NodeKind::symlink) node.content = fs::read_symlink(path).native();
    if (status->is_regular()) node.content = content_of(path, *status);
    const bool has_entries = node.kind == NodeKind::directory;
    const NodeId id = changes_.add(std::move(node));
    remember(*status, id, path);
    files_[id] = last_component(path);
    if (has_entries) take_over_entries(id, path);
    return id;
  }

  void take_over_entries(NodeId id, const std::string& path) {
    for (const fs::directory_entry& entry : fs::directory_iterator{path}) {
      const NodeId child = take_over(AT_FDCWD, entry.path().native());
      changes_.initial(id).entries[entry.path().filename().native()] = child;
    }
  }

  static std::string content_of(const std::string& path, const FileStatus& status) {
    const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    std::string content(status.size.count, '\0');
    const Result<std::size_t> got = system_disk().read(file, content, {0});
    if (!got || *got != content.size()) throw std::runtime_error("cannot read " + path);
    return content;
  }

  CrashLog changes_;
  std::map<Identity, Known> nodes_;
  std::map<NodeId, std::string> files_;
  std::vector<std::string> calls_;
  std::vector<Fault> faults_;
  std::size_t faults_hit_ = 0;
};

SimulatedDisk::SimulatedDisk(const fs::path& root) : log_{std::make_unique<Log>(root)} {}
SimulatedDisk::~SimulatedDisk() = default;

void SimulatedDisk::fail_at(const Fault& fault) { log_->add(fault); }
std::size_t SimulatedDisk::calls() const { return log_->calls().size(); }
std::size_t SimulatedDisk::faults_hit() const { return log_->faults_hit(); }
std::string SimulatedDisk::describe_call(std::size_t call) const {
  return log_->calls().at(call - 1);
}
void SimulatedDisk::mark(std::string word) { log_->append(Marked{std::move(word)}); }

std::size_t SimulatedDisk::for_each_crash_state(const CrashLimits& limits,
                                                const Visit& visit) const {
  return log_->changes().for_each_crash_state(limits, visit);
}
std::size_t SimulatedDisk::for_each_kill_state(const Visit& visit) const {
  return log_->changes().for_each_kill_state(visit);
}

Result<Fd> SimulatedDisk::open(int directory, const std::string& name, int flags, mode_t mode) {
  Disk& system = system_disk();
  if ((flags & (O_CREAT | O_TRUNC)) == 0) return system.open(directory, name, flags, mode);
  const Takes takes = (flags & O_CREAT) != 0 ? Takes::space : Takes::nothing;
  if (const auto fault = log_->begin("create " + name, takes)) return log_->failure(*fault);
  const Result<FileStatus> before = system.status(directory, name);
  Result<Fd> file = system.open(directory, name, flags, mode);
  const auto parent = log_->parent_of(directory, name);
  if (!file || !parent) return file;
  if (!before) {
    const NodeId made = log_->add_made(*file, NodeKind::file);
    log_->name_node(made, Log::last_component(name));
    log_->append(NameAdded{*parent, Log::last_component(name), made});
  } else if (const auto node = log_->node_of(*file);
             node && (flags & O_TRUNC) != 0 && before->size.count != 0) {
    log_->append(Resized{*node, before->size.count, 0});
  }
  return file;
}

Result<Fd> SimulatedDisk::open_unnamed(int directory, mode_t mode) {
  if (const auto fault = log_->begin("create an unnamed file", Takes::space)) {
    return log_->failure(*fault);
  }
  Result<Fd> file = system_disk().open_unnamed(directory, mode);
  if (file && log_->node_of_directory(directory)) (void)log_->add_made(*file, NodeKind::file);
  return file;
}

Result<FileStatus> SimulatedDisk::status(const Fd& file) { return system_disk().status(file); }

Result<FileStatus> SimulatedDisk::status(int directory, const std::string& name) {
  return system_disk().status(directory, name);
}

Result<void> SimulatedDisk::list(int directory, const VisitName& visit) {
  return system_disk().list(directory, visit);
}

Result<std::size_t> SimulatedDisk::read(const Fd& file, std::span<char> buffer, FileBytes offset) {
  return system_disk().read(file, buffer, offset);
}

Result<void> SimulatedDisk::write(const Fd& file, std::string_view bytes, FileBytes offset) {
  Disk& system = system_disk();
  const auto fault = log_->begin(
      "write " + log_->name_of(file) + " " + range_text(offset, bytes.size()), Takes::space);
  if (fault && fault->kind == FaultKind::refuse) return log_->failure(*fault);
  if (fault) bytes = bytes.substr(0, bytes.size() / 2);
  const Result<FileStatus> before = system.status(file);
  Result<void> written = system.write(file, bytes, offset);
  const Result<FileStatus> after = system.status(file);
  const auto node = log_->node_of(file);
  if (written && before && after && node && !bytes.empty()) {
    log_->append(Written{*node, offset.count, std::string{bytes}, before->size.count,
                         after->size.count});
  }
  if (fault) return log_->failure(*fault);
  return written;
}

Result<void> SimulatedDisk::copy(const Fd& from, FileBytes from_offset, const Fd& to,
                                 FileBytes to_offset, FileBytes count) {
  Disk& system = system_disk();
  const auto fault = log_->begin(
      "copy to " + log_->name_of(to) + " " + range_text(to_offset, count.count), Takes::space);
  if (fault && fault->kind == FaultKind::refuse) return log_->failure(*fault);
  std::string bytes(fault ? count.count / 2 : count.count, '\0');
  const Result<std::size_t> got = system.read(from, bytes, from_offset);
  const Result<FileStatus> before = system.status(to);
  Result<void> copied = system.copy(from, from_offset, to, to_offset, {bytes.size()});
  const Result<FileStatus> after = system.status(to);
  bytes.resize(got ? *got : 0);  // the source may end early: then a part has been copied
  const auto node = log_->node_of(to);
  if (before && after && node && !bytes.empty()) {
    log_->append(Written{*node, to_offset.count, bytes, before->size.count, after->size.count});
  }
  if (fault) return log_->failure(*fault);
  return copied;
}

namespace {

/// Logs a change of length that a call on the file has made.
Result<void> resize_logged(SimulatedDisk& disk, const Fd& file, const std::optional<NodeId>& node,
                           const std::function<Result<void>()>& call,
                           const std::function<void(Change)>& append) {
  const Result<FileStatus> before = disk.status(file);
  Result<void> done = call();
  const Result<FileStatus> after = disk.status(file);
  if (done && before && after && node && before->size != after->size) {
    append(Resized{*node, before->size.count, after->size.count});
  }
  return done;
}

}  // namespace

Result<void> SimulatedDisk::reserve(const Fd& file, FileBytes size) {
  const auto fault = log_->begin(
      "reserve " + log_->name_of(file) + " " + std::to_string(size.count), Takes::space);
  if (fault) return log_->failure(*fault);
  return resize_logged(
      *this, file, log_->node_of(file), [&] { return system_disk().reserve(file, size); },
      [&](Change change) { log_->append(std::move(change)); });
}

Result<void> SimulatedDisk::truncate(const Fd& file, FileBytes size) {
  const auto fault = log_->begin(
      "truncate " + log_->name_of(file) + " " + std::to_string(size.count), Takes::nothing);
  if (fault) return log_->failure(*fault);
  return resize_logged(
      *this, file, log_->node_of(file), [&] { return system_disk().truncate(file, size); },
      [&](Change change) { log_->append(std::move(change)); });
}

// The real fsync is left out: the log keeps the books on what is durable, and a test's directory
// need not survive anything.

Result<void> SimulatedDisk::sync(const Fd& file) {
  const auto fault = log_->begin("sync " + log_->name_of(file), Takes::nothing);
  const auto node = log_->node_of(file);
  if (fault) {
    if (node) log_->append(SyncFailed{*node});
    return log_->failure(*fault);
  }
  if (const Result<FileStatus> status = system_disk().status(file); !status) {
    return std::unexpected(status.error());
  }
  if (node) log_->append(Synced{*node});
  return {};
}

Result<void> SimulatedDisk::sync_directory(int directory) {
  if (const auto fault = log_->begin("sync the directory", Takes::nothing)) {
    return log_->failure(*fault);
  }
  const Result<FileStatus> status = system_disk().status(directory, ".");
  if (!status) return std::unexpected(status.error());
  if (const auto node = log_->node_of(status)) log_->append(Synced{*node});
  return {};
}

Result<void> SimulatedDisk::rename(int directory, const std::string& from, const std::string& to) {
  if (const auto fault = log_->begin("rename " + from + " to " + to, Takes::nothing)) {
    return log_->failure(*fault);
  }
  const auto source = log_->parent_of(directory, from);
  if (source != log_->parent_of(directory, to)) {
    throw std::logic_error("rename between directories is not simulated: " + from + " to " + to);
  }
  const auto node = log_->node_of(system_disk().status(directory, from));
  Result<void> renamed = system_disk().rename(directory, from, to);
  if (renamed && source && node) {
    log_->append(NameMoved{*source, Log::last_component(from), Log::last_component(to)});
    log_->name_node(*node, Log::last_component(to));
  }
  return renamed;
}

Result<void> SimulatedDisk::move(int from_directory, const std::string& from, int to_directory,
                                 const std::string& to) {
  if (const auto fault = log_->begin("move " + from + " to " + to, Takes::nothing)) {
    return log_->failure(*fault);
  }
  const auto source = log_->parent_of(from_directory, from);
  const auto target = log_->parent_of(to_directory, to);
  const auto node = log_->node_of(system_disk().status(from_directory, from));
  Result<void> moved = system_disk().move(from_directory, from, to_directory, to);
  if (!moved || !source || !target || !node) return moved;
  log_->name_node(*node, Log::last_component(to));
  if (source == target) {
    log_->append(NameMoved{*source, Log::last_component(from), Log::last_component(to)});
    return moved;
  }
  const std::size_t arrival = log_->append(NameAdded{*target, Log::last_component(to), *node});
  log_->append(NameRemoved{*source, Log::last_component(from), arrival});
  return moved;
}

Result<void> SimulatedDisk::exchange(int directory, const std::string& one,
                                     const std::string& other) {
  if (const auto fault = log_->begin("exchange " + one + " and " + other, Takes::nothing)) {
    return log_->failure(*fault);
  }
  const auto parent = log_->parent_of(directory, one);
  Result<void> exchanged = system_disk().exchange(directory, one, other);
  if (!exchanged || !parent) return exchanged;
  log_->append(NamesExchanged{*parent, one, other});
  for (const std::string& name : {one, other}) {
    const auto node = log_->node_of(system_disk().status(directory, name));
    if (node) log_->name_node(*node, name);
  }
  return exchanged;
}

Result<void> SimulatedDisk::link(int directory, const std::string& from, const std::string& to) {
  if (const auto fault = log_->begin("link " + from + " to " + to, Takes::space)) {
    return log_->failure(*fault);
  }
  Result<void> linked = system_disk().link(directory, from, to);
  const auto node = log_->node_of(system_disk().status(directory, from));
  const auto parent = log_->parent_of(directory, to);
  if (linked && node && parent) {
    log_->append(NameAdded{*parent, Log::last_component(to), *node});
  }
  return linked;
}

Result<void> SimulatedDisk::remove(int directory, const std::string& name) {
  if (const auto fault = log_->begin("remove " + name, Takes::nothing)) {
    return log_->failure(*fault);
  }
  Result<void> removed = system_disk().remove(directory, name);
  const auto parent = log_->parent_of(directory, name);
  if (removed && parent) log_->append(NameRemoved{*parent, Log::last_component(name)});
  return removed;
}

Result<void> SimulatedDisk::remove_directory(int directory, const std::string& name) {
  if (const auto fault = log_->begin("remove directory " + name, Takes::nothing)) {
    return log_->failure(*fault);
  }
  Result<void> removed = system_disk().remove_directory(directory, name);
  const auto parent = log_->parent_of(directory, name);
  if (removed && parent) log_->append(NameRemoved{*parent, Log::last_component(name)});
  return removed;
}

Result<void> SimulatedDisk::make_directory(int directory, const std::string& name, mode_t mode) {
  if (const auto fault = log_->begin("make directory " + name, Takes::space)) {
    return log_->failure(*fault);
  }
  Result<void> made = system_disk().make_directory(directory, name, mode);
  const auto parent = log_->parent_of(directory, name);
  if (!made || !parent) return made;
  const Result<Fd> opened = open_directory(directory, name);
  if (!opened) return std::unexpected(opened.error());
  const NodeId node = log_->add_made(*opened, NodeKind::directory);
  log_->name_node(node, Log::last_component(name));
  log_->append(NameAdded{*parent, Log::last_component(name), node});
  return {};
}

Result<void> SimulatedDisk::set_owner(const Fd& file, uid_t owner, gid_t group) {
  const auto fault = log_->begin("set owner of " + log_->name_of(file), Takes::nothing);
  if (fault) return log_->failure(*fault);
  Result<void> set = system_disk().set_owner(file, owner, group);
  const Result<FileStatus> now = status(file);
  const auto node = log_->node_of(now);
  if (set && node) log_->append(AttributesSet{*node, attributes_of(*now)});
  return set;
}

Result<void> SimulatedDisk::set_mode(const Fd& file, mode_t mode) {
  const auto fault = log_->begin("set mode of " + log_->name_of(file), Takes::nothing);
  if (fault) return log_->failure(*fault);
  Result<void> set = system_disk().set_mode(file, mode);
  const Result<FileStatus> now = status(file);
  const auto node = log_->node_of(now);
  if (set && node) log_->append(AttributesSet{*node, attributes_of(*now)});
  return set;
}

Result<CopiedAttributes> SimulatedDisk::copy_attributes(const Fd& from, const Fd& to) {
  const auto fault = log_->begin("copy attributes to " + log_->name_of(to), Takes::nothing);
  if (fault) return log_->failure(*fault);
  return system_disk().copy_attributes(from, to);
}

Result<void> SimulatedDisk::set_times(const Fd& file, timespec accessed, timespec modified) {
  const auto fault = log_->begin("set times of " + log_->name_of(file), Takes::nothing);
  if (fault) return log_->failure(*fault);
  return system_disk().set_times(file, accessed, modified);
}

Result<void> SimulatedDisk::touch(const Fd& file) {
  const auto fault = log_->begin("touch " + log_->name_of(file), Takes::nothing);
  if (fault) return log_->failure(*fault);
  return system_disk().touch(file);
}

}  // namespace pop::test
