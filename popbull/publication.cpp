#include "popbull/publication.h"

#include <algorithm>

namespace pop {
namespace {

constexpr std::size_t longest_title = 40;
constexpr std::size_t number_width = 5;
constexpr mode_t readable_for_all = 0644;

bool may_stand_in_title(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

Result<void> write_new(Disk& disk, const FilePlace& beside, std::string_view content) {
  const auto flags = O_WRONLY | O_CREAT | O_EXCL;
  Result<Fd> file = disk.open(beside.directory(), beside.name, flags, readable_for_all);
  if (!file) return std::unexpected(std::move(file).error());
  Result<void> done = disk.set_mode(*file, readable_for_all);  // whatever the umask
  if (done) done = disk.write(*file, content, {0});
  if (done) done = disk.sync(*file);
  return done ? file->close() : done;
}

}  // namespace

std::string title_of(std::string_view text) {
  std::string title;
  for (const char c : text) {
    if (may_stand_in_title(c)) {
      title += c;
    } else if (!title.empty() && title.back() != '_') {
      title += '_';
    }
  }
  title.resize(std::min(title.size(), longest_title));
  while (title.ends_with('_')) title.pop_back();
  return title.empty() ? "bulletin" : title;
}

BulletinName new_name(std::uint64_t number, const NewBulletin& bulletin) {
  std::string digits = std::to_string(number);
  digits.insert(0, number_width - std::min(number_width, digits.size()), '0');
  return {number, digits + "." + bulletin.group + "." + bulletin.title, bulletin.group};
}

Result<BulletinName> put_bulletin(Disk& disk, const BulletinDirectory& directory,
                                  const BulletinLock& lock, std::uint64_t number,
                                  const NewBulletin& bulletin) {
  BulletinName name = new_name(number, bulletin);
  const FilePlace beside = directory.place(".new");
  // Left by a process that was killed here: who holds the lock is alone.
  (void)disk.remove(beside.directory(), beside.name);
  Result<void> done = directory.note_number(lock, number);
  if (done) done = write_new(disk, beside, bulletin.content);
  if (done) done = disk.move(beside.directory(), beside.name, beside.directory(), name.file);
  if (!done) {
    (void)disk.remove(beside.directory(), beside.name);
    return std::unexpected(std::move(done).error().in("publish " + name.file));
  }
  if (Result<void> synced = disk.sync_directory(beside.directory()); !synced) {
    return std::unexpected(std::move(synced).error());
  }
  return name;
}

}  // namespace pop
