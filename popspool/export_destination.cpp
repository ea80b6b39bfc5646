#include "popspool/export_destination.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>
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

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_part_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 &&
         std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

/// False also where one of them is no plain file, or is not there.
Result<bool> are_equal(Disk& disk, int one_in, const std::string& one_name, int other_in,
                       const std::string& other_name) {
  const Result<Fd> one = disk.open(one_in, one_name, O_RDONLY);
  const Result<Fd> other = disk.open(other_in, other_name, O_RDONLY);
  if (!one || !other) return false;
  const Result<FileStatus> status = disk.status(*one), other_status = disk.status(*other);
  if (!status) return std::unexpected(status.error());
  if (!other_status) return std::unexpected(other_status.error());
  if (!status->is_regular() || !other_status->is_regular()) return false;
  if (status->size != other_status->size) return false;
  std::vector<char> pieces(std::size_t{1} << 18);
  const std::span<char> here{pieces.data(), pieces.size() / 2};
  const std::span<char> there{pieces.data() + here.size(), here.size()};
  for (FileBytes at; at < status->size;) {
    const Result<std::size_t> got = disk.read(*one, here, at);
    if (!got) return std::unexpected(got.error());
    const Result<std::size_t> other_got = disk.read(*other, there, at);
    if (!other_got) return std::unexpected(other_got.error());
    if (*got == 0 || !std::ranges::equal(here.first(*got), there.first(*other_got))) return false;
    at += {*got};
  }
  return true;
}

Result<void> remove_tree(Disk& disk, const Fd& above, const std::string& name) {
  const Result<Fd> directory = disk.open(above.get(), name, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  Result<void> done = clear(disk, *directory, 3);  // parts, their Maildirs and what is in these
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
  return target.user.name + ending();
}

std::string ExportDestination::ending() const {
  if (format_ == ExportFormat::maildir) return "";
  return format_ == ExportFormat::tar ? ".tar" : ".mbox";
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
  const std::string name = name_for(target);
  Result<void> done = refuse_taken(name);
  if (done && format_ == ExportFormat::mbox) done = refuse_taken(manifest_name(name));
  if (!done) return std::unexpected(std::move(done).error());
  return mode == RunMode::dry_run ? Fd{} : make_build(target, name);
}

Result<Fd> ExportDestination::begin_parts(const MailTarget& target, RunMode mode) {
  return mode == RunMode::dry_run ? Fd{} : make_build(target, name_for(target));
}

Result<Fd> ExportDestination::make_build(const MailTarget& target, const std::string& name) {
  const std::string build = build_name(name);
  Result<void> done = disk_->make_directory(directory_.get(), build, 0700);
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
  Result<void> placed;
  if (is_whole) {
    const Result<Fd> built = disk_->open(directory_.get(), build, O_RDONLY | O_DIRECTORY);
    placed = built ? put_in_place(*built, name) : std::unexpected(built.error());
  }
  Result<void> cleared = remove_tree(*disk_, directory_, build);
  return placed ? cleared : placed;
}

/// The manifest first: an mbox that is there has its manifest.
Result<void> ExportDestination::put_in_place(const Fd& built, const std::string& name) {
  const bool has_manifest = format_ == ExportFormat::mbox;
  Result<void> done;
  if (has_manifest) {
    done = disk_->move(built.get(), built_manifest, directory_.get(), manifest_name(name));
    if (!done) return done;
  }
  done = disk_->move(built.get(), built_mail, directory_.get(), name);
  if (!done && has_manifest) (void)disk_->remove(directory_.get(), manifest_name(name));
  return done ? disk_->sync_directory(directory_.get()) : done;
}

Result<std::map<std::string, std::string>> ExportDestination::place_parts(
    const MailTarget& target) {
  const std::string build = build_name(name_for(target));
  const Result<Fd> directory = disk_->open(directory_.get(), build, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  std::set<std::string> parts;
  Result<void> done =
      disk_->list(directory->get(), [&](const ListedName& each) { parts.emplace(each.name); });
  if (!done) return std::unexpected(std::move(done).error());
  std::map<std::string, std::string> paths;
  for (const std::string& part : parts) {
    if (!is_part_name(part)) return fail(Errc::corrupt, escaped(part) + " is no part of an export");
    const Result<Fd> built = disk_->open(directory->get(), part, O_RDONLY | O_DIRECTORY);
    if (!built) return std::unexpected(built.error());
    const Result<std::string> name = place_part(*built, target.user.name + "-" + part);
    if (!name) return std::unexpected(name.error());
    paths[part] = (std::filesystem::path{directory_path_} / *name).native();
  }
  done = disk_->sync_directory(directory_.get());  // for what was there already
  if (!done) return std::unexpected(std::move(done).error());
  return paths;
}

Result<std::string> ExportDestination::place_part(const Fd& built, const std::string& stem) {
  for (int number = 1; number <= 1000; ++number) {
    const std::string name = stem + (number == 1 ? "" : "." + std::to_string(number)) + ending();
    const Result<bool> there = is_there(built, name);
    if (!there) return std::unexpected(there.error());
    if (*there) return name;
    Result<void> placed = put_in_place(built, name);
    if (placed) return name;
    if (placed.error().code != Errc::busy) return std::unexpected(std::move(placed).error());
  }
  return fail(Errc::busy, "all names for " + stem + " are taken");
}

/// What an earlier run has put there; of an mbox that was cut off between its two files, the first
/// is taken away, so that both can be put there.
Result<bool> ExportDestination::is_there(const Fd& built, const std::string& name) const {
  const int here = directory_.get();
  if (format_ == ExportFormat::maildir) {
    const Result<Fd> one = disk_->open(built.get(), built_mail, O_RDONLY | O_DIRECTORY);
    if (!one) return std::unexpected(one.error());
    const Result<Fd> other = disk_->open(here, name, O_RDONLY | O_DIRECTORY);
    if (!other) return false;
    return are_equal(*disk_, one->get(), std::string{manifest_file}, other->get(),
                     std::string{manifest_file});
  }
  if (format_ == ExportFormat::tar) return are_equal(*disk_, built.get(), built_mail, here, name);
  const Result<bool> same =
      are_equal(*disk_, built.get(), built_manifest, here, manifest_name(name));
  if (!same || !*same) return same;
  const Result<FileStatus> mail = disk_->status(here, name);
  if (!mail && mail.error().code == Errc::not_found) {
    Result<void> removed = disk_->remove(here, manifest_name(name));
    return removed ? Result<bool>{false} : std::unexpected(std::move(removed).error());
  }
  return are_equal(*disk_, built.get(), built_mail, here, name);
}

}  // namespace pop
