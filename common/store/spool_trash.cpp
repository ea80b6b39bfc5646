#include "store/spool_trash.h"

#include <chrono>

#include "store/file_pieces.h"

namespace pop {
namespace {

TrashedForm form_of(SpoolFormat format) {
  return format == SpoolFormat::mmdf ? TrashedForm::mmdf : TrashedForm::mbox;
}

/// Puts what is erased into the trash, durably, before anything of the spool is touched.
class TrashFiller {
 public:
  TrashFiller(const MaildropContext& context, const MaildropLocation& location, uid_t owner,
              SpoolLock& lock, const SpoolListing& listing)
      : context_{context}, place_{location.trash}, owner_{owner}, lock_{lock}, listing_{listing} {}

  Result<std::optional<Trash>> keep(const std::vector<bool>& erase) {
    const std::vector<TrashedMessage> coming = messages_of(erase);
    if (coming.empty()) return std::nullopt;
    FileBytes size;
    for (const TrashedMessage& message : coming) size += message.size();
    Disk& disk = context_.disk;
    Result<void> done =
        make_room_in_trash(disk, context_.clock, context_.settings, place_, owner_, size);
    if (!done) return std::unexpected(std::move(done).error());
    Result<Trash> trash = Trash::open_to_add(disk, place_, owner_);
    if (!trash) return std::unexpected(std::move(trash).error());
    done = trash->reserve(coming);
    for (const TrashedMessage& message : coming) {
      if (done) done = add(*trash, message);
    }
    if (done) done = trash->finish();
    if (done) return std::optional<Trash>{std::move(*trash)};
    (void)trash->withdraw();
    return std::unexpected(std::move(done).error());
  }

 private:
  /// With `at` in the spool.
  std::vector<TrashedMessage> messages_of(const std::vector<bool>& erase) {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch());
    std::vector<TrashedMessage> all, fitting;
    for (std::size_t i = 0; i < listing_.messages.size(); ++i) {
      if (!erase[i]) continue;
      const SpoolMessage& message = listing_.messages[i];
      all.push_back({.deleted = now.count(),
                     .delivered = 0,
                     .form = form_of(listing_.format),
                     .separator = message.header - message.separator,
                     .content = message.content_end - message.header,
                     .rest = message.end - message.content_end,
                     .unique_id = std::string{listing_.id_of(message)},
                     .at = message.separator});
    }
    for (const std::size_t i : fitting_trash(all, context_.settings)) fitting.push_back(all[i]);
    return fitting;
  }

  Result<void> add(Trash& trash, const TrashedMessage& message) {
    if (Result<void> begun = trash.begin(message); !begun) return begun;
    Result<void> copied = reader_.read(lock_.file(), message.at, message.at + message.size(),
                                       [&](std::string_view piece) {
                                         Result<void> put = trash.append(piece);
                                         return put ? lock_.refresh() : put;
                                       });
    return copied ? trash.end() : copied;
  }

  const MaildropContext& context_;
  const FilePlace& place_;
  uid_t owner_;
  SpoolLock& lock_;
  const SpoolListing& listing_;
  PieceReader reader_{context_.disk};
};

}  // namespace

Result<std::optional<Trash>> copy_to_trash(const MaildropContext& context,
                                           const MaildropLocation& location, uid_t owner,
                                           SpoolLock& lock, const SpoolListing& listing,
                                           const std::vector<bool>& erase) {
  Result<std::optional<Trash>> kept =
      TrashFiller{context, location, owner, lock, listing}.keep(erase);
  if (kept) return kept;
  return std::unexpected(std::move(kept).error().in("keep deleted messages"));
}

}  // namespace pop
