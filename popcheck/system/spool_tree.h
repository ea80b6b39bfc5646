#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "popcheck/system/host_view.h"

namespace pop {

/// One name below a spool directory.
struct SpoolTreeEntry {
  std::filesystem::path path;
  std::string name;
  struct stat st;  // of the name itself
};

/// The directories that hash-spool `method` makes below `top`, the inner ones of method 2 only
/// where they can belong to the outer ones.
[[nodiscard]] std::vector<std::filesystem::path> hash_directories(const HostView& view,
                                                                  const std::filesystem::path& top,
                                                                  std::int64_t method);

/// Everything that lies where spools or the files beside them do: in `top` itself and in its hash
/// directories, without these. Names that go away meanwhile are left out.
void visit_spool_tree(const HostView& view, const std::filesystem::path& top, std::int64_t method,
                      const std::function<void(const SpoolTreeEntry&)>& visit);

}  // namespace pop
