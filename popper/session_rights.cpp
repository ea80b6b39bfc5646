#include "popper/session_rights.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "popper/landlock.h"

namespace pop {
namespace {

// Libraries that are loaded when first needed, NSS and the C library's data.
constexpr std::array<std::string_view, 4> system_trees{"/etc", "/usr", "/lib", "/lib64"};

// An account without a home may be said to live in the root directory, which would allow all.
void add_tree(std::vector<std::filesystem::path>& trees, const std::filesystem::path& tree) {
  if (!tree.is_absolute() || tree == tree.root_path()) return;
  if (std::ranges::find(trees, tree) == trees.end()) trees.push_back(tree);
}

TreeRoot root_of(const std::filesystem::path& tree) {
  struct stat st {};
  if (::stat(tree.c_str(), &st) != 0) return {};
  return {st.st_dev, st.st_ino};
}

// The spool directory as a whole, not the user's own files in it: spool, index, lock files and
// dotlocks of other programs come anew and are renamed during a session, and the kernel knows rules
// for directories and for files that are there, none for names. So permissions decide in it.
std::vector<std::filesystem::path> writable_trees(const Account& account,
                                                  const Settings& settings) {
  const auto common_part = [&](const std::filesystem::path& path) {
    return account.is_virtual ? user_independent_part(path, account.name) : path;
  };
  std::vector<std::filesystem::path> trees;
  add_tree(trees, settings.spool_dir);
  add_tree(trees, settings.temp_dir);
  add_tree(trees, settings.cache_dir);
  add_tree(trees, settings.popbulldir);
  add_tree(trees, common_part(account.home));
  if (!account.maildrop.empty()) add_tree(trees, common_part(account.maildrop.parent_path()));
  return trees;
}

}  // namespace

std::filesystem::path user_independent_part(const std::filesystem::path& path,
                                            std::string_view user) {
  const std::string_view local_part = user.substr(0, user.find('@'));
  std::filesystem::path rest = path;
  if (!rest.has_filename()) rest = rest.parent_path();  // "/home/jo/"
  while (rest.filename() == user || rest.filename() == local_part) {
    if (rest.parent_path() == rest.root_path()) break;
    rest = rest.parent_path();
  }
  return rest;
}

Result<SessionRights> session_rights(const Account& account, const Settings& settings) {
  Result<Identity> identity = session_identity(account, settings);
  if (!identity) return std::unexpected(std::move(identity).error());
  SessionRights rights{std::move(*identity), writable_trees(account, settings), {}};
  for (const std::string_view tree : system_trees) rights.readable.emplace_back(tree);
  add_tree(rights.readable, settings.bulldir);
  return rights;
}

std::vector<TreeRoot> roots_of(const SessionRights& rights) {
  std::vector<TreeRoot> roots;
  for (const auto* trees : {&rights.writable, &rights.readable}) {
    for (const std::filesystem::path& tree : *trees) roots.push_back(root_of(tree));
  }
  return roots;
}

Result<void> enter_rights(const SessionRights& rights, const SessionFilter& filter) {
  if (Result<void> done = become(rights.identity); !done) return done;
  if (Result<void> done = enter_landlock({rights.writable, rights.readable}); !done) return done;
  return filter.enter();
}

void log_missing_confinement(Log& log) {
  if (landlock_version() > 0) return;
  log.sentence(Severity::notice,
               "this kernel has no Landlock, or one before Linux 5.19: what sessions may reach is "
               "decided by file permissions alone");
}

}  // namespace pop
