// A line is "ID TIME ADDRESS" filled up with blanks: 16 hexadecimal digits, 12 decimal ones, and
// what is left. Lines are found by the slot that the device's record names, and believed if they
// bear its id, so a slot that is used again does not show the use of its former owner. A line never
// crosses a page: nobody sees half of one.
#include "auth/device_use.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "auth/credential_file.h"
#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t line_size = 128;
constexpr std::size_t time_at = device_id_size + 1;
constexpr std::size_t time_size = 12;
constexpr std::size_t address_at = time_at + time_size + 1;
constexpr std::chrono::seconds often_enough{60};

FileBytes place_of(const DevicePassword& device) {
  return {std::uint64_t{device.slot} * line_size};
}

std::string line_of(const DevicePassword& device, const DeviceUse& use) {
  std::string time = std::to_string(use.time.time_since_epoch().count());
  time.insert(0, time_size - std::min(time.size(), time_size), '0');
  std::string line = device.id + " " + time + " " + escaped(use.address);
  line.resize(line_size - 1, ' ');
  return line + "\n";
}

std::optional<DeviceUse> use_in(std::string_view line, const DevicePassword& device) {
  if (line.size() != line_size || !line.starts_with(device.id + " ")) return std::nullopt;
  const std::optional<std::uint64_t> time = decimal(line.substr(time_at, time_size));
  if (!time || line.back() != '\n') return std::nullopt;
  const std::string_view address = line.substr(address_at, line_size - 1 - address_at);
  return DeviceUse{std::chrono::sys_seconds{std::chrono::seconds{*time}},
                   std::string{trimmed(address)}};
}

Result<std::optional<DeviceUse>> read_use(const Fd& file, const DevicePassword& device) {
  std::array<char, line_size> line{};
  const Result<std::size_t> got = system_disk().read(file, line, place_of(device));
  if (!got) return std::unexpected(got.error());
  return use_in({line.data(), *got}, device);
}

Result<CredentialFile> open_uses(const std::filesystem::path& file, int access) {
  const Result<CredentialFilePlace> place = open_credential_place(file);
  if (!place) return std::unexpected(place.error());
  return open_credential_file(system_disk(), *place, access);
}

Result<void> create_uses(Disk& disk, const CredentialFilePlace& place,
                         const FileStatus& credential_file) {
  const std::string name = place.name + ".used";
  Result<Fd> file = disk.open(place.directory.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file && file.error().code == Errc::busy) return {};
  if (!file) return std::unexpected(std::move(file).error());
  if (Result<void> mode = disk.set_mode(*file, 0600); !mode) return mode;
  const Result<FileStatus> now = disk.status(*file);
  if (!now) return std::unexpected(now.error());
  if (now->owner == credential_file.owner && now->group == credential_file.group) return {};
  return disk.set_owner(*file, credential_file.owner, credential_file.group);
}

}  // namespace

DeviceUses::DeviceUses(const std::filesystem::path& credential_file) : file_{credential_file} {
  file_ += ".used";
}

Result<void> DeviceUses::ensure(Disk& disk, const std::filesystem::path& credential_file) {
  const Result<CredentialFilePlace> place = open_credential_place(credential_file);
  if (!place) return std::unexpected(place.error());
  const Result<CredentialFile> credentials = open_credential_file(disk, *place);
  if (!credentials) return std::unexpected(credentials.error());
  return create_uses(disk, *place, credentials->status);
}

Result<std::optional<DeviceUse>> DeviceUses::last(const DevicePassword& device) const {
  const Result<CredentialFile> opened = open_uses(file_, O_RDONLY);
  if (!opened && opened.error().code == Errc::not_found) return std::nullopt;
  if (!opened) return std::unexpected(opened.error());
  return read_use(opened->fd, device);
}

Result<void> DeviceUses::record(const DevicePassword& device, const DeviceUse& use) const {
  const Result<CredentialFile> opened = open_uses(file_, O_RDWR);
  if (!opened) return std::unexpected(opened.error());
  const Result<std::optional<DeviceUse>> before = read_use(opened->fd, device);
  if (!before) return std::unexpected(before.error());
  const bool fresh = *before && (*before)->time <= use.time &&
                     use.time - (*before)->time < often_enough && (*before)->address == use.address;
  if (fresh) return {};
  return system_disk().write(opened->fd, line_of(device, use), place_of(device));
}

}  // namespace pop
