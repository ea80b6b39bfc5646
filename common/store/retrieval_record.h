#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "store/maildrop_location.h"

namespace pop {

/// Since when messages of a maildrop are known to be retrieved, by unique-id: neither a Status:
/// field nor a Maildir's flag tells when. A hint that only ever keeps mail longer: without the file
/// the time counts anew. Layout in popper-formats(5).
class RetrievalRecord {
 public:
  using Seconds = std::int64_t;  // since 1970

  /// Lines that are not understood count as missing.
  [[nodiscard]] static RetrievalRecord parse(std::string_view content);
  [[nodiscard]] std::string serialised() const;

  /// Empty when there is no file, or none that may be trusted.
  [[nodiscard]] static RetrievalRecord load(Disk& disk, const FilePlace& place, uid_t owner);
  /// Replaces the file in one step; an empty record removes it.
  [[nodiscard]] Result<void> save(Disk& disk, const FilePlace& place) const;

  /// When the message was first seen to be retrieved: now, unless that is on record.
  [[nodiscard]] Seconds since(std::string_view unique_id, Seconds now) const;
  void set(std::string_view unique_id, Seconds since);
  [[nodiscard]] bool operator==(const RetrievalRecord&) const = default;

 private:
  std::map<std::string, Seconds, std::less<>> times_;
};

}  // namespace pop
