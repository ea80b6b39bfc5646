#pragma once

#include <memory>

#include "base/read_only_disk.h"
#include "store/message_readers.h"
#include "store/spool_index.h"
#include "store/spool_view.h"

namespace pop {

/// A spool file to look at; see SpoolView.
class MboxView final : public SpoolView {
 public:
  /// As view_maildrop(). `location` is the user's, by locate_maildrop().
  [[nodiscard]] static Result<std::unique_ptr<SpoolView>> open(const MaildropContext& context,
                                                               const MailUser& user,
                                                               MaildropLocation location);

  [[nodiscard]] Result<std::unique_ptr<MessageReader>> open(MessageNumber number) override;
  [[nodiscard]] Result<std::string> separator(MessageNumber number) override;
  [[nodiscard]] std::optional<std::int64_t> delivered(MessageNumber number) override;

  /// The listing behind messages(), hidden ones included, and the file it was read from.
  [[nodiscard]] const SpoolListing& listing() const { return listing_; }
  [[nodiscard]] const Fd& file() const { return file_; }

 private:
  MboxView(const MaildropContext& context, const MailUser& user, MaildropLocation location);

  enum class Look : std::uint8_t { done, again };
  Result<void> load();
  Result<Look> look_once();
  Result<Look> read_listing();
  Result<void> list_by_index(const FileStatus& now);
  [[nodiscard]] bool is_dotlocked();
  void look_for_leftovers();
  void fill_messages();
  [[nodiscard]] const SpoolMessage& at(MessageNumber number) const;
  [[nodiscard]] SpoolSource source();

  MaildropContext context_;
  ReadOnlyDisk disk_;
  MailUser user_;
  MaildropLocation location_;
  ScanOptions options_;
  Fd file_;
  SpoolListing listing_;
};

}  // namespace pop
