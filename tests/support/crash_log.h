#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "support/simulated_disk.h"

namespace pop::test {

/// A file, directory or symbolic link of the simulated tree; also after its last name has gone.
using NodeId = std::size_t;
enum class NodeKind : std::uint8_t { file, directory, symlink };
struct Attributes {
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
};
struct Node {
  NodeKind kind = NodeKind::file;
  Attributes attributes;
  std::string content;                    // of a file; target of a symbolic link
  std::map<std::string, NodeId> entries;  // of a directory
};

// What may become of a tree, one step each.
struct NameAdded { NodeId directory; std::string name; NodeId node; };
struct NameRemoved {
  NodeId directory;
  std::string name;
  std::optional<std::size_t> only_after{};  // the change that gave the file its other name
};
struct NameMoved { NodeId directory; std::string from, to; };
struct NamesExchanged { NodeId directory; std::string one, other; };
struct Written { NodeId file; std::uint64_t offset; std::string bytes; std::uint64_t length_before, length_after; };
struct Resized { NodeId file; std::uint64_t length_before, length_after; };
struct Synced { NodeId node; };
struct SyncFailed { NodeId node; };
struct AttributesSet { NodeId node; Attributes attributes; };
struct Marked { std::string word; };
using Change = std::variant<NameAdded, NameRemoved, NameMoved, NamesExchanged, Written, Resized,
                            Synced, SyncFailed, AttributesSet, Marked>;

/// The history of a tree and the states that a crash at any point of it may leave. Knows nothing of
/// the real files except that it builds states from what it remembers.
class CrashLog {
 public:
  /// Nodes that exist from the beginning hold their durable content; later ones begin empty.
  NodeId add(Node node);
  [[nodiscard]] Node& initial(NodeId id) { return nodes_[id]; }
  void set_root(NodeId root) { root_ = root; }
  /// Returns the change's place in the log.
  std::size_t append(Change change) {
    changes_.push_back(std::move(change));
    return changes_.size() - 1;
  }

  std::size_t for_each_crash_state(const CrashLimits& limits,
                                   const SimulatedDisk::Visit& visit) const;
  std::size_t for_each_kill_state(const SimulatedDisk::Visit& visit) const;

 private:
  std::vector<Node> nodes_;
  std::vector<Change> changes_;
  NodeId root_ = 0;
};

}  // namespace pop::test
