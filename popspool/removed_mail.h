#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "popspool/mail_import.h"
#include "popspool/mail_source.h"
#include "store/trash.h"

namespace pop {

/// What expire or dedupe have kept for undo, as mail to import. A damaged message is left out and
/// told; so is a rest of the file that cannot be read, as one.
class RemovedMailSource final : public MailSource {
 public:
  using Tell = std::function<void(const std::string& sentence)>;

  /// nullptr: nothing is kept. Errors as of Trash::open(); Errc::corrupt also: none of it can be read.
  [[nodiscard]] static Result<std::unique_ptr<RemovedMailSource>> open(Disk& disk,
                                                                       const FilePlace& place,
                                                                       uid_t owner);

  /// Each damaged message once.
  void on_damage(Tell tell) { tell_ = std::move(tell); }
  [[nodiscard]] Result<void> visit(const Visit& visit) override;
  [[nodiscard]] bool has_manifest() const override { return true; }

  [[nodiscard]] std::int64_t removed_at() const { return trash_.messages().front().deleted; }
  [[nodiscard]] std::uint64_t damaged() const { return damaged_; }
  /// Removes the file, durably, unless another one stands there by now.
  [[nodiscard]] Result<void> drop();

 private:
  RemovedMailSource(Disk& disk, FilePlace place, FileStatus status, Trash trash)
      : disk_{&disk}, place_{std::move(place)}, status_{status}, trash_{std::move(trash)} {}

  Disk* disk_;
  FilePlace place_;
  FileStatus status_;
  Trash trash_;
  Tell tell_;
  std::uint64_t damaged_ = 0;
};

/// Puts it behind the mail of the maildrop, each message under its unique-id, and drops the source
/// unless a message is damaged. What is there is not added: a crash only means doing it again.
/// Errors as of import_mail().
[[nodiscard]] Result<ImportedMail> bring_back(const MaildropContext& context, const MailUser& user,
                                              RunMode mode, RemovedMailSource& source);

}  // namespace pop
