// How a state is made: each change up to the point of the crash gets a fate (all of it reached the
// device, nothing, or some sectors; and apart from that its change of length or name), then the
// history is replayed from the durable beginning. What a sync made certain always has the fate
// "all". The enumeration walks through the fates of the rest.

#include "support/crash_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <random>
#include <set>
#include <stdexcept>
#include <system_error>
#include <unordered_set>

namespace pop::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t sector = 512;

/// How much of a write's data reached the device. Values from `scattered` on are seeds: each
/// sector is there or not by chance.
enum class Data : std::uint64_t { none, all, first_half, second_half, scattered };

/// What became of one change.
struct Fate {
  bool structure = true;  // its name or length is durable
  Data data = Data::all;
  std::optional<std::uint64_t> ended_after{};  // the process was killed within this write
};
using Fates = std::vector<Fate>;

/// What is uncertain at one point of the log, as indices of changes.
struct Pending {
  std::vector<std::vector<std::size_t>> ordered;  // one list a directory, and one a file's lengths:
                                                  // of each some first part is durable
  std::vector<std::size_t> writes;                // each on its own
};

bool spans_sectors(const Written& write) {
  return write.offset / sector != (write.offset + write.bytes.size() - 1) / sector;
}

std::uint64_t mixed(std::uint64_t seed, std::uint64_t n) {
  std::uint64_t z = seed + n * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

bool sector_is_there(const Written& write, std::uint64_t number, Data data) {
  const std::uint64_t first = write.offset / sector;
  const std::uint64_t last = (write.offset + write.bytes.size() - 1) / sector;
  const std::uint64_t middle = first + (last - first + 1) / 2;
  switch (data) {
    case Data::none:
      return false;
    case Data::all:
      return true;
    case Data::first_half:
      return number < middle;
    case Data::second_half:
      return number >= middle;
    default:
      return (mixed(static_cast<std::uint64_t>(data), number) & 1) != 0;
  }
}

/// The sectors of each write that are there. Within one sector the device holds the state of some
/// moment, so a later write there brings the earlier ones with it.
std::vector<std::vector<bool>> sectors_there(const std::vector<Change>& changes,
                                             const Fates& fates) {
  std::vector<std::vector<bool>> there(fates.size());
  std::map<NodeId, std::set<std::uint64_t>> later;
  for (std::size_t i = fates.size(); i-- > 0;) {
    const Written* write = std::get_if<Written>(&changes[i]);
    if (write == nullptr || write->bytes.empty()) continue;
    std::set<std::uint64_t>& forced = later[write->file];
    const std::uint64_t first = write->offset / sector;
    const std::uint64_t last = (write->offset + write->bytes.size() - 1) / sector;
    for (std::uint64_t number = first; number <= last; ++number) {
      const bool is_there =
          sector_is_there(*write, number, fates[i].data) || forced.contains(number);
      there[i].push_back(is_there);
      if (is_there) forced.insert(number);
    }
  }
  return there;
}

/// The first bytes of a write.
Written begun(Written write, std::uint64_t bytes) {
  write.bytes.resize(bytes);
  write.length_after = std::max(write.length_before, write.offset + bytes);
  return write;
}

/// The tree while changes are replayed onto it.
class Replay {
 public:
  Replay(const std::vector<Node>& initial, const std::vector<Change>& changes, const Fates& fates)
      : nodes_{initial}, fates_{fates}, there_{sectors_there(changes, fates)} {
    for (const Node& node : nodes_) length_.push_back(node.content.size());
    for (at_ = 0; at_ < fates.size(); ++at_) {
      fate_ = fates[at_];
      std::visit([this](const auto& change) { apply(change); }, changes[at_]);
    }
    for (NodeId id = 0; id < nodes_.size(); ++id) {
      if (nodes_[id].kind == NodeKind::file) nodes_[id].content.resize(length_[id]);
    }
  }

  std::vector<Node> take() { return std::move(nodes_); }

 private:
  void apply(const NameAdded& c) {
    if (fate_.structure) nodes_[c.directory].entries[c.name] = c.node;
  }
  void apply(const NameRemoved& c) {
    const bool has_other_name = !c.only_after || fates_[*c.only_after].structure;
    if (fate_.structure && has_other_name) nodes_[c.directory].entries.erase(c.name);
  }
  void apply(const NameMoved& c) {
    if (!fate_.structure) return;
    auto& entries = nodes_[c.directory].entries;
    const auto from = entries.find(c.from);
    if (from == entries.end()) return;
    const NodeId moved = from->second;
    // Two names of one file: rename does nothing then.
    if (const auto to = entries.find(c.to); to != entries.end() && to->second == moved) return;
    entries.erase(from);
    entries[c.to] = moved;
  }
  void apply(const NamesExchanged& c) {
    if (!fate_.structure) return;
    auto& entries = nodes_[c.directory].entries;
    const auto one = entries.find(c.one);
    const auto other = entries.find(c.other);
    if (one != entries.end() && other != entries.end()) std::swap(one->second, other->second);
  }
  void apply(const Written& whole) {
    const Written c = fate_.ended_after ? begun(whole, *fate_.ended_after) : whole;
    std::string& content = nodes_[c.file].content;
    const std::uint64_t first = c.offset / sector;
    for (std::size_t i = 0; i < there_[at_].size(); ++i) {
      if (!there_[at_][i]) continue;
      const std::uint64_t begin = std::max(c.offset, (first + i) * sector);
      const std::uint64_t end =
          std::min(c.offset + c.bytes.size(), (first + i + 1) * sector);
      if (begin >= end) break;
      if (content.size() < end) content.resize(end);
      std::ranges::copy(c.bytes.substr(begin - c.offset, end - begin),
                        content.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    if (fate_.structure && c.length_after != c.length_before) length_[c.file] = c.length_after;
  }
  void apply(const Resized& c) {
    if (!fate_.structure) return;
    std::string& content = nodes_[c.file].content;
    if (c.length_after < content.size()) content.resize(c.length_after);
    length_[c.file] = c.length_after;
  }
  void apply(const AttributesSet& c) { nodes_[c.node].attributes = c.attributes; }
  void apply(const Synced&) {}
  void apply(const SyncFailed&) {}
  void apply(const Marked&) {}

  std::vector<Node> nodes_;
  const Fates& fates_;
  std::vector<std::vector<bool>> there_;
  std::vector<std::uint64_t> length_;  // what the inode says; content may hold more, unseen
  std::size_t at_ = 0;
  Fate fate_;
};

bool changes_length(const Change& change) {
  if (const auto* write = std::get_if<Written>(&change)) {
    return write->length_before != write->length_after;
  }
  return std::holds_alternative<Resized>(change);
}

std::optional<NodeId> directory_of(const Change& change) {
  if (const auto* c = std::get_if<NameAdded>(&change)) return c->directory;
  if (const auto* c = std::get_if<NameRemoved>(&change)) return c->directory;
  if (const auto* c = std::get_if<NameMoved>(&change)) return c->directory;
  if (const auto* c = std::get_if<NamesExchanged>(&change)) return c->directory;
  return std::nullopt;
}

std::optional<NodeId> file_of(const Change& change) {
  if (const auto* c = std::get_if<Written>(&change)) return c->file;
  if (const auto* c = std::get_if<Resized>(&change)) return c->file;
  return std::nullopt;
}

/// Finds out what is uncertain after the first `point` changes.
class PendingFinder {
 public:
  PendingFinder(const std::vector<Change>& changes, std::size_t point) {
    for (std::size_t i = 0; i < point; ++i) take(changes[i], i);
  }

  /// Without files that have no name whatever happens: their content cannot be seen.
  Pending result(const std::vector<Node>& nodes, const std::vector<Change>& changes,
                 std::size_t point) const {
    const std::set<NodeId> visible = may_have_a_name(nodes, changes, point);
    Pending pending;
    for (const auto& [directory, names] : names_) {
      if (!names.empty()) pending.ordered.push_back(names);
    }
    for (const auto& [file, lengths] : lengths_) {
      if (!lengths.empty() && visible.contains(file)) pending.ordered.push_back(lengths);
    }
    for (const auto& [file, writes] : writes_) {
      if (!visible.contains(file)) continue;
      pending.writes.insert(pending.writes.end(), writes.begin(), writes.end());
    }
    std::ranges::sort(pending.writes);
    return pending;
  }

 private:
  void take(const Change& change, std::size_t i) {
    if (const auto directory = directory_of(change)) names_[*directory].push_back(i);
    if (const auto file = file_of(change)) {
      if (changes_length(change)) lengths_[*file].push_back(i);
      if (std::holds_alternative<Written>(change)) writes_[*file].push_back(i);
    }
    if (const auto* sync = std::get_if<Synced>(&change)) settle(sync->node);
    if (const auto* failed = std::get_if<SyncFailed>(&change)) doom(failed->node);
  }

  void settle(NodeId node) {
    names_[node].clear();
    lengths_[node].clear();
    std::erase_if(writes_[node], [&](std::size_t i) { return !doomed_.contains(i); });
  }

  /// The kernel marks the pages clean after a failed fsync: no later one writes them.
  void doom(NodeId node) { doomed_.insert(writes_[node].begin(), writes_[node].end()); }

  std::set<NodeId> may_have_a_name(const std::vector<Node>& nodes,
                                   const std::vector<Change>& changes, std::size_t point) const {
    Fates fates(point);
    for (const auto& [directory, names] : names_) {
      for (const std::size_t i : names) fates[i].structure = false;
    }
    std::set<NodeId> visible;
    for (const Node& node : Replay{nodes, changes, fates}.take()) {
      for (const auto& [name, id] : node.entries) visible.insert(id);
    }
    for (const auto& [directory, names] : names_) {
      for (const std::size_t i : names) {
        if (const auto* added = std::get_if<NameAdded>(&changes[i])) visible.insert(added->node);
      }
    }
    return visible;
  }

  std::map<NodeId, std::vector<std::size_t>> names_, lengths_, writes_;
  std::set<std::size_t> doomed_;
};

/// A directory for states, removed in the end.
class Workshop {
 public:
  Workshop() {
    std::string name = (fs::temp_directory_path() / "popper-states-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), name);
    }
    path_ = name;
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  ~Workshop() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  /// Valid until the next one.
  fs::path build(const std::vector<Node>& nodes, NodeId root) {
    const fs::path state = path_ / "state";
    fs::remove_all(state);
    first_name_.clear();
    build_node(nodes, root, state);
    return state;
  }

 private:
  void build_node(const std::vector<Node>& nodes, NodeId id, const fs::path& path) {
    const Node& node = nodes[id];
    if (node.kind == NodeKind::symlink) return fs::create_symlink(node.content, path);
    if (node.kind == NodeKind::directory) {
      fs::create_directory(path);
      for (const auto& [name, entry] : node.entries) build_node(nodes, entry, path / name);
      return set_attributes(node, path);
    }
    const auto [known, is_new] = first_name_.try_emplace(id, path);
    if (!is_new) return fs::create_hard_link(known->second, path);
    std::ofstream out{path, std::ios::binary};
    out.write(node.content.data(), static_cast<std::streamsize>(node.content.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot build " + path.native());
    set_attributes(node, path);
  }

  static void set_attributes(const Node& node, const fs::path& path) {
    const Attributes& a = node.attributes;
    const bool given = ::geteuid() != 0 || ::chown(path.c_str(), a.owner, a.group) == 0;
    if (!given || ::chmod(path.c_str(), a.mode & 07777) != 0) {
      throw std::system_error(errno, std::generic_category(), path);
    }
  }

  fs::path path_;
  std::map<NodeId, fs::path> first_name_;
};

void describe_tree(const std::vector<Node>& nodes, NodeId id, std::string& text) {
  const Node& node = nodes[id];
  text += std::to_string(static_cast<int>(node.kind)) + " " + std::to_string(id) + " " +
          std::to_string(node.attributes.mode) + " " + std::to_string(node.attributes.owner) + " " +
          std::to_string(node.attributes.group) + " " + std::to_string(node.content.size()) + " " +
          node.content;
  for (const auto& [name, entry] : node.entries) {
    text += "/" + name + " ";
    describe_tree(nodes, entry, text);
  }
  text += ".";
}

std::string describe_change(const Change& change) {
  const auto range = [](std::uint64_t offset, std::uint64_t size) {
    return std::to_string(offset) + "+" + std::to_string(size);
  };
  if (const auto* c = std::get_if<NameAdded>(&change)) return "name " + c->name;
  if (const auto* c = std::get_if<NameRemoved>(&change)) return "removal of " + c->name;
  if (const auto* c = std::get_if<NameMoved>(&change)) return "rename " + c->from + " to " + c->to;
  if (const auto* c = std::get_if<NamesExchanged>(&change)) {
    return "exchange " + c->one + " and " + c->other;
  }
  if (const auto* c = std::get_if<Written>(&change)) {
    return "write " + range(c->offset, c->bytes.size());
  }
  if (const auto* c = std::get_if<Resized>(&change)) {
    return "length " + std::to_string(c->length_before) + " to " + std::to_string(c->length_after);
  }
  return "";
}

std::string describe_fates(const std::vector<Change>& changes, const Fates& fates) {
  std::string text;
  for (std::size_t i = 0; i < fates.size(); ++i) {
    const bool torn = std::holds_alternative<Written>(changes[i]) && fates[i].data != Data::all;
    if (fates[i].ended_after) {
      text += describe_change(changes[i]) + " ended after " +
              std::to_string(*fates[i].ended_after) + " bytes";
    }
    if (fates[i].structure && !torn) continue;
    text += text.empty() ? "" : "; ";
    text += "#" + std::to_string(i + 1) + " " + describe_change(changes[i]);
    if (!torn) text += changes_length(changes[i]) ? " length lost" : " lost";
    if (!torn) continue;
    constexpr std::array names{" data lost", "", " second half lost", " first half lost",
                               " sectors lost"};
    text += names[std::min<std::uint64_t>(static_cast<std::uint64_t>(fates[i].data), 4)];
    if (!fates[i].structure) text += ", length lost";
  }
  return text.empty() ? "nothing lost" : text;
}

/// Builds and visits states, each once.
class Visitor {
 public:
  Visitor(const std::vector<Node>& nodes, const std::vector<Change>& changes, NodeId root,
          const SimulatedDisk::Visit& visit)
      : nodes_{nodes}, changes_{changes}, root_{root}, visit_{visit} {}

  void visit(const Fates& fates) {
    const std::vector<Node> tree = Replay{nodes_, changes_, fates}.take();
    const std::vector<std::string> marks = marks_before(fates.size());
    std::string key = std::to_string(marks.size()) + " ";
    describe_tree(tree, root_, key);
    if (!seen_.insert(std::hash<std::string>{}(key)).second) return;
    ++visited_;
    visit_({.root = workshop_.build(tree, root_),
            .changes = fates.size(),
            .marks = marks,
            .description = "after change " + std::to_string(fates.size()) + ": " +
                           describe_fates(changes_, fates)});
  }

  [[nodiscard]] std::size_t visited() const { return visited_; }

 private:
  std::vector<std::string> marks_before(std::size_t point) const {
    std::vector<std::string> marks;
    for (std::size_t i = 0; i < point; ++i) {
      if (const auto* marked = std::get_if<Marked>(&changes_[i])) marks.push_back(marked->word);
    }
    return marks;
  }

  const std::vector<Node>& nodes_;
  const std::vector<Change>& changes_;
  NodeId root_;
  const SimulatedDisk::Visit& visit_;
  Workshop workshop_;
  std::unordered_set<std::size_t> seen_;
  std::size_t visited_ = 0;
};

/// Walks through the states of one point.
class PointStates {
 public:
  PointStates(const std::vector<Change>& changes, Pending pending, std::size_t point,
              Visitor& visitor)
      : changes_{changes}, pending_{std::move(pending)}, point_{point}, visitor_{visitor} {
    for (const auto& list : pending_.ordered) kept_.push_back(list.size());
    for (const std::size_t i : pending_.writes) {
      const Written& write = std::get<Written>(changes_[i]);
      options_.push_back(write.bytes.empty() ? 1 : spans_sectors(write) ? 4 : 2);
    }
    data_.assign(pending_.writes.size(), Data::all);
  }

  void walk(const CrashLimits& limits) {
    if (possible() <= limits.states_per_point) {
      walk_all();
    } else {
      walk_telling(limits.states_per_point);
      walk_random(limits);
    }
  }

 private:
  [[nodiscard]] std::uint64_t possible() const {
    std::uint64_t product = 1;
    const auto times = [&](std::uint64_t n) {
      constexpr std::uint64_t enough = std::numeric_limits<std::uint32_t>::max();
      product = std::min(enough, product * n);
    };
    for (const auto& list : pending_.ordered) times(list.size() + 1);
    for (const std::uint64_t n : options_) times(n);
    return product;
  }

  void emit() {
    Fates fates(point_);
    for (std::size_t d = 0; d < kept_.size(); ++d) {
      for (std::size_t k = kept_[d]; k < pending_.ordered[d].size(); ++k) {
        fates[pending_.ordered[d][k]].structure = false;
      }
    }
    for (std::size_t w = 0; w < data_.size(); ++w) fates[pending_.writes[w]].data = data_[w];
    visitor_.visit(fates);
    ++emitted_;
  }

  void walk_all() {
    set_structure(0);
    set_data(Data::none);
    do {
      emit();
    } while (advance());
  }

  /// Counts up like an odometer; false after the last.
  bool advance() {
    for (std::size_t d = 0; d < kept_.size(); ++d) {
      if (kept_[d]++ < pending_.ordered[d].size()) return true;
      kept_[d] = 0;
    }
    for (std::size_t w = 0; w < data_.size(); ++w) {
      const std::uint64_t next = static_cast<std::uint64_t>(data_[w]) + 1;
      data_[w] = static_cast<Data>(next < options_[w] ? next : 0);
      if (next < options_[w]) return true;
    }
    return false;
  }

  void set_structure(std::size_t at_most) {
    for (std::size_t d = 0; d < kept_.size(); ++d) {
      kept_[d] = std::min(at_most, pending_.ordered[d].size());
    }
  }
  void set_data(Data data) { std::ranges::fill(data_, data); }
  static constexpr std::size_t whole = std::numeric_limits<std::size_t>::max();

  void walk_telling(std::size_t cap) {
    cap_ = cap;
    for (const Data rest : {Data::all, Data::none}) {
      for (const std::size_t names : {whole, std::size_t{0}}) {
        set_structure(names);
        set_data(rest);
        emit_within_cap();
        walk_single_writes(rest);
      }
    }
    for (const Data data : {Data::all, Data::none}) {
      set_data(data);
      walk_single_orders();
      walk_pairs_of_orders();
    }
  }

  void emit_within_cap() {
    if (emitted_ < cap_) emit();
  }

  void walk_single_writes(Data rest) {
    for (std::size_t w = 0; w < data_.size(); ++w) {
      for (std::uint64_t option = 0; option < options_[w]; ++option) {
        data_[w] = static_cast<Data>(option);
        if (data_[w] != rest) emit_within_cap();
      }
      data_[w] = rest;
    }
  }

  void walk_single_orders() {
    for (const std::size_t others : {whole, std::size_t{0}}) {
      for (std::size_t d = 0; d < kept_.size(); ++d) {
        set_structure(others);
        for (std::size_t k = 0; k <= pending_.ordered[d].size(); ++k) {
          kept_[d] = k;
          emit_within_cap();
        }
      }
    }
  }

  void walk_pairs_of_orders() {
    for (std::size_t a = 0; a < kept_.size(); ++a) {
      for (std::size_t b = a + 1; b < kept_.size(); ++b) {
        set_structure(whole);
        for (kept_[a] = 0; kept_[a] <= pending_.ordered[a].size(); ++kept_[a]) {
          for (kept_[b] = 0; kept_[b] <= pending_.ordered[b].size(); ++kept_[b]) emit_within_cap();
        }
      }
    }
  }

  void walk_random(const CrashLimits& limits) {
    std::mt19937_64 random{mixed(limits.seed, point_)};
    while (emitted_ < cap_) {
      for (std::size_t d = 0; d < kept_.size(); ++d) {
        kept_[d] = random() % (pending_.ordered[d].size() + 1);
      }
      for (Data& data : data_) data = static_cast<Data>(random_data(random));
      emit();
    }
  }

  static std::uint64_t random_data(std::mt19937_64& random) {
    const std::uint64_t option = random() % 5;
    const auto scattered = static_cast<std::uint64_t>(Data::scattered);
    return option < scattered ? option : std::max(scattered, random());
  }

  const std::vector<Change>& changes_;
  Pending pending_;
  std::size_t point_;
  Visitor& visitor_;
  std::vector<std::size_t> kept_;       // of pending_.ordered
  std::vector<Data> data_;              // of pending_.writes
  std::vector<std::uint64_t> options_;  // how many values of Data make a difference
  std::size_t emitted_ = 0;
  std::size_t cap_ = 0;
};

}  // namespace

NodeId CrashLog::add(Node node) {
  nodes_.push_back(std::move(node));
  return nodes_.size() - 1;
}

std::size_t CrashLog::for_each_crash_state(const CrashLimits& limits,
                                           const SimulatedDisk::Visit& visit) const {
  Visitor visitor{nodes_, changes_, root_, visit};
  for (std::size_t point = 0; point <= changes_.size(); ++point) {
    const PendingFinder finder{changes_, point};
    PointStates{changes_, finder.result(nodes_, changes_, point), point, visitor}.walk(limits);
  }
  return visitor.visited();
}

std::size_t CrashLog::for_each_kill_state(const SimulatedDisk::Visit& visit) const {
  Visitor visitor{nodes_, changes_, root_, visit};
  visitor.visit({});
  for (std::size_t point = 1; point <= changes_.size(); ++point) {
    Fates fates(point);
    if (const auto* write = std::get_if<Written>(&changes_[point - 1])) {
      fates.back().ended_after = write->bytes.size() / 2;
      visitor.visit(fates);
      fates.back().ended_after.reset();
    }
    visitor.visit(fates);
  }
  return visitor.visited();
}

}  // namespace pop::test
