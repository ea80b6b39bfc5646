#include "popspool/export_destination.h"

#include <unistd.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "base/text.h"
#include "popspool/export_writer.h"

namespace pop {
namespace {

std::string build_name(const std::string& name) {
  return "." + name + ".export." + std::to_string(::getpid());
}

std::string manifest_name(const std::string& name) {
  return name + ".manifest";
}

/// Everything below an open directory, links not followed.
Result<void> clear(Disk& disk, const Fd& directory, int depth) {
  std::vector<std::string> names;
  Result<void> done = disk.list(directory.get(),
                                [&](const ListedName& listed) { names.emplace_back(listed.name); });
  for (const std::string& name : names) {
    if (!done) return done;
    const Result<FileStatus> status = disk.status(directory.get(), name);
    if (!status) return std::unexpected(status.error());
    if (!status->is_directory() || depth == 0) {
      done = disk.remove(directory.get(), name);
      continue;
    }
    const Result<Fd> below = disk.open(directory.get(), name, O_RDONLY | O_DIRECTORY);
    if (!below) return std::unexpected(below.error());
    done = clear(disk, *below, depth - 1);
    if (done) done = disk.remove_directory(directory.get(), name);
  }
  return done;
}

Result<void> remove_tree(Disk& disk, const Fd& above, const std::string& name) {
  const Result<Fd> directory = disk.open(above.get(), name, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  Result<void> done = clear(disk, *directory, 2);  // the Maildir and what is in it
  return done ? disk.remove_directory(above.get(), name) : done;
}

}  // namespace

Result<ExportDestination> ExportDestination::open(Disk& disk, const std::string& to,
                                                  ExportFormat format, bool is_for_one) {
  const std::filesystem::path path{to};
  std::error_code error;
  const bool is_directory = std::filesystem::is_directory(path, error);
  if (!is_directory && !is_for_one) {
    return fail(Errc::usage, "--to " + escaped(to) +
                                 ": is no directory, which is needed for more than one target");
  }
  const std::string name = is_directory ? "" : path.filename().native();
  if (!is_directory && name.empty()) {
    return fail(Errc::usage, "--to " + escaped(to) + ": there is no such directory");
  }
  const std::filesystem::path above = is_directory             ? path
                                      : path.has_parent_path() ? path.parent_path()
                                                               : ".";
  Result<Fd> directory = open_directory(above.native());
  if (!directory) return std::unexpected(std::move(directory).error());
  return ExportDestination{disk, format, std::move(*directory), above.native(), name};
}

ExportDestination::ExportDestination(Disk& disk, ExportFormat format, Fd directory,
                                     std::string directory_path, std::string name)
    : disk_{&disk},
      format_{format},
      directory_{std::move(directory)},
      directory_path_{std::move(directory_path)},
      name_{std::move(name)} {}

std::string ExportDestination::name_for(const MailTarget& target) const {
  if (!name_.empty()) return name_;
  if (format_ == ExportFormat::maildir) return target.user.name;
  return target.user.name + (format_ == ExportFormat::tar ? ".tar" : ".mbox");
}

std::string ExportDestination::path(const MailTarget& target) const {
  return (std::filesystem::path{directory_path_} / name_for(target)).native();
}

Result<void> ExportDestination::refuse_taken(const std::string& name) const {
  const Result<FileStatus> there = disk_->status(directory_.get(), name);
  if (!there && there.error().code == Errc::not_found) return {};
  if (!there) return std::unexpected(there.error());
  return fail(Errc::usage, (std::filesystem::path{directory_path_} / name).native() +
                               " is there already, and nothing is overwritten");
}

Result<Fd> ExportDestination::begin(const MailTarget& target, RunMode mode) {
  const std::string name = name_for(target), build = build_name(name);
  Result<void> done = refuse_taken(name);
  if (done && format_ == ExportFormat::mbox) done = refuse_taken(manifest_name(name));
  if (!done) return std::unexpected(std::move(done).error());
  if (mode == RunMode::dry_run) return Fd{};
  done = disk_->make_directory(directory_.get(), build, 0700);
  if (!done) return std::unexpected(std::move(done).error());
  names_[target.name] = name;
  Result<Fd> directory = disk_->open(directory_.get(), build, O_RDONLY | O_DIRECTORY);
  if (directory && target.identity) {
    done = disk_->set_owner(*directory, target.user.uid, target.user.gid);
    if (!done) directory = std::unexpected(std::move(done).error());
  }
  if (!directory) (void)conclude(target.name, false);
  return directory;
}

Result<void> ExportDestination::conclude(const std::string& target, bool is_whole) {
  const auto under_way = names_.find(target);
  if (under_way == names_.end()) return {};
  const std::string name = under_way->second, build = build_name(name);
  names_.erase(under_way);
  const Result<void> placed = is_whole ? put_in_place(build, name) : Result<void>{};
  Result<void> cleared = remove_tree(*disk_, directory_, build);
  return placed ? cleared : placed;
}

/// The manifest first: an mbox that is there has its manifest.
Result<void> ExportDestination::put_in_place(const std::string& build, const std::string& name) {
  const Result<Fd> built = disk_->open(directory_.get(), build, O_RDONLY | O_DIRECTORY);
  if (!built) return std::unexpected(built.error());
  const bool has_manifest = format_ == ExportFormat::mbox;
  Result<void> done;
  if (has_manifest) {
    done = disk_->move(built->get(), built_manifest, directory_.get(), manifest_name(name));
    if (!done) return done;
  }
  done = disk_->move(built->get(), built_mail, directory_.get(), name);
  if (!done && has_manifest) (void)disk_->remove(directory_.get(), manifest_name(name));
  return done ? disk_->sync_directory(directory_.get()) : done;
}

}  // namespace pop
