#include "popper/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/fd.h"

namespace pop {
namespace {

// What the C library's headers may be too old to name.
constexpr std::uint64_t access_truncate = 1ULL << 14;      // version 3
constexpr std::uint64_t access_device_ioctl = 1ULL << 15;  // version 5
constexpr std::uint64_t net_bind_tcp = 1ULL << 0;          // version 4
constexpr std::uint64_t net_connect_tcp = 1ULL << 1;
constexpr std::uint64_t scope_abstract_socket = 1ULL << 0;  // version 6

struct RulesetAttributes {
  std::uint64_t handled_fs, handled_net, scoped;
};

constexpr int oldest_usable = 2;

constexpr std::uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

std::uint64_t writing_in(int version) {
  return writing | (version >= 3 ? access_truncate : 0);
}

RulesetAttributes attributes_of(int version) {
  RulesetAttributes attributes{reading | writing_in(version) | never, 0, 0};
  if (version >= 5) attributes.handled_fs |= access_device_ioctl;
  if (version >= 4) attributes.handled_net = net_bind_tcp | net_connect_tcp;
  // Not signals: the system call filter leaves none but one, and that sessions send to each other.
  if (version >= 6) attributes.scoped = scope_abstract_socket;
  return attributes;
}

// A kernel refuses attributes that it does not know, so it is given no more than it does.
std::size_t attribute_size_of(int version) {
  if (version >= 6) return sizeof(RulesetAttributes);
  return version >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
}

Result<void> allow(const Fd& ruleset, const std::filesystem::path& tree, std::uint64_t access) {
  const Fd directory{::open(tree.c_str(), O_PATH | O_CLOEXEC)};
  if (!directory.is_open()) return {};  // nor could it be used
  const landlock_path_beneath_attr rule{access, directory.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    const int saved = errno;
    return fail_errno(saved, "confine to " + tree.native());
  }
  return {};
}

}  // namespace

int landlock_version() {
  static const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < oldest_usable ? 0 : static_cast<int>(version);
}

Result<void> enter_landlock(const LandlockRules& rules) {
  const int version = landlock_version();
  if (version == 0) return {};
  const RulesetAttributes attributes = attributes_of(version);
  const Fd ruleset{static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &attributes, attribute_size_of(version), 0))};
  if (!ruleset.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "make confinement rules");
  }
  for (const std::filesystem::path& tree : rules.writable) {
    if (Result<void> done = allow(ruleset, tree, reading | writing_in(version)); !done) return done;
  }
  for (const std::filesystem::path& tree : rules.readable) {
    if (Result<void> done = allow(ruleset, tree, reading); !done) return done;
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    const int saved = errno;
    return fail_errno(saved, "enter the confinement");
  }
  return {};
}

}  // namespace pop
