#include "base/read_only_disk.h"

namespace pop {
namespace {

std::unexpected<Error> refuse(std::string_view doing) {
  return fail(Errc::denied, std::string{doing} + ": nothing may be changed here");
}

constexpr int changing_flags = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;

}  // namespace

Result<Fd> ReadOnlyDisk::open(int directory, const std::string& name, int flags, mode_t mode) {
  if ((flags & changing_flags) != 0) return refuse("open " + name + " for writing");
  Result<Fd> file = disk_.open(directory, name, flags | O_NOATIME, mode);
  // Only the owner may ask for O_NOATIME.
  if (file || file.error().code != Errc::denied) return file;
  return disk_.open(directory, name, flags, mode);
}

Result<Fd> ReadOnlyDisk::open_unnamed(int, mode_t) {
  return refuse("make an unnamed file");
}

Result<FileStatus> ReadOnlyDisk::status(const Fd& file) {
  return disk_.status(file);
}

Result<FileStatus> ReadOnlyDisk::status(int directory, const std::string& name) {
  return disk_.status(directory, name);
}

Result<void> ReadOnlyDisk::list(int directory, const VisitName& visit) {
  return disk_.list(directory, visit);
}

Result<std::size_t> ReadOnlyDisk::read(const Fd& file, std::span<char> buffer, FileBytes offset) {
  return disk_.read(file, buffer, offset);
}

Result<void> ReadOnlyDisk::write(const Fd&, std::string_view, FileBytes) {
  return refuse("write");
}

Result<void> ReadOnlyDisk::copy(const Fd&, FileBytes, const Fd&, FileBytes, FileBytes) {
  return refuse("copy");
}

Result<void> ReadOnlyDisk::reserve(const Fd&, FileBytes) {
  return refuse("reserve");
}

Result<void> ReadOnlyDisk::truncate(const Fd&, FileBytes) {
  return refuse("truncate");
}

Result<void> ReadOnlyDisk::sync(const Fd&) {
  return refuse("sync");
}

Result<void> ReadOnlyDisk::sync_directory(int) {
  return refuse("sync a directory");
}

Result<void> ReadOnlyDisk::rename(int, const std::string& from, const std::string&) {
  return refuse("rename " + from);
}

Result<void> ReadOnlyDisk::move(int, const std::string& from, int, const std::string&) {
  return refuse("move " + from);
}

Result<void> ReadOnlyDisk::exchange(int, const std::string& one, const std::string&) {
  return refuse("exchange " + one);
}

Result<void> ReadOnlyDisk::link(int, const std::string& from, const std::string&) {
  return refuse("link " + from);
}

Result<void> ReadOnlyDisk::remove(int, const std::string& name) {
  return refuse("remove " + name);
}

Result<void> ReadOnlyDisk::remove_directory(int, const std::string& name) {
  return refuse("remove directory " + name);
}

Result<void> ReadOnlyDisk::make_directory(int, const std::string& name, mode_t) {
  return refuse("make directory " + name);
}

Result<void> ReadOnlyDisk::set_owner(const Fd&, uid_t, gid_t) {
  return refuse("set the owner");
}

Result<void> ReadOnlyDisk::set_mode(const Fd&, mode_t) {
  return refuse("set the mode");
}

Result<CopiedAttributes> ReadOnlyDisk::copy_attributes(const Fd&, const Fd&) {
  return refuse("copy attributes");
}

Result<void> ReadOnlyDisk::set_times(const Fd&, timespec, timespec) {
  return refuse("set times");
}

Result<void> ReadOnlyDisk::touch(const Fd&) {
  return refuse("touch");
}

}  // namespace pop
