#pragma once

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
/// because others in the maildrop have, or had, the same content. With them ids stay as they are
/// when the index is lost. Layout in popper-formats(5).
class RecordedIds {
 public:
  /// Lines that are not understood, and a whole file of another recipe, count as missing.
  [[nodiscard]] static RecordedIds parse(std::string_view content, UniqueIdRecipe recipe);
  [[nodiscard]] std::string serialised(UniqueIdRecipe recipe) const;

  /// Nothing recorded when there is no file, or none that may be trusted.
  [[nodiscard]] static RecordedIds load(Disk& disk, const FilePlace& place, uid_t owner,
                                        UniqueIdRecipe recipe);
  /// Replaces the file, durably.
  [[nodiscard]] Result<void> save(Disk& disk, const FilePlace& place, UniqueIdRecipe recipe) const;

  /// nullptr when nothing is recorded.
  [[nodiscard]] const std::string* find(std::string_view base) const;
  /// A name that does not fit on a line is not recorded.
  void record(std::string_view base, std::string_view id);
  [[nodiscard]] bool is_empty() const { return ids_.empty(); }
  /// All that `other` records, with the same ids.
  [[nodiscard]] bool contains(const RecordedIds& other) const;

 private:
  std::map<std::string, std::string, std::less<>> ids_;  // by base name
};

}  // namespace pop
