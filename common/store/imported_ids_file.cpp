#include "store/imported_ids_file.h"

#include <string>

#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::uint64_t largest_file = std::uint64_t{1024} * 1024 * 1024;

Result<std::string> content_of(Disk& disk, const Fd& file) {
  const Result<FileStatus> status = disk.status(file);
  if (!status) return std::unexpected(status.error());
  if (status->size.count > largest_file) return fail(Errc::limit, "too large");
  std::string content(status->size.count, '\0');
  const Result<std::size_t> got = disk.read(file, content, {0});
  if (!got) return std::unexpected(got.error());
  content.resize(*got);
  return content;
}

}  // namespace

Result<std::shared_ptr<const ImportedIds>> load_imported_ids(Disk& disk, const FilePlace& place,
                                                             uid_t owner) {
  Result<Fd> file = open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  for (int tries = 0; !file && file.error().code == Errc::changed && tries < 3; ++tries) {
    file = open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  }
  if (!file && file.error().code == Errc::not_found) return nullptr;
  if (!file) return std::unexpected(std::move(file).error().in("read the imported unique-ids"));
  const Result<std::string> content = content_of(disk, *file);
  if (!content) return std::unexpected(Error{content.error()}.in("read " + place.path()));
  return std::make_shared<const ImportedIds>(ImportedIds::parse(*content));
}

}  // namespace pop
