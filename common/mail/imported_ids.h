#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mbox_scanner.h"

namespace pop {

/// Unique-ids that another server gave to messages of an mbox, which they shall keep. A message is
/// known again by its fingerprint; one whose separator line was mended since, by its content id.
/// Layout in popper-formats(5). For one thread.
class ImportedIds {
 public:
  struct Entry {
    Fingerprint fingerprint;
    std::string content_id;  // what the message alone gives: its X-UIDL:, else its native id
    std::string id;
    [[nodiscard]] bool operator==(const Entry&) const = default;
  };

  ImportedIds() = default;
  /// Entries of equal messages keep their order.
  explicit ImportedIds(std::vector<Entry> entries);
  /// Lines that are not understood are left out and counted.
  [[nodiscard]] static ImportedIds parse(std::string_view content);
  [[nodiscard]] std::string serialised() const;

  /// The first id recorded for such a message that is free; nullptr if there is none.
  using IsFree = std::function<bool(std::string_view id)>;
  [[nodiscard]] const std::string* find(const Fingerprint& fingerprint, std::string_view content_id,
                                        const IsFree& is_free) const;

  /// By fingerprint.
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }
  [[nodiscard]] std::size_t not_understood() const { return not_understood_; }

 private:
  [[nodiscard]] const std::string* find_content(std::string_view content_id,
                                                const IsFree& is_free) const;

  std::vector<Entry> entries_;
  mutable std::vector<std::uint32_t> by_content_;  // made when looking through all costs too much
  mutable int content_lookups_ = 0;
  std::size_t not_understood_ = 0;
};

}  // namespace pop
