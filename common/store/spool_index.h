#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "store/maildrop_location.h"
#include "store/spool_listing.h"

namespace pop {

/// The index file `.USER.cache`: what the last session knew about the spool, and what proves that
/// it still holds. A hint only: deleting it at any moment changes no reply, a damaged or forged one
/// is found out and rebuilt. Layout in popper-formats(5).
class SpoolIndex {
 public:
  /// What proves the listing fresh.
  struct Proof {
    FileStatus spool;              // device, inode, size and times at the scan
    Fingerprint head, tail;        // over the first and the last `proof_bytes` of the spool
    std::uint8_t recipe = 0;       // UniqueIdRecipe
    bool uw_kluge = false;
  };
  static constexpr std::size_t proof_bytes = 4096;

  enum class Freshness : std::uint8_t {
    exact,  // the spool is as it was
    grown,  // all that was listed stands where it stood; more follows
    stale,  // the listing says nothing about this spool
  };

  /// Rebuilds a listing from a file's whole content. nullopt for anything that save() would not
  /// have written: magic, version, checksum, any offset out of order, any invalid unique-id.
  [[nodiscard]] static std::optional<SpoolIndex> parse(std::string_view content);
  [[nodiscard]] std::string serialised() const;

  /// Errc::not_found when there is none, Errc::corrupt when it must be rebuilt; the caller treats
  /// both as "no index". Refuses a file that is not `owner`'s own plain one: Errc::denied.
  [[nodiscard]] static Result<SpoolIndex> load(Disk& disk, const FilePlace& place, uid_t owner);
  /// Overwrites the file in place, without fsync: a torn one fails its checksum. The caller holds
  /// the session lock, so nobody else writes.
  [[nodiscard]] Result<void> save(Disk& disk, const FilePlace& place, uid_t owner) const;

  /// Compares with the spool as it is now. `options` other than those of the scan make it stale.
  /// Reads at most two times `proof_bytes`, and nothing when device, inode, size and times agree.
  [[nodiscard]] Result<Freshness> freshness(Disk& disk, const Fd& spool, const FileStatus& now,
                                            const ScanOptions& options) const;

  /// Takes the proof from the spool as it is now; `listing` must describe exactly that.
  [[nodiscard]] static Result<SpoolIndex> of(Disk& disk, const Fd& spool, const FileStatus& now,
                                             const ScanOptions& options, SpoolListing listing);

  SpoolListing listing;
  Proof proof;

 private:
  using ReadAt = std::function<std::size_t(std::span<char>, std::size_t)>;
  [[nodiscard]] static std::optional<SpoolIndex> from(const ReadAt& read_at, std::size_t size);
  [[nodiscard]] std::string header() const;
};

}  // namespace pop
