// A view has no dotlock: it would be a file. So it waits while somebody else's is there, takes the
// kernel's locks shared, and believes what it has read only if the spool looks the same afterwards.

#include "store/mbox_view.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "mail/from_line.h"
#include "store/backoff.h"
#include "store/imported_ids_file.h"
#include "store/scan_options.h"
#include "store/shared_locks.h"
#include "store/spool_file.h"
#include "store/spool_journal.h"

namespace pop {
namespace {

constexpr std::chrono::milliseconds longest_wait{5000};
constexpr int rewrites_at_most = 10;

}  // namespace

Result<std::unique_ptr<SpoolView>> MboxView::open(const MaildropContext& context,
                                                  const MailUser& user, MaildropLocation location) {
  std::unique_ptr<MboxView> view{new MboxView{context, user, std::move(location)}};
  if (Result<void> loaded = view->load(); !loaded) {
    return std::unexpected(std::move(loaded).error().in("look at " + view->location_.spool.path()));
  }
  return view;
}

MboxView::MboxView(const MaildropContext& context, const MailUser& user, MaildropLocation location)
    : context_{context},
      disk_{context.disk},
      user_{user},
      location_{std::move(location)},
      options_{scan_options(context.settings)} {
  session_lock_ = location_.drop;
  dotlock_ = location_.spool.sibling(location_.spool.name + ".lock");
  for (const std::string& remark : location_.remarks) remarks_.push_back(remark);
}

Result<void> MboxView::load() {
  const std::chrono::milliseconds wait = context_.settings.lock_wait;
  Backoff patience{context_.clock, std::min(wait, longest_wait)};
  for (int rewrites = 0; rewrites < rewrites_at_most;) {
    const bool is_locked = is_dotlocked();
    if (is_locked && patience.wait()) continue;
    const Result<Look> look = look_once();
    if (!look && look.error().code == Errc::busy) {
      if (patience.wait()) continue;
      const Result<Look> anyhow = read_listing();
      if (!anyhow) return std::unexpected(anyhow.error());
      if (*anyhow == Look::again) {
        ++rewrites;
        continue;
      }
      remarks_.push_back(look.error().text + ": what is shown may change at any moment");
    } else if (!look && look.error().code != Errc::changed) {
      return std::unexpected(look.error());
    } else if (!look || *look == Look::again) {
      ++rewrites;
      continue;
    }
    if (is_locked) {
      remarks_.push_back(
          location_.spool.path() +
          ".lock is held by another program: what is shown may change at any moment");
    }
    look_for_leftovers();
    fill_messages();
    return {};
  }
  return fail(Errc::changed, "another program rewrites it again and again");
}

/// Errc::busy: somebody holds the kernel's locks.
Result<MboxView::Look> MboxView::look_once() {
  Result<Fd> file =
      open_mail_file(disk_, location_.spool, O_RDONLY, user_.uid, Exposure::not_writable_by_others);
  if (!file && file.error().code == Errc::not_found) return Look::done;  // an empty maildrop
  if (!file) return std::unexpected(std::move(file).error());
  file_ = std::move(*file);
  SharedLocks locks{file_, context_.settings.lock_order};
  if (locks.take() == SharedLocks::Outcome::held_by_another) {
    return fail(Errc::busy, location_.spool.path() + " is locked by another program");
  }
  return read_listing();
}

Result<MboxView::Look> MboxView::read_listing() {
  const Result<FileStatus> before = disk_.status(file_);
  if (!before) return std::unexpected(before.error());
  if (Result<void> listed = list_by_index(*before); !listed) {
    const Result<FileStatus> now = disk_.status(file_);
    if (now && !is_same_state(*now, *before)) return Look::again;
    return std::unexpected(std::move(listed).error());
  }
  const Result<FileStatus> after = disk_.status(file_);
  if (!after) return std::unexpected(after.error());
  const Result<bool> named = is_still_named(disk_, file_, location_.spool);
  if (!named) return std::unexpected(named.error());
  if (!is_same_state(*before, *after) || !*named) return Look::again;
  spool_ = *before;
  return Look::done;
}

Result<void> MboxView::list_by_index(const FileStatus& now) {
  Result<SpoolIndex> index = SpoolIndex::load(disk_, location_.index, user_.uid);
  index_state_ =
      index ? IndexState::stale
            : (index.error().code == Errc::not_found ? IndexState::missing : IndexState::unusable);
  SpoolListing known;
  if (index) {
    const Result<SpoolIndex::Freshness> fresh = index->freshness(disk_, file_, now, options_);
    if (!fresh) return std::unexpected(fresh.error());
    if (*fresh == SpoolIndex::Freshness::exact) {
      index_state_ = IndexState::fresh;
      listing_ = std::move(index->listing);
      return {};
    }
    if (*fresh == SpoolIndex::Freshness::grown) {
      index_state_ = IndexState::grown;
      if (!context_.settings.conservative_cache) known = std::move(index->listing);
    }
  }
  Result<std::shared_ptr<const ImportedIds>> imported =
      load_imported_ids(disk_, location_.uidl, user_.uid);
  if (!imported) return std::unexpected(std::move(imported).error());
  options_.imported = std::move(*imported);
  Result<SpoolListing> listing =
      completed_listing(disk_, file_, now.size, options_, std::move(known));
  if (!listing) return std::unexpected(std::move(listing).error());
  listing_ = std::move(*listing);
  return {};
}

/// One that nobody has touched for long is nobody's: a session would break it.
bool MboxView::is_dotlocked() {
  const Result<FileStatus> there = disk_.status(dotlock_->directory(), dotlock_->name);
  if (!there || !there->is_regular()) return false;
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch());
  return now - std::chrono::seconds{there->modified.tv_sec} <=
         context_.settings.dotlock_stale_after;
}

void MboxView::look_for_leftovers() {
  const Result<bool> journal = journal_exists(disk_, location_.journal);
  if (journal && *journal) {
    remarks_.push_back(location_.journal.path() +
                       " is there: an update was interrupted, and the next session finishes it");
  }
  std::vector<FilePlace> drops{location_.drop};
  if (location_.old_drop) drops.push_back(*location_.old_drop);
  for (const FilePlace& drop : drops) {
    const Result<FileStatus> there = disk_.status(drop.directory(), drop.name);
    if (!there || !there->is_regular() || there->size.count == 0) continue;
    remarks_.push_back(drop.path() + " holds " + std::to_string(there->size.count) +
                       " bytes of mail that are not shown: the next session merges them");
  }
}

void MboxView::fill_messages() {
  spool_format_ = listing_.format;
  messages_.reserve(listing_.messages.size());
  for (const SpoolMessage& message : listing_.messages) {
    if ((message.flags & internal_flag) != 0) continue;
    messages_.push_back({.size = message.wire,
                         .stored = message.end - message.separator,
                         .unique_id = listing_.id_of(message),
                         .retrieved = (message.flags & retrieved_flag) != 0,
                         .fingerprint = message.fingerprint,
                         .offset = message.separator,
                         .file = {}});
  }
  hidden_ = listing_.messages.size() - messages_.size();
}

/// Only the first message can be hidden.
const SpoolMessage& MboxView::at(MessageNumber number) const {
  return listing_.messages[number.index() + hidden_];
}

SpoolSource MboxView::source() {
  return {.disk = disk_,
          .file = file_,
          .seen = *spool_,
          .format = listing_.format,
          .options = options_};
}

Result<std::unique_ptr<MessageReader>> MboxView::open(MessageNumber number) {
  // In place of the name another spool may stand by now; this one is still what was listed.
  return open_spool_message(
      source(), at(number),
      "message " + std::to_string(number.value) + " of " + location_.spool.path());
}

Result<std::string> MboxView::separator(MessageNumber number) {
  const SpoolMessage& message = at(number);
  std::string text(
      std::min<std::uint64_t>((message.header - message.separator).count, 2 * longest_from_line),
      '\0');
  const Result<std::size_t> got = disk_.read(file_, text, message.separator);
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  if (const std::size_t from_line = text.find("\nFrom "); from_line != std::string::npos) {
    text.erase(0, from_line + 1);  // behind MMDF's opening line
  }
  text.erase(std::min(text.find('\n'), text.size()));
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

std::optional<std::int64_t> MboxView::delivered(MessageNumber number) {
  const Result<std::string> line = separator(number);
  return line ? from_line_time(*line) : std::nullopt;
}

}  // namespace pop
