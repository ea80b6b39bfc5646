#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/error.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"

namespace pop {

/// When users were told that messages will go, by unique-id. Without the file they are told anew,
/// and mail stays longer. Layout in popper-formats(5).
class WarningRecord {
 public:
  using Seconds = std::int64_t;  // since 1970

  /// Lines that are not understood count as missing.
  [[nodiscard]] static WarningRecord parse(std::string_view content);
  [[nodiscard]] std::string serialised() const;

  /// Empty when there is no file, or none that may be trusted.
  [[nodiscard]] static WarningRecord load(Disk& disk, const FilePlace& place, uid_t owner);
  /// Replaces the file in one step; an empty record removes it.
  [[nodiscard]] Result<void> save(Disk& disk, const FilePlace& place) const;

  /// 0: not told.
  [[nodiscard]] Seconds told_at(std::string_view unique_id) const;
  void set(std::string_view unique_id, Seconds told) {
    told_.insert_or_assign(std::string{unique_id}, told);
  }
  [[nodiscard]] bool operator==(const WarningRecord&) const = default;

 private:
  std::map<std::string, Seconds, std::less<>> told_;
};

/// A message that will go.
struct DoomedMessage {
  std::string unique_id, subject, sender;  // the latter two as a person reads them, UTF-8
  std::int64_t goes = 0;                   // seconds since 1970
};

/// Who is told, by whom and of what.
struct WarningFacts {
  std::string user, host;
  std::int64_t days = 0;  // of notice
  std::int64_t now = 0;   // seconds since 1970
};

/// What users are told, with {user}, {host}, {days}, {count}, {date} (of the first to go) and
/// {list}.
class WarningText {
 public:
  /// In English.
  WarningText();
  /// A file's: optional lines "From: ..." and "Subject: ..." with an empty line behind them, then
  /// the text; UTF-8. Errc::usage tells what is wrong.
  [[nodiscard]] static Result<WarningText> parse(std::string_view file);

  /// One message of all that will go, the first to go in front; at least one. Its unique-id depends
  /// on what they are only, so that another attempt does not add it twice.
  [[nodiscard]] OwnMessage message(const WarningFacts& facts,
                                   std::vector<DoomedMessage> doomed) const;

 private:
  std::string from_, subject_, text_;
};

/// Whether a message is such a one: nobody is warned of it.
[[nodiscard]] bool is_expiry_warning(std::string_view unique_id);

}  // namespace pop
