#include "store/conversion_files.h"

#include <vector>

#include "base/flock.h"
#include "base/text.h"
#include "store/file_pieces.h"
#include "store/session_lock.h"

namespace pop {
namespace {

constexpr int deepest = 3;  // the Maildir, tmp, and what somebody made in it

Result<void> remove_tree(Disk& disk, int above, const std::string& name, int depth) {
  const Result<FileStatus> status = disk.status(above, name);
  if (!status && status.error().code == Errc::not_found) return {};
  if (!status) return std::unexpected(status.error());
  if (!status->is_directory()) return disk.remove(above, name);
  if (depth == 0) return fail(Errc::busy, name + " holds more directories than expected");
  const Result<Fd> directory = disk.open(above, name, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  std::vector<std::string> names;
  Result<void> done = disk.list(directory->get(),
                                [&](const ListedName& listed) { names.emplace_back(listed.name); });
  for (const std::string& each : names) {
    if (done) done = remove_tree(disk, directory->get(), each, depth - 1);
  }
  return done ? disk.remove_directory(above, name) : done;
}

}  // namespace

ConversionFiles ConversionFiles::of(const MaildropLocation& location) {
  const std::string prefix = "." + location.spool.name + ".convert.";
  return {.build = location.spool.sibling(prefix + "new"),
          .mbox = location.spool.sibling(prefix + "mbox"),
          .prefix = prefix};
}

Result<std::optional<ConversionFiles::Sized>> ConversionFiles::find_sized(Disk& disk) const {
  std::optional<Sized> found;
  const Result<void> listed = disk.list(build.directory(), [&](const ListedName& name) {
    if (!name.name.starts_with(prefix)) return;
    const std::optional<std::uint64_t> size = decimal(name.name.substr(prefix.size()));
    if (size) found = Sized{build.sibling(std::string{name.name}), FileBytes{*size}};
  });
  if (!listed) return std::unexpected(listed.error());
  if (!found) return std::nullopt;
  const Result<FileStatus> status = disk.status(found->place.directory(), found->place.name);
  if (!status) return std::unexpected(status.error());
  found->is_directory = status->is_directory();
  return found;
}

Result<void> remove_build(const MaildropContext& context, const ConversionFiles& files,
                          const FilePlace& lock, const MailUser& user) {
  const Result<FileStatus> there = context.disk.status(files.build.directory(), files.build.name);
  if (!there && there.error().code == Errc::not_found) return {};
  if (!there) return std::unexpected(there.error());
  const Result<SessionLock> session = SessionLock::acquire(context, lock, user);
  if (!session) return std::unexpected(session.error());
  return remove_all_of(context.disk, files.build);
}

Result<void> claim(const Fd& directory, const FilePlace& place) {
  const Result<Flock> locked = try_flock(directory);
  if (!locked) return std::unexpected(locked.error());
  if (*locked == Flock::taken) return {};
  return fail(Errc::busy, place.path() + ": another conversion is at work");
}

Result<void> FileCopies::trash(const FilePlace& from, const FilePlace& to) const {
  return copy(from, to, Exposure::not_accessible_by_others);
}

Result<void> FileCopies::retrievals(const FilePlace& from, const FilePlace& to) const {
  return copy(from, to, Exposure::not_writable_by_others);
}

Result<void> FileCopies::copy(const FilePlace& from, const FilePlace& to, Exposure exposure) const {
  const Result<void> removed = disk_.remove(to.directory(), to.name);
  if (!removed && removed.error().code != Errc::not_found) return removed;
  const Result<Fd> source = open_mail_file(disk_, from, O_RDONLY, owner_, exposure);
  if (!source && source.error().code == Errc::not_found) return {};
  if (!source) return std::unexpected(source.error());
  const Result<FileStatus> status = disk_.status(*source);
  if (!status) return std::unexpected(status.error());
  const Result<Fd> target = disk_.open(to.directory(), to.name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!target) return std::unexpected(target.error());
  Result<void> copied =
      copy_and_sync(disk_, *source, *target, {.from = {0}, .to = {0}, .count = status->size},
                    [] { return Result<void>{}; });
  return copied ? disk_.sync(*target) : copied;
}

Result<void> remove_all_of(Disk& disk, int directory, const std::string& name) {
  return remove_tree(disk, directory, name, deepest);
}

}  // namespace pop
