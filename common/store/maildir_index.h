#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "mail/unique_id.h"
#include "store/maildir_listing.h"
#include "store/maildrop_location.h"

namespace pop {

/// What proves that the names in a directory are those that were listed.
struct DirectoryProof {
  FileStatus status;     // from before the listing; size and mode do not matter
  bool settled = false;  // the last change was so long before the listing that a later one cannot
                         // have left the same times
  /// Whether nothing can have changed; `now` must come from before anything is done about it.
  [[nodiscard]] bool holds(const FileStatus& now) const;
};

/// The index file of a Maildir: what the last session knew. A hint only, like SpoolIndex. Layout in
/// popper-formats(5).
struct MaildirIndex {
  MaildirListing listing;
  EachPlace<DirectoryProof> proof;
  UniqueIdRecipe recipe = UniqueIdRecipe::native;

  /// Rebuilds an index from a file's whole content. nullopt for anything that save() would not have
  /// written: magic, version, checksum, an offset outside, a name that no directory can hold, an
  /// invalid unique-id.
  [[nodiscard]] static std::optional<MaildirIndex> parse(std::string_view content);
  [[nodiscard]] std::string serialised() const;

  /// Errc::not_found when there is none, Errc::corrupt when it must be made anew, Errc::denied when
  /// it is not `owner`'s own plain file: to the caller all of them mean "no index".
  [[nodiscard]] static Result<MaildirIndex> load(Disk& disk, const FilePlace& place, uid_t owner);
  /// Overwrites the file in place, without fsync: a torn one fails its checksum. The caller holds
  /// the session lock, so nobody else writes.
  [[nodiscard]] Result<void> save(Disk& disk, const FilePlace& place, uid_t owner) const;

 private:
  using ReadAt = std::function<std::size_t(std::span<char>, std::size_t)>;
  [[nodiscard]] static std::optional<MaildirIndex> from(const ReadAt& read_at, std::size_t size);
  [[nodiscard]] std::string header() const;
};

}  // namespace pop
