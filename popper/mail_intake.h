#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"
#include "mail/dotted_text.h"

namespace pop {

/// The message of XTND XMIT on its way from the client into a file without a name, so that nothing
/// is left behind whatever happens.
class MailIntake {
 public:
  /// In the first of `directories` where a file can be made.
  [[nodiscard]] static Result<MailIntake> open(Disk& disk,
                                               std::span<const std::filesystem::path> directories,
                                               FileBytes most);

  /// Returns how many octets of the piece are the message's and its end's. What cannot be stored
  /// is still read to its end.
  [[nodiscard]] std::size_t feed(std::string_view piece);
  [[nodiscard]] bool has_ended() const { return text_.has_ended(); }

  /// Afterwards. More than `most`:
  [[nodiscard]] bool is_too_large() const { return stored_ > most_; }
  /// Why it could not be stored.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] const Fd& file() const { return file_; }
  [[nodiscard]] FileBytes size() const { return stored_; }

 private:
  MailIntake(Disk& disk, Fd file, FileBytes most)
      : disk_{&disk}, file_{std::move(file)}, most_{most} {}

  Disk* disk_;
  Fd file_;
  FileBytes most_, stored_;
  DottedText text_;
  std::string decoded_;
  std::optional<Error> failure_;
};

}  // namespace pop
