#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/error.h"
#include "base/units.h"
#include "mail/mbox_scanner.h"
#include "store/file_pieces.h"

namespace pop {

/// One message of a spool as the index keeps it: fixed size, so that thousands are read at once.
/// Offsets as in ScannedMessage.
struct SpoolMessage {
  FileBytes separator, header, body, content_end, end;
  WireOctets wire;
  LineCount body_lines;
  Fingerprint fingerprint;
  std::uint32_t id_offset = 0;  // into SpoolListing::ids
  std::uint16_t id_length = 0;
  std::uint16_t flags = 0;  // of SpoolFlag

  bool operator==(const SpoolMessage&) const = default;
};
static_assert(sizeof(SpoolMessage) == 80);

enum SpoolFlag : std::uint16_t {
  retrieved_flag = 1,        // a Status: field contains R
  internal_flag = 2,         // UW's folder-internal data: never listed, never deleted
  has_status_flag = 4,       // a Status: field stands in the header
  stored_id_flag = 8,        // the unique-id stands in the header as X-UIDL:
  settled_id_flag = 16,      // the unique-id is what this message alone gives; without it the id
                             // depends on which other messages stand before it
  may_have_utf8_flag = 32,  // as HeaderKind
  unended_header_flag = 64,
};
inline constexpr std::uint16_t known_spool_flags = 127;

[[nodiscard]] constexpr HeaderKind header_kind_of(const SpoolMessage& message) {
  return {.may_have_utf8 = (message.flags & may_have_utf8_flag) != 0,
          .is_unended = (message.flags & unended_header_flag) != 0};
}

/// All messages of a spool file, in order, with their unique-ids settled: no two are equal.
struct SpoolListing {
  SpoolFormat format = SpoolFormat::empty;
  FileBytes size;  // of the file that was scanned
  std::vector<SpoolMessage> messages;
  std::string ids;  // the unique-ids, one after the other

  [[nodiscard]] std::string_view id_of(const SpoolMessage& message) const {
    return std::string_view{ids}.substr(message.id_offset, message.id_length);
  }
  /// Appends `message` with its id, which must be distinct and at most 70 characters.
  void append(SpoolMessage message, std::string_view id);
  /// Takes the last message off, so that a scan can go on from its separator.
  void drop_last();
};

/// Reads the spool from the end of `listing` to `size` and completes the listing. What follows the
/// last known message may belong to it (a torn delivery went on), so that one is read again.
/// An empty listing is a whole scan. Ids, first that applies and is still free in the maildrop:
/// imported, stored X-UIDL:, computed by the recipe, computed with a number behind. Blocks on the
/// device; the caller holds the spool lock. Errc::corrupt: no spool. Errc::changed: ended before
/// `size`.
[[nodiscard]] Result<void> scan_spool(Disk& disk, const Fd& spool, FileBytes size,
                                      const ScanOptions& options, SpoolListing& listing,
                                      const BetweenPieces& between_pieces = {});

/// Whether the spool still holds exactly this message where `message` says: one message, same
/// extents, same fingerprint. Reads all of it; takes no lock.
[[nodiscard]] Result<bool> still_stands(Disk& disk, const Fd& spool, const SpoolMessage& message,
                                        SpoolFormat format, const ScanOptions& options,
                                        const BetweenPieces& between_pieces = {});

/// Whether the last message of the listing and a few small ones before it still stand where it
/// says. If anything in front of them was removed or became longer, they do not. Reads the last
/// message and at most some hundred kilobytes more; takes no lock.
[[nodiscard]] Result<bool> sample_stands(Disk& disk, const Fd& spool, const SpoolListing& listing,
                                         const ScanOptions& options);

/// The listing of a spool of `size` bytes from what an index `known` says of its beginning: only
/// the growth is read. Head and tail of that beginning agree; what lies between may have been moved
/// about, and where a sample shows it, all of the mail is read. Errors as of scan_spool().
[[nodiscard]] Result<SpoolListing> completed_listing(Disk& disk, const Fd& spool, FileBytes size,
                                                     const ScanOptions& options, SpoolListing known,
                                                     const BetweenPieces& between_pieces = {});

/// Where each message of `old` stands in `now`: the index of the one with the same fingerprint, the
/// k-th of several equal ones for the k-th; npos for one that is not there any more. Linear.
inline constexpr std::size_t npos = static_cast<std::size_t>(-1);
[[nodiscard]] std::vector<std::size_t> relocated(const SpoolListing& old, const SpoolListing& now);
/// How many messages of `old` still stand and have another unique-id now: clients get them twice.
[[nodiscard]] std::size_t changed_ids(const SpoolListing& old, const SpoolListing& now);

}  // namespace pop
