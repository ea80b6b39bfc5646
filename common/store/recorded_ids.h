#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "mail/unique_id.h"
#include "store/maildrop_location.h"

namespace pop {

/// Unique-ids of Maildir messages by base name: those that cannot be told from the message alone,
/// because others in the maildrop have, or had, the same content, or because another server gave
/// them. With them ids stay as they are when the index is lost. Layout in popper-formats(5).
class RecordedIds {
 public:
  struct Recorded {
    std::string id;
    std::uint32_t order =
        0;  // imported: its place in the other server's listing, from 1 on; else 0
    [[nodiscard]] bool operator==(const Recorded&) const = default;
    [[nodiscard]] auto operator<=>(const Recorded&) const = default;
  };

  /// Lines that are not understood count as missing, and so do ids that were not imported in a file
  /// of another recipe.
  [[nodiscard]] static RecordedIds parse(std::string_view content, UniqueIdRecipe recipe);
  [[nodiscard]] std::string serialised(UniqueIdRecipe recipe) const;

  /// Nothing recorded when there is no file, or none that may be trusted. Any other failure is an
  /// error: ids would change, and be recorded so.
  [[nodiscard]] static Result<RecordedIds> load(Disk& disk, const FilePlace& place, uid_t owner,
                                                UniqueIdRecipe recipe);
  /// Replaces the file, durably.
  [[nodiscard]] Result<void> save(Disk& disk, const FilePlace& place, UniqueIdRecipe recipe) const;

  /// nullptr when nothing is recorded.
  [[nodiscard]] const Recorded* find(std::string_view base) const;
  /// A name that does not fit on a line is not recorded.
  void record(std::string_view base, Recorded recorded);
  /// Takes over what was imported for names that nothing is recorded for.
  void keep_imported(const RecordedIds& other);
  [[nodiscard]] bool is_empty() const { return ids_.empty(); }
  /// All that `other` records, with the same ids.
  [[nodiscard]] bool contains(const RecordedIds& other) const;

 private:
  std::map<std::string, Recorded, std::less<>> ids_;  // by base name
};

}  // namespace pop
