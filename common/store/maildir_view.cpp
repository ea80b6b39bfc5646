#include "store/maildir_view.h"

#include "store/maildir_name.h"
#include "store/maildir_scan.h"
#include "store/message_readers.h"
#include "store/scan_options.h"

namespace pop {

Result<std::unique_ptr<SpoolView>> MaildirView::open(const MaildropContext& context,
                                                     const MailUser& user,
                                                     const MaildropLocation& spool) {
  ReadOnlyDisk disk{context.disk};
  Result<std::optional<MaildirLocation>> location =
      locate_maildir(disk, context.settings, user, spool);
  if (!location) return std::unexpected(std::move(location).error());
  if (!*location) return nullptr;
  std::unique_ptr<MaildirView> view{new MaildirView{context, user, std::move(**location)}};
  if (Result<void> loaded = view->load(); !loaded) {
    return std::unexpected(
        std::move(loaded).error().in("look at " + view->location_.root->path.native()));
  }
  return view;
}

MaildirView::MaildirView(const MaildropContext& context, const MailUser& user,
                         MaildirLocation location)
    : context_{context}, disk_{context.disk}, user_{user}, location_{std::move(location)} {
  format_ = MailFormat::maildir;
  session_lock_ = location_.drop;
}

Result<void> MaildirView::load() {
  const Result<FileStatus> root = disk_.status(location_.root->fd);
  if (!root) return std::unexpected(root.error());
  spool_ = *root;
  const UniqueIdRecipe recipe = scan_options(context_.settings).recipe;
  Result<MaildirIndex> index = MaildirIndex::load(disk_, location_.index, user_.uid);
  const bool is_there = index || index.error().code != Errc::not_found;
  const bool is_usable = index && index->recipe == recipe;
  if (is_usable) index_ = std::move(*index);
  index_.recipe = recipe;
  // Ids that would go on record do not: the disk refuses it.
  const Result<MaildirChange> change =
      refresh({disk_, context_.clock, location_, user_.uid}, index_);
  if (!change) return std::unexpected(change.error());
  if (!is_there) {
    index_state_ = IndexState::missing;
  } else if (!is_usable) {
    index_state_ = index ? IndexState::stale : IndexState::unusable;
  } else {
    index_state_ = *change == MaildirChange::none ? IndexState::fresh : IndexState::grown;
  }
  fill_messages();
  return {};
}

void MaildirView::fill_messages() {
  const MaildirListing& listing = index_.listing;
  hidden_ = listing.hidden.fresh + listing.hidden.seen;
  order_ = shown_order(listing);
  files_.reserve(order_.size());
  messages_.reserve(order_.size());
  for (const std::uint32_t index : order_) {
    const MaildirMessage& message = listing.messages[index];
    const std::string_view name = listing.name_of(message);
    files_.push_back(std::string{directory_name(message.place())} + "/" + std::string{name});
    messages_.push_back({.size = message.wire,
                         .stored = message.size,
                         .unique_id = listing.id_of(message),
                         .retrieved = parse_maildir_name(name).has_flag('S'),
                         .fingerprint = message.fingerprint,
                         .offset = {},
                         .file = files_.back()});
  }
}

Result<std::unique_ptr<MessageReader>> MaildirView::open(MessageNumber number) {
  const MaildirMessage& message = index_.listing.messages[order_[number.index()]];
  const auto changed = [&](std::string_view how) {
    return fail(Errc::changed, "message " + std::to_string(number.value) + " of " +
                                   location_.root->path.native() + " was " + std::string{how} +
                                   " by another program");
  };
  Result<Fd> file = disk_.open(location_.places[message.place()].get(),
                               std::string{index_.listing.name_of(message)}, O_RDONLY);
  if (!file && file.error().code == Errc::not_found) return changed("renamed or removed");
  if (!file) return std::unexpected(std::move(file).error());
  const Result<FileStatus> status = disk_.status(*file);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular()) return changed("altered");
  const Result<bool> same = is_as_listed(message, *file, *status);
  if (!same) return std::unexpected(same.error());
  if (!*same) return changed("altered");
  return open_file_message(disk_, std::move(*file), *status);
}

/// A new time alone means nothing: then the content decides.
Result<bool> MaildirView::is_as_listed(const MaildirMessage& message, const Fd& file,
                                       const FileStatus& status) {
  if (is_untouched(message, status)) return true;
  MessageScanner scanner{index_.recipe};
  const Result<ReadMessage> read =
      read_maildir_message(disk_, file, status, {}, scanner, Believe::only_content);
  if (!read) return std::unexpected(read.error());
  const bool is_proven = (message.flags & proven_flag) != 0;
  return read->message.wire == message.wire &&
         (!is_proven || read->message.fingerprint == message.fingerprint);
}

Result<std::string> MaildirView::separator(MessageNumber) {
  return std::string{};
}

std::optional<std::int64_t> MaildirView::delivered(MessageNumber number) {
  const std::uint64_t seconds = index_.listing.messages[order_[number.index()]].delivered;
  if (seconds == 0) return std::nullopt;
  return static_cast<std::int64_t>(seconds);
}

}  // namespace pop
