#include "tool/named_file.h"

#include <filesystem>

#include "base/file_replacement.h"

namespace pop {

Result<void> replace_named_file(Disk& disk, const std::string& path, std::string_view content) {
  const std::filesystem::path whole = std::filesystem::absolute(path);
  const Result<Fd> directory = open_directory(whole.parent_path().native());
  if (!directory) return std::unexpected(directory.error());
  Result<void> replaced = replace_file(
      disk, {.directory = directory->get(), .name = whole.filename().native()}, content);
  if (!replaced) return std::unexpected(std::move(replaced).error().in("write " + path));
  return {};
}

}  // namespace pop
