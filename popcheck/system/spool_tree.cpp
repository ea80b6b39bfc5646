#include "popcheck/system/spool_tree.h"

#include <algorithm>

namespace pop {
namespace {

namespace fs = std::filesystem;

bool is_hash_name(std::string_view name) {
  return name.size() == 1 && name != ".";
}

bool is_directory(const HostView& view, const fs::path& path) {
  const Result<struct stat> st = view.link_status(path);
  return st && S_ISDIR(st->st_mode);
}

std::vector<fs::path> hash_directories_in(const HostView& view, const fs::path& above) {
  std::vector<fs::path> found;
  for (const std::string& name : view.names(above)) {
    if (is_hash_name(name) && is_directory(view, above / name)) found.push_back(above / name);
  }
  return found;
}

}  // namespace

std::vector<fs::path> hash_directories(const HostView& view, const fs::path& top,
                                       std::int64_t method) {
  if (method == 0) return {};
  std::vector<fs::path> found = hash_directories_in(view, top);
  if (method == 1) return found;
  for (std::size_t outer = 0, count = found.size(); outer < count; ++outer) {
    for (fs::path& inner : hash_directories_in(view, fs::path{found[outer]})) {
      found.push_back(std::move(inner));
    }
  }
  return found;
}

void visit_spool_tree(const HostView& view, const fs::path& top, std::int64_t method,
                      const std::function<void(const SpoolTreeEntry&)>& visit) {
  std::vector<fs::path> places = hash_directories(view, top, method);
  const std::vector<fs::path> hashed = places;
  places.insert(places.begin(), top);
  for (const fs::path& place : places) {
    for (const std::string& name : view.names(place)) {
      const fs::path path = place / name;
      const Result<struct stat> st = view.link_status(path);
      if (!st) continue;
      if (S_ISDIR(st->st_mode) && std::ranges::find(hashed, path) != hashed.end()) continue;
      visit({path, name, *st});
    }
  }
}

}  // namespace pop
