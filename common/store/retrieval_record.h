#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "mail/mbox_scanner.h"
#include "store/maildrop_location.h"

namespace pop {

/// Since when messages of a maildrop are known to be retrieved, or at least to be there, by
/// unique-id: neither a Status: field nor a Maildir's flag tells when. A hint that only ever keeps
/// mail longer: without the file the time counts anew. Layout in popper-formats(5).
class RetrievalRecord {
 public:
  using Seconds = std::int64_t;  // since 1970
  enum class State : std::uint8_t { listed, retrieved };
  struct Entry {
    State state = State::listed;
    Seconds since = 0;
    std::string content{};  // a content_mark(): a sender may write the unique-id of another message
    /// Whether it may tell of a message with this mark: one of the two is empty, or they agree.
    [[nodiscard]] bool fits(std::string_view mark) const;
    [[nodiscard]] bool operator==(const Entry&) const = default;
  };

  /// Lines that are not understood count as missing.
  [[nodiscard]] static RetrievalRecord parse(std::string_view content);
  [[nodiscard]] std::string serialised() const;

  /// nullopt when there is no file, or none that may be trusted.
  [[nodiscard]] static std::optional<RetrievalRecord> find(Disk& disk, const FilePlace& place,
                                                           uid_t owner);
  /// Replaces the file in one step, durably. An empty record has a file, too: it says that sessions
  /// shall note what they retrieve.
  [[nodiscard]] Result<void> save(Disk& disk, const FilePlace& place) const;

  /// Its 32 hex digits; empty where nobody has read the message.
  [[nodiscard]] static std::string content_mark(const Fingerprint& fingerprint);

  /// When the message was first seen to be retrieved: now, unless that is on record.
  [[nodiscard]] Seconds since(std::string_view unique_id, std::string_view mark, Seconds now) const;
  /// What is on record of the message that has this unique-id and this content.
  [[nodiscard]] std::optional<Entry> entry(std::string_view unique_id, std::string_view mark) const;
  void set(std::string_view unique_id, Entry entry);
  [[nodiscard]] bool operator==(const RetrievalRecord&) const = default;

 private:
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace pop
