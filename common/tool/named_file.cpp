#include "tool/named_file.h"

#include <sys/stat.h>

#include <filesystem>

#include "base/file_replacement.h"

namespace pop {

namespace {

mode_t mode_of_output(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0) return st.st_mode & 0777U;
  const mode_t mask = ::umask(0077);  // there is no way to ask without setting it
  (void)::umask(mask);
  return 0666U & ~mask;
}

}  // namespace

Result<void> replace_named_file(Disk& disk, const std::string& path, std::string_view content,
                                Readers readers) {
  const std::filesystem::path whole = std::filesystem::absolute(path);
  const Result<Fd> directory = open_directory(whole.parent_path().native());
  if (!directory) return std::unexpected(directory.error());
  Result<void> replaced =
      replace_file(disk,
                   {.directory = directory->get(),
                    .name = whole.filename().native(),
                    .mode = readers == Readers::owner ? 0600 : mode_of_output(whole.native())},
                   content);
  if (!replaced) return std::unexpected(std::move(replaced).error().in("write " + path));
  return {};
}

}  // namespace pop
