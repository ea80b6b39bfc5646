#pragma once

#include <memory>

#include "base/read_only_disk.h"
#include "store/maildir_index.h"
#include "store/maildir_location.h"
#include "store/spool_view.h"

namespace pop {

/// A Maildir, or a folder of one, to look at; see SpoolView.
class MaildirView final : public SpoolView {
 public:
  /// As view_maildrop(); null when nothing stands there.
  [[nodiscard]] static Result<std::unique_ptr<SpoolView>> open(const MaildropContext& context,
                                                               const MailUser& user,
                                                               const MaildropLocation& spool);

  [[nodiscard]] Result<std::unique_ptr<MessageReader>> open(MessageNumber number) override;
  [[nodiscard]] Result<std::string> separator(MessageNumber number) override;
  [[nodiscard]] std::optional<std::int64_t> delivered(MessageNumber number) override;

 private:
  MaildirView(const MaildropContext& context, const MailUser& user, MaildirLocation location);

  Result<void> load();
  void fill_messages();
  Result<bool> is_as_listed(const MaildirMessage& message, const Fd& file,
                            const FileStatus& status);

  MaildropContext context_;
  ReadOnlyDisk disk_;
  MailUser user_;
  MaildirLocation location_;
  MaildirIndex index_;
  std::vector<std::uint32_t> order_;  // where in the listing each message number stands
  std::vector<std::string> files_;    // what ViewedMessage::file shows
};

}  // namespace pop
