#include "base/file_replacement.h"

#include <unistd.h>

namespace pop {
namespace {

Result<void> write_beside(Disk& disk, const Replacement& to, const std::string& beside,
                          std::string_view content) {
  Result<Fd> file = disk.open(to.directory, beside, O_WRONLY | O_CREAT | O_EXCL, to.mode);
  if (!file) return std::unexpected(file.error());
  if (Result<void> mode = disk.set_mode(*file, to.mode); !mode) return mode;  // whatever the umask
  if (Result<void> written = disk.write(*file, content, {0}); !written) return written;
  if (to.durability == Durability::durable) {
    if (Result<void> synced = disk.sync(*file); !synced) return synced;
  }
  return file->close();
}

}  // namespace

Result<void> replace_file(Disk& disk, const Replacement& to, std::string_view content) {
  const std::string beside = to.name + ".new." + std::to_string(::getpid());
  // Left by an earlier process of the same number that was killed here; nobody else uses it.
  (void)disk.remove(to.directory, beside);
  Result<void> done = write_beside(disk, to, beside, content);
  if (done) done = disk.rename(to.directory, beside, to.name);
  if (!done) {
    (void)disk.remove(to.directory, beside);
    return std::unexpected(std::move(done).error().in("replace " + to.name));
  }
  if (to.durability == Durability::just_whole) return {};
  return disk.sync_directory(to.directory);
}

}  // namespace pop
