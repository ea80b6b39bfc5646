#include "store/spool_index.h"

#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>

#include "store/checksum.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popper-index\n";
constexpr std::uint32_t version = 2;
constexpr std::uint32_t byte_order = 0x01020304;
constexpr std::size_t largest_index = std::size_t{1} << 31;

/// The fixed part of the file, in the machine's byte order (`byte_order` tells), without padding.
struct IndexHeader {
  char magic[16];
  std::uint32_t version, byte_order;
  std::uint64_t checksum;  // XXH3-64 of everything after this field
  std::uint64_t device, inode, size;
  std::int64_t modified_seconds, modified_nanoseconds, changed_seconds, changed_nanoseconds;
  Fingerprint head, tail;
  std::uint64_t messages, id_octets;
  std::uint32_t recipe, uw_kluge, format, reserved;
};
static_assert(std::is_trivially_copyable_v<IndexHeader>);
static_assert(sizeof(IndexHeader) == 152);
constexpr std::size_t checked_from = offsetof(IndexHeader, device);

std::string_view magic_field(const IndexHeader& header) {
  return {header.magic, magic.size()};
}

std::uint64_t index_checksum(const IndexHeader& header, const SpoolListing& listing) {
  return checksum_of(
      {octets_of(header).substr(checked_from), octets_of(listing.messages), listing.ids});
}

/// Gives the bytes of an index from an offset on; fewer than asked for mean that it ends.
using ReadAt = std::function<std::size_t(std::span<char>, std::size_t)>;

std::optional<IndexHeader> read_header(const ReadAt& read_at, std::size_t size) {
  IndexHeader header;
  if (read_at({reinterpret_cast<char*>(&header), sizeof header}, 0) != sizeof header) {
    return std::nullopt;
  }
  const bool known = magic_field(header) == magic && header.version == version &&
                     header.byte_order == byte_order &&
                     header.format <= static_cast<std::uint32_t>(SpoolFormat::mmdf);
  if (!known) return std::nullopt;
  const std::size_t rest = size - sizeof header;
  const bool fits = header.messages <= rest / sizeof(SpoolMessage) &&
                    rest - header.messages * sizeof(SpoolMessage) == header.id_octets;
  return fits ? std::optional{header} : std::nullopt;
}

/// The messages and ids go straight to where they stay: most of an unchanged open is this.
bool read_listing(const ReadAt& read_at, const IndexHeader& header, SpoolListing& listing) {
  listing.format = static_cast<SpoolFormat>(header.format);
  listing.size = {header.size};
  // Room for what a delivery or two will add, so that the arrays need not move.
  listing.messages.reserve(header.messages + 64);
  listing.ids.reserve(header.id_octets + std::size_t{64} * longest_unique_id);
  listing.messages.resize(header.messages);
  const std::span<char> table{reinterpret_cast<char*>(listing.messages.data()),
                              header.messages * sizeof(SpoolMessage)};
  if (read_at(table, sizeof header) != table.size()) return false;
  listing.ids.resize_and_overwrite(header.id_octets, [&](char* ids, std::size_t count) {
    return read_at({ids, count}, sizeof header + table.size());
  });
  return listing.ids.size() == header.id_octets;
}

/// Offsets ascend and stay inside the file; ids lie in the arena one after the other and are valid.
/// Distinct ids are not proven here: that would cost more than the rest of an unchanged open, and
/// only the owner of the mail can forge the checksum.
bool is_sound(const SpoolListing& listing) {
  FileBytes at{0};
  std::uint64_t id_at = 0;
  for (const SpoolMessage& m : listing.messages) {
    const bool in_order = at <= m.separator && m.separator <= m.header && m.header <= m.body &&
                          m.body <= m.content_end && m.content_end <= m.end;
    const bool is_id = m.id_offset == id_at && m.id_length >= 1 && m.id_length <= longest_unique_id;
    if (!in_order || !is_id || (m.flags & ~known_spool_flags) != 0) return false;
    id_at += m.id_length;
    at = m.end;
  }
  return at <= listing.size && id_at == listing.ids.size() && holds_only_id_characters(listing.ids);
}

Result<Fingerprint> fingerprint_at(Disk& disk, const Fd& spool, FileBytes from, FileBytes to) {
  char bytes[SpoolIndex::proof_bytes];
  const std::size_t count = std::min<std::uint64_t>(sizeof bytes, (to - from).count);
  const Result<std::size_t> got = disk.read(spool, {bytes, count}, from);
  if (!got) return std::unexpected(got.error());
  const XXH128_hash_t hash = XXH3_128bits(bytes, *got);
  return Fingerprint{hash.low64, hash.high64};
}

FileBytes tail_begin(FileBytes size) {
  return {size.count - std::min<std::uint64_t>(size.count, SpoolIndex::proof_bytes)};
}

}  // namespace

std::optional<SpoolIndex> SpoolIndex::parse(std::string_view content) {
  return from(
      [content](std::span<char> buffer, std::size_t offset) {
        return content.substr(std::min(offset, content.size())).copy(buffer.data(), buffer.size());
      },
      content.size());
}

std::optional<SpoolIndex> SpoolIndex::from(const ReadAt& read_at, std::size_t size) {
  const std::optional<IndexHeader> header = read_header(read_at, size);
  if (!header) return std::nullopt;
  SpoolIndex index;
  index.proof.spool.device = header->device;
  index.proof.spool.inode = header->inode;
  index.proof.spool.size = {header->size};
  index.proof.spool.modified = {header->modified_seconds, header->modified_nanoseconds};
  index.proof.spool.changed = {header->changed_seconds, header->changed_nanoseconds};
  index.proof.head = header->head;
  index.proof.tail = header->tail;
  index.proof.recipe = static_cast<std::uint8_t>(header->recipe);
  index.proof.uw_kluge = header->uw_kluge != 0;
  if (!read_listing(read_at, *header, index.listing)) return std::nullopt;
  if (header->checksum != index_checksum(*header, index.listing)) return std::nullopt;
  if (!is_sound(index.listing)) return std::nullopt;
  return index;
}

std::string SpoolIndex::header() const {
  IndexHeader header{};
  std::ranges::copy(magic, header.magic);
  header.version = version;
  header.byte_order = byte_order;
  header.device = proof.spool.device;
  header.inode = proof.spool.inode;
  header.size = listing.size.count;
  header.modified_seconds = proof.spool.modified.tv_sec;
  header.modified_nanoseconds = proof.spool.modified.tv_nsec;
  header.changed_seconds = proof.spool.changed.tv_sec;
  header.changed_nanoseconds = proof.spool.changed.tv_nsec;
  header.head = proof.head;
  header.tail = proof.tail;
  header.messages = listing.messages.size();
  header.id_octets = listing.ids.size();
  header.recipe = proof.recipe;
  header.uw_kluge = proof.uw_kluge ? 1 : 0;
  header.format = static_cast<std::uint32_t>(listing.format);
  header.checksum = index_checksum(header, listing);
  return std::string{octets_of(header)};
}

std::string SpoolIndex::serialised() const {
  return header().append(octets_of(listing.messages)).append(listing.ids);
}

Result<SpoolIndex> SpoolIndex::load(Disk& disk, const FilePlace& place, uid_t owner) {
  const Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (status->size.count > largest_index) return fail(Errc::corrupt, place.path() + ": too large");
  std::optional<SpoolIndex> index =
      from([&](std::span<char> buffer,
               std::size_t offset) { return disk.read(*file, buffer, {offset}).value_or(0); },
           status->size.count);
  if (!index) return fail(Errc::corrupt, place.path() + ": not sound; it will be made anew");
  return std::move(*index);
}

Result<void> SpoolIndex::save(Disk& disk, const FilePlace& place, uid_t owner) const {
  Result<Fd> file = open_mail_file(disk, place, O_RDWR, owner, Exposure::not_writable_by_others);
  if (!file && file.error().code == Errc::not_found) {
    file = disk.open(place.directory(), place.name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (file) {
      if (Result<void> set = disk.set_mode(*file, 0600); !set) return set;
    }
  }
  if (!file) return std::unexpected(std::move(file).error());
  FileBytes at{0};
  for (const std::string& first = header();
       const std::string_view part :
       {std::string_view{first}, octets_of(listing.messages), std::string_view{listing.ids}}) {
    if (Result<void> put = disk.write(*file, part, at); !put) return put;
    at += {part.size()};
  }
  return disk.truncate(*file, at);
}

Result<SpoolIndex::Freshness> SpoolIndex::freshness(Disk& disk, const Fd& spool,
                                                    const FileStatus& now,
                                                    const ScanOptions& options) const {
  if (!proof.spool.same_file(now) || now.size < listing.size ||
      proof.recipe != static_cast<std::uint8_t>(options.recipe) ||
      proof.uw_kluge != options.uw_kluge) {
    return Freshness::stale;
  }
  if (now.size == listing.size) {
    return proof.spool.same_times(now) ? Freshness::exact : Freshness::stale;
  }
  const Result<Fingerprint> head = fingerprint_at(disk, spool, {0}, listing.size);
  if (!head) return std::unexpected(head.error());
  const Result<Fingerprint> tail =
      fingerprint_at(disk, spool, tail_begin(listing.size), listing.size);
  if (!tail) return std::unexpected(tail.error());
  return *head == proof.head && *tail == proof.tail ? Freshness::grown : Freshness::stale;
}

Result<SpoolIndex> SpoolIndex::of(Disk& disk, const Fd& spool, const FileStatus& now,
                                  const ScanOptions& options, SpoolListing listing) {
  const Result<Fingerprint> head = fingerprint_at(disk, spool, {0}, now.size);
  if (!head) return std::unexpected(head.error());
  const Result<Fingerprint> tail = fingerprint_at(disk, spool, tail_begin(now.size), now.size);
  if (!tail) return std::unexpected(tail.error());
  SpoolIndex index;
  index.proof = {.spool = now,
                 .head = *head,
                 .tail = *tail,
                 .recipe = static_cast<std::uint8_t>(options.recipe),
                 .uw_kluge = options.uw_kluge};
  index.listing = std::move(listing);
  index.listing.size = now.size;
  return index;
}

}  // namespace pop
