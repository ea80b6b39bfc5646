#include "store/maildir_index.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "store/checksum.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::string_view magic{"popper-maildir\n\0", 16};
constexpr std::uint32_t version = 2;
constexpr std::uint32_t byte_order = 0x01020304;
constexpr std::size_t largest_index = std::size_t{1} << 31;

struct DirectoryField {
  std::uint64_t device, inode;
  std::int64_t modified_seconds, modified_nanoseconds, changed_seconds, changed_nanoseconds;
  std::uint64_t settled, hidden;
};

/// The fixed part of the file, in the machine's byte order (`byte_order` tells), without padding.
struct IndexHeader {
  char magic[16];
  std::uint32_t version, byte_order;
  std::uint64_t checksum;  // XXH3-64 of everything after this field
  DirectoryField fresh, seen;
  std::uint64_t messages, name_octets, id_octets;
  std::uint32_t recipe, reserved;
};
static_assert(std::is_trivially_copyable_v<IndexHeader>);
static_assert(sizeof(IndexHeader) == 192);
constexpr std::size_t checked_from = offsetof(IndexHeader, fresh);

std::uint64_t index_checksum(const IndexHeader& header, const MaildirListing& listing) {
  return checksum_of({octets_of(header).substr(checked_from), octets_of(listing.messages),
                      listing.names, listing.ids});
}

DirectoryField field_of(const DirectoryProof& proof, std::uint64_t hidden) {
  const FileStatus& status = proof.status;
  return {status.device,           status.inode,
          status.modified.tv_sec,  status.modified.tv_nsec,
          status.changed.tv_sec,   status.changed.tv_nsec,
          proof.settled ? 1U : 0U, hidden};
}

DirectoryProof proof_of(const DirectoryField& field) {
  DirectoryProof proof;
  proof.status.device = field.device;
  proof.status.inode = field.inode;
  proof.status.modified = {field.modified_seconds, field.modified_nanoseconds};
  proof.status.changed = {field.changed_seconds, field.changed_nanoseconds};
  proof.settled = field.settled != 0;
  return proof;
}

bool is_known(const IndexHeader& header) {
  return std::string_view{header.magic, magic.size()} == magic && header.version == version &&
         header.byte_order == byte_order &&
         header.recipe <= static_cast<std::uint32_t>(UniqueIdRecipe::qpopper_old);
}

bool sizes_fit(const IndexHeader& header, std::size_t size) {
  std::size_t rest = size - sizeof header;
  if (header.messages > rest / sizeof(MaildirMessage)) return false;
  rest -= header.messages * sizeof(MaildirMessage);
  return header.name_octets <= rest && rest - header.name_octets == header.id_octets;
}

/// Names are used for file operations and ids go to the client; all else is only compared. Distinct
/// ids are not proven here: only the owner of the mail can forge the checksum.
bool is_sound(const MaildirListing& listing) {
  if (listing.names.find_first_of(std::string_view{"/\0", 2}) != std::string::npos) return false;
  if (!holds_only_id_characters(listing.ids)) return false;
  const std::uint64_t names = listing.names.size(), ids = listing.ids.size();
  return std::ranges::all_of(listing.messages, [&](const MaildirMessage& m) {
    return std::uint64_t{m.name_offset} + m.name_length <= names && m.name_length >= 1 &&
           m.base_length <= m.name_length && listing.names[m.name_offset] != '.' &&
           std::uint64_t{m.id_offset} + m.id_length <= ids && m.id_length >= 1 &&
           m.id_length <= longest_unique_id && (m.flags & ~known_maildir_flags) == 0;
  });
}

}  // namespace

bool DirectoryProof::holds(const FileStatus& now) const {
  return settled && status.same_file(now) && status.same_times(now);
}

std::optional<MaildirIndex> MaildirIndex::parse(std::string_view content) {
  return from(
      [content](std::span<char> buffer, std::size_t offset) {
        return content.substr(std::min(offset, content.size())).copy(buffer.data(), buffer.size());
      },
      content.size());
}

/// The arrays are read straight to where they stay: most of an unchanged open is this.
std::optional<MaildirIndex> MaildirIndex::from(const ReadAt& read_at, std::size_t size) {
  IndexHeader header;
  std::size_t at = 0;
  const auto take = [&](char* to, std::size_t count) {
    const std::size_t got = read_at({to, count}, at);
    at += got;
    return got;
  };
  if (size < sizeof header ||
      take(reinterpret_cast<char*>(&header), sizeof header) != sizeof header) {
    return std::nullopt;
  }
  if (!is_known(header) || !sizes_fit(header, size)) return std::nullopt;
  MaildirIndex index;
  MaildirListing& listing = index.listing;
  listing.messages.resize(header.messages);
  const std::size_t table = header.messages * sizeof(MaildirMessage);
  if (take(reinterpret_cast<char*>(listing.messages.data()), table) != table) return std::nullopt;
  // The library may offer more room than was asked for.
  listing.names.resize_and_overwrite(
      header.name_octets, [&](char* to, std::size_t) { return take(to, header.name_octets); });
  listing.ids.resize_and_overwrite(
      header.id_octets, [&](char* to, std::size_t) { return take(to, header.id_octets); });
  if (at != size || header.checksum != index_checksum(header, listing) || !is_sound(listing)) {
    return std::nullopt;
  }
  index.proof = {proof_of(header.fresh), proof_of(header.seen)};
  listing.hidden = {header.fresh.hidden, header.seen.hidden};
  index.recipe = static_cast<UniqueIdRecipe>(header.recipe);
  return index;
}

std::string MaildirIndex::header() const {
  IndexHeader header{};
  std::ranges::copy(magic, header.magic);
  header.version = version;
  header.byte_order = byte_order;
  header.fresh = field_of(proof.fresh, listing.hidden.fresh);
  header.seen = field_of(proof.seen, listing.hidden.seen);
  header.messages = listing.messages.size();
  header.name_octets = listing.names.size();
  header.id_octets = listing.ids.size();
  header.recipe = static_cast<std::uint32_t>(recipe);
  header.checksum = index_checksum(header, listing);
  return std::string{octets_of(header)};
}

std::string MaildirIndex::serialised() const {
  return header().append(octets_of(listing.messages)).append(listing.names).append(listing.ids);
}

Result<MaildirIndex> MaildirIndex::load(Disk& disk, const FilePlace& place, uid_t owner) {
  const Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (status->size.count > largest_index) return fail(Errc::corrupt, place.path() + ": too large");
  std::optional<MaildirIndex> index =
      from([&](std::span<char> buffer,
               std::size_t offset) { return disk.read(*file, buffer, {offset}).value_or(0); },
           status->size.count);
  if (!index) return fail(Errc::corrupt, place.path() + ": not sound; it will be made anew");
  return std::move(*index);
}

Result<void> MaildirIndex::save(Disk& disk, const FilePlace& place, uid_t owner) const {
  Result<Fd> file = open_mail_file(disk, place, O_RDWR, owner, Exposure::not_writable_by_others);
  if (!file && file.error().code == Errc::not_found) {
    Result<std::optional<Fd>> made = create_mail_file(disk, place);
    if (!made) return std::unexpected(std::move(made).error());
    if (!*made) return fail(Errc::busy, place.path() + " was made by somebody else");
    file = std::move(**made);
  }
  if (!file) return std::unexpected(std::move(file).error());
  FileBytes at{0};
  for (const std::string& first = header();
       const std::string_view part :
       {std::string_view{first}, octets_of(listing.messages), std::string_view{listing.names},
        std::string_view{listing.ids}}) {
    if (Result<void> put = disk.write(*file, part, at); !put) return put;
    at += {part.size()};
  }
  return disk.truncate(*file, at);
}

}  // namespace pop
