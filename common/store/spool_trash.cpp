#include "store/spool_trash.h"

#include <chrono>
#include <utility>

#include "store/file_pieces.h"

namespace pop {
namespace {

/// Of a journal: its head, and unique-ids that it stores.
constexpr FileBytes room_beside_mail{std::uint64_t{64} << 10};

TrashedForm form_of(SpoolFormat format) {
  return format == SpoolFormat::mmdf ? TrashedForm::mmdf : TrashedForm::mbox;
}

/// Puts what is erased into the trash, durably, before anything of the spool is touched.
class TrashFiller {
 public:
  TrashFiller(const MaildropContext& context, const FilePlace& place, uid_t owner, SpoolLock& lock,
              const SpoolListing& listing)
      : context_{context}, place_{place}, owner_{owner}, lock_{lock}, listing_{listing} {}

  Result<std::optional<Trash>> keep(const std::vector<bool>& erase) {
    const std::vector<TrashedMessage> coming = fitting(messages_of(erase));
    if (coming.empty()) return std::nullopt;
    FileBytes size;
    for (const TrashedMessage& message : coming) size += message.size();
    Disk& disk = context_.disk;
    Result<void> done =
        make_room_in_trash(disk, context_.clock, context_.settings, place_, owner_, size);
    if (!done) return std::unexpected(std::move(done).error());
    Result<Trash> trash = Trash::open_to_add(disk, place_, owner_);
    if (!trash) return std::unexpected(std::move(trash).error());
    done = fill(*trash, coming);
    if (done) return std::optional<Trash>{std::move(*trash)};
    return std::unexpected(std::move(done).error());
  }

  Result<bool> replace(const std::vector<bool>& erase) {
    const std::vector<TrashedMessage> coming = messages_of(erase);
    if (coming.empty()) return false;
    std::size_t left = coming.size();
    Result<void> done = replace_trash(
        context_.disk, place_, owner_, coming, [&](Trash& trash, const TrashedMessage& message) {
          Result<void> added = add(trash, message);
          return added && --left == 0 ? check_room_to_rewrite(erase) : added;
        });
    if (!done) return std::unexpected(std::move(done).error());
    return true;
  }

 private:
  /// With `at` in the spool.
  std::vector<TrashedMessage> messages_of(const std::vector<bool>& erase) {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch());
    std::vector<TrashedMessage> all;
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
    return all;
  }

  [[nodiscard]] std::vector<TrashedMessage> fitting(const std::vector<TrashedMessage>& all) const {
    std::vector<TrashedMessage> fitting;
    for (const std::size_t i : fitting_trash(all, context_.settings)) fitting.push_back(all[i]);
    return fitting;
  }

  Result<void> fill(Trash& trash, const std::vector<TrashedMessage>& coming) {
    Result<void> done = trash.reserve(coming);
    for (const TrashedMessage& message : coming) {
      if (done) done = add(trash, message);
    }
    if (done) done = trash.finish();
    if (!done) (void)trash.withdraw();
    return done;
  }

  /// What was kept before goes when the new file gets its name, so a removal for which there will
  /// be no room should fail sooner.
  Result<void> check_room_to_rewrite(const std::vector<bool>& erase) {
    FileBytes behind;  // what is kept behind the first that goes
    bool erases = false;
    for (std::size_t i = 0; i < listing_.messages.size(); ++i) {
      erases = erases || erase[i];
      const SpoolMessage& message = listing_.messages[i];
      if (erases && !erase[i]) behind += message.end - message.separator;
    }
    if (behind.count == 0) return {};
    const Result<Fd> file = context_.disk.open_unnamed(place_.directory(), 0600);
    if (!file) return std::unexpected(file.error());
    return context_.disk.reserve(*file, behind + room_beside_mail);
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
      TrashFiller{context, location.trash, owner, lock, listing}.keep(erase);
  if (kept) return kept;
  return std::unexpected(std::move(kept).error().in("keep deleted messages"));
}

Result<bool> copy_for_undo(const MaildropContext& context, const MaildropLocation& location,
                           uid_t owner, SpoolLock& lock, const SpoolListing& listing,
                           const std::vector<bool>& erase) {
  Result<bool> kept = TrashFiller{context, location.undo, owner, lock, listing}.replace(erase);
  if (kept) return kept;
  return std::unexpected(not_kept_for_undo(std::move(kept).error()));
}

Error not_kept_for_undo(Error error) {
  error = std::move(error).in("keep what goes, for undo");
  if (error.code == Errc::full) {
    error.text += "; nothing was removed: make room, or remove it with --no-undo";
  }
  return error;
}

}  // namespace pop
