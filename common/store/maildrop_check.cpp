#include "store/maildrop_check.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "mail/defect_finder.h"
#include "store/backoff.h"
#include "store/imported_ids_file.h"
#include "store/maildrop_location.h"
#include "store/patched_file.h"
#include "store/scan_options.h"
#include "store/shared_locks.h"
#include "store/spool_file.h"
#include "store/spool_index.h"
#include "store/spool_journal.h"

namespace pop {
namespace {

constexpr std::chrono::milliseconds longest_wait{5000};
constexpr int rewrites_at_most = 10;

class SpoolCheck {
 public:
  SpoolCheck(const MaildropContext& context, const MailUser& user, MaildropLocation location)
      : context_{context}, disk_{context.disk}, user_{user}, location_{std::move(location)} {}

  Result<MaildropFindings> run() {
    found_.path = location_.spool.path();
    for (const std::string& remark : location_.remarks) found_.remarks.push_back(remark);
    found_.exists = check_place(location_.spool, Exposure::not_writable_by_others, "");
    if (found_.exists && found_.defects.empty()) {
      if (Result<void> read = read_spool(); !read) return std::unexpected(std::move(read).error());
    }
    check_leftovers();
    std::ranges::stable_sort(found_.defects, {}, [](const Defect& defect) {
      return defect.line > 0;  // what is about the files comes first
    });
    return std::move(found_);
  }

 private:
  void report(DefectKind kind, const FilePlace& place, std::string detail) {
    found_.defects.push_back({.kind = kind, .file = place.path(), .detail = std::move(detail)});
  }

  /// Whether there is such a file; reports what keeps its owner from using it.
  bool check_place(const FilePlace& place, Exposure exposure, std::string_view what) {
    const Result<FileStatus> status = disk_.status(place.directory(), place.name);
    if (!status) return false;
    const Result<void> fine = check_mail_file(*status, place, user_.uid, exposure);
    constexpr mode_t own = S_IRUSR | S_IWUSR;
    DefectKind kind = DefectKind::wrong_mode;
    if (!status->is_regular() || status->links != 1) {
      kind = DefectKind::no_plain_file;
    } else if (status->owner != user_.uid) {
      kind = DefectKind::wrong_owner;
    }
    if (!fine) {
      report(kind, place, std::string{what} + fine.error().text);
    } else if ((status->mode & own) != own) {
      report(DefectKind::wrong_mode, place, "its owner may not read and write it");
    }
    return true;
  }

  // The mail

  enum class Look : std::uint8_t { done, again, locked };

  Result<void> read_spool() {
    Backoff patience{context_.clock, std::min<std::chrono::milliseconds>(
                                         context_.settings.lock_wait, longest_wait)};
    for (int rewrites = 0; rewrites < rewrites_at_most;) {
      if (is_dotlocked() && patience.wait()) continue;
      const Result<Look> look = look_once();
      if (!look) return std::unexpected(look.error());
      if (*look == Look::done) return {};
      if (*look == Look::again) ++rewrites;
      if (*look == Look::locked && !patience.wait()) {
        return fail(Errc::busy, found_.path + " is locked by another program");
      }
    }
    return fail(Errc::changed, found_.path + ": another program rewrites it again and again");
  }

  /// One that is held, and not abandoned.
  bool is_dotlocked() {
    const Result<FileStatus> lock = dotlock_status();
    return lock && lock->is_regular() && age_of(*lock) <= context_.settings.dotlock_stale_after;
  }
  Result<FileStatus> dotlock_status() {
    return disk_.status(location_.spool.directory(), location_.spool.name + ".lock");
  }
  [[nodiscard]] std::chrono::seconds age_of(const FileStatus& status) const {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch());
    return now - std::chrono::seconds{status.modified.tv_sec};
  }

  Result<Look> look_once() {
    const Result<Fd> file = open_mail_file(disk_, location_.spool, O_RDONLY, user_.uid,
                                           Exposure::not_writable_by_others);
    if (!file && file.error().code == Errc::not_found) return Look::done;
    if (!file && file.error().code == Errc::changed) return Look::again;
    if (!file) return std::unexpected(file.error());
    SharedLocks locks{*file, context_.settings.lock_order};
    if (locks.take() == SharedLocks::Outcome::held_by_another) return Look::locked;
    const Result<FileStatus> before = disk_.status(*file);
    if (!before) return std::unexpected(before.error());
    Result<SpoolFindings> found = find_defects(*file, before->size);
    if (!found && found.error().code == Errc::changed) return Look::again;
    if (!found) return std::unexpected(std::move(found).error());
    const Result<FileStatus> after = disk_.status(*file);
    if (!after) return std::unexpected(after.error());
    if (!is_same_state(*before, *after)) return Look::again;
    take(*std::move(found), *file, *before);
    return Look::done;
  }

  Result<SpoolFindings> find_defects(const Fd& file, FileBytes size) {
    PatchedFile text{disk_, file, PatchedText{size}};
    DefectFinder finder{scan_options(context_.settings), text};
    text.read_all([&](std::string_view piece) { finder.feed(piece); });
    SpoolFindings found = finder.finish();
    if (Result<void> whole = text.failure(); !whole) {
      return std::unexpected(std::move(whole).error());
    }
    return found;
  }

  void take(SpoolFindings found, const Fd& file, const FileStatus& status) {
    found_.size = status.size;
    found_.spool_format = found.format;
    found_.messages = found.messages.size();
    found_.cut_off = found.cut_off;
    const bool readable = found.messages.empty() || found.messages.front().separator.count == 0;
    if (readable) check_index(file, status, found.messages);
    for (Defect& defect : found.defects) found_.defects.push_back(std::move(defect));
  }

  // The index

  void check_index(const Fd& file, const FileStatus& status,
                   const std::vector<ScannedMessage>& messages) {
    const Result<SpoolIndex> index = SpoolIndex::load(disk_, location_.index, user_.uid);
    if (!index) {
      if (index.error().code == Errc::corrupt) {
        report(DefectKind::damaged_index, location_.index, index.error().text);
      }
      return;
    }
    const Result<SpoolIndex::Freshness> fresh =
        index->freshness(disk_, file, status, scan_options(context_.settings));
    if (!fresh || *fresh != SpoolIndex::Freshness::exact) return;
    const Result<std::shared_ptr<const ImportedIds>> imported =
        load_imported_ids(disk_, location_.uidl, user_.uid);
    if (!imported) return;  // look_at_imported_ids() tells
    const std::string lie = first_lie(index->listing, messages, imported->get());
    if (!lie.empty()) report(DefectKind::lying_index, location_.index, lie);
  }

  static bool is_imported(const ImportedIds* imported, const ScannedMessage& message,
                          std::string_view natural, std::string_view id) {
    const auto is_this = [id](std::string_view other) { return other == id; };
    return imported != nullptr && imported->find(message.fingerprint, natural, is_this) != nullptr;
  }

  static std::string first_lie(const SpoolListing& listing,
                               const std::vector<ScannedMessage>& messages,
                               const ImportedIds* imported) {
    if (listing.messages.size() != messages.size()) {
      return "it lists " + std::to_string(listing.messages.size()) + " messages of " +
             std::to_string(messages.size());
    }
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const SpoolMessage& told = listing.messages[i];
      const ScannedMessage& true_one = messages[i];
      const bool same_place = told.separator == true_one.separator &&
                              told.header == true_one.header && told.body == true_one.body &&
                              told.content_end == true_one.content_end && told.end == true_one.end;
      const bool same_content = told.wire == true_one.wire &&
                                told.body_lines == true_one.body_lines &&
                                told.fingerprint == true_one.fingerprint;
      const bool same_flags = ((told.flags & retrieved_flag) != 0) == true_one.retrieved &&
                              ((told.flags & internal_flag) != 0) == true_one.folder_internal &&
                              header_kind_of(told) == true_one.kind;
      const std::string& natural =
          true_one.stored_id.empty() ? true_one.computed_id : true_one.stored_id;
      const bool same_id = (told.flags & settled_id_flag) == 0 || listing.id_of(told) == natural ||
                           is_imported(imported, true_one, natural, listing.id_of(told));
      if (same_place && same_content && same_flags && same_id) continue;
      return "message " + std::to_string(i + 1) + " is not as it says: " +
             (!same_place     ? "another place"
              : !same_content ? "another size or content"
              : !same_flags   ? "other flags"
                              : "another unique-id");
    }
    return {};
  }

  // What stands around the spool

  void check_leftovers() {
    check_drop(location_.drop);
    if (location_.old_drop) check_drop(*location_.old_drop);
    check_journal();
    look_at_imported_ids();
    const Result<FileStatus> lock = dotlock_status();
    if (lock && age_of(*lock) > context_.settings.dotlock_stale_after) {
      report(DefectKind::abandoned_lock, location_.spool.sibling(location_.spool.name + ".lock"),
             "not refreshed for " + std::to_string(age_of(*lock).count()) + " seconds");
    }
  }

  void check_drop(const FilePlace& drop) {
    if (!check_place(drop, Exposure::not_accessible_by_others, "")) return;
    const Result<FileStatus> status = disk_.status(drop.directory(), drop.name);
    if (!status || !status->is_regular() || status->size.count == 0) return;
    report(DefectKind::leftover_drop, drop, std::to_string(status->size.count) + " octets of mail");
  }

  void look_at_imported_ids() {
    if (!check_place(location_.uidl, Exposure::not_writable_by_others, "")) return;
    const Result<std::shared_ptr<const ImportedIds>> imported =
        load_imported_ids(disk_, location_.uidl, user_.uid);
    if (!imported || !*imported || (*imported)->not_understood() == 0) return;
    found_.remarks.push_back(location_.uidl.path() + ": " +
                             std::to_string((*imported)->not_understood()) +
                             " lines are not understood");
  }

  void check_journal() {
    const FilePlace build = location_.journal.sibling(journal_build_name(location_.journal));
    if (disk_.status(build.directory(), build.name)) {
      report(DefectKind::abandoned_build, build, "an update under way, or one that a crash ended");
    }
    const Result<JournalState> state = journal_state(disk_, location_.journal, user_.uid);
    if (!state) {
      report(DefectKind::damaged_journal, location_.journal, state.error().text);
    } else if (*state == JournalState::damaged) {
      report(DefectKind::damaged_journal, location_.journal, "its checksums are wrong");
    } else if (*state == JournalState::finished) {
      report(DefectKind::unfinished_journal, location_.journal,
             "an update that a crash ended, or one under way");
    }
  }

  const MaildropContext& context_;
  Disk& disk_;
  const MailUser& user_;
  MaildropLocation location_;
  MaildropFindings found_;
};

}  // namespace

Result<MaildropFindings> check_maildrop(const MaildropContext& context, const MailUser& user) {
  Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(std::move(location).error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (format && *format == MailFormat::maildir) return check_maildir(context, user, *location);
  Result<MaildropFindings> found = SpoolCheck{context, user, std::move(*location)}.run();
  if (!found) return std::unexpected(std::move(found).error().in("check"));
  return found;
}

}  // namespace pop
