#include "store/unique_id_import.h"

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_replacement.h"
#include "base/text.h"
#include "mail/imported_ids.h"
#include "mail/unique_id.h"
#include "store/imported_ids_file.h"
#include "store/maildir_name.h"
#include "store/recorded_ids.h"
#include "store/scan_options.h"

namespace pop {
namespace {

constexpr int tries_at_most = 5;

Result<std::set<std::string_view>> distinct_ids(std::span<const WantedId> wanted) {
  std::set<std::string_view> ids;
  for (const WantedId& each : wanted) {
    if (!is_valid_unique_id(each.id)) {
      return fail(Errc::usage, "\"" + escaped(each.id) + "\" cannot be a unique-id");
    }
    if (!ids.insert(each.id).second) {
      return fail(Errc::usage, "two messages would have the unique-id " + each.id);
    }
  }
  return ids;
}

bool must_be_recorded(const WantedId& wanted) {
  return wanted.order != 0 || wanted.id != wanted.content_id;
}

Result<bool> has_format(const MaildropContext& context, const MailUser& user,
                        const MaildropLocation& location, MailFormat format) {
  const Result<MailFormat> now = format_of_maildrop(context, user, location);
  if (!now) return std::unexpected(now.error());
  return *now == format;
}

}  // namespace

Result<UniqueIdImport> UniqueIdImport::begin(const MaildropContext& context, const MailUser& user) {
  Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(std::move(location).error());
  for (int tries = 0; tries < tries_at_most; ++tries) {
    Result<std::optional<UniqueIdImport>> begun = begin_once(context, user, *location);
    if (!begun) return std::unexpected(std::move(begun).error());
    if (*begun) return *std::move(*begun);
  }
  return fail(Errc::busy, location->spool.path() + " is replaced again and again");
}

/// nullopt: it was converted between the look and the lock.
Result<std::optional<UniqueIdImport>> UniqueIdImport::begin_once(const MaildropContext& context,
                                                                 const MailUser& user,
                                                                 const MaildropLocation& location) {
  const Result<MailFormat> format = format_of_maildrop(context, user, location);
  if (!format) return std::unexpected(format.error());
  std::optional<MaildirLocation> maildir;
  if (*format == MailFormat::maildir) {
    Result<std::optional<MaildirLocation>> found =
        locate_maildir(context.disk, context.settings, user, location);
    if (!found) return std::unexpected(std::move(found).error());
    maildir = std::move(*found);
    if (!maildir) {
      return UniqueIdImport{context, user.uid, location, std::nullopt, std::nullopt};
    }
  }
  Result<SessionLock> session =
      SessionLock::acquire(context, maildir ? maildir->drop : location.drop, user);
  const Result<bool> in_place = maildir ? is_in_place(context.disk, location.spool, *maildir)
                                        : has_format(context, user, location, MailFormat::mbox);
  if (in_place && !*in_place) return std::nullopt;
  if (!session) return std::unexpected(std::move(session).error());
  if (!in_place) return std::unexpected(in_place.error());
  return UniqueIdImport{context, user.uid, location, std::move(maildir), std::move(*session)};
}

UniqueIdImport::UniqueIdImport(const MaildropContext& context, uid_t owner,
                               MaildropLocation location, std::optional<MaildirLocation> maildir,
                               std::optional<SessionLock> session)
    : context_{context},
      owner_{owner},
      location_{std::move(location)},
      maildir_{std::move(maildir)},
      session_{std::move(session)} {}

Result<void> UniqueIdImport::record(const SpoolView& view, std::span<const WantedId> wanted) {
  if (wanted.size() != view.messages().size()) {
    return fail(Errc::usage, "ids are wanted for another number of messages than there are");
  }
  if (!session_) return {};
  return maildir_ ? record_maildir(view, wanted) : record_spool(view, wanted);
}

/// One that cannot be opened at all is not used by sessions either.
Result<void> UniqueIdImport::drop_index(const FilePlace& index) {
  if (index.directory() < 0) return {};
  const Result<void> removed = context_.disk.remove(index.directory(), index.name);
  if (!removed && removed.error().code == Errc::not_found) return {};
  if (!removed) return removed;
  return context_.disk.sync_directory(index.directory());
}

Result<void> UniqueIdImport::record_spool(const SpoolView& view, std::span<const WantedId> wanted) {
  const Result<std::set<std::string_view>> ids = distinct_ids(wanted);
  if (!ids) return std::unexpected(ids.error());
  const Result<std::shared_ptr<const ImportedIds>> old =
      load_imported_ids(context_.disk, location_.uidl, owner_);
  if (!old) return std::unexpected(old.error());
  // Of equal messages all are recorded, or none: they are told apart by their order.
  std::set<Fingerprint> there, recorded;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    there.insert(view.messages()[i].fingerprint);
    if (must_be_recorded(wanted[i])) recorded.insert(view.messages()[i].fingerprint);
  }
  std::vector<ImportedIds::Entry> entries;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Fingerprint& fingerprint = view.messages()[i].fingerprint;
    if (!recorded.contains(fingerprint)) continue;
    entries.push_back({fingerprint, wanted[i].content_id, wanted[i].id});
  }
  if (*old) {
    for (const ImportedIds::Entry& entry : (*old)->entries()) {
      if (!there.contains(entry.fingerprint) && !ids->contains(entry.id)) entries.push_back(entry);
    }
  }
  if (Result<void> dropped = drop_index(location_.index); !dropped) return dropped;
  return replace_file(context_.disk,
                      {.directory = location_.uidl.directory(), .name = location_.uidl.name},
                      ImportedIds{std::move(entries)}.serialised());
}

Result<void> UniqueIdImport::record_maildir(const SpoolView& view,
                                            std::span<const WantedId> wanted) {
  const Result<std::set<std::string_view>> ids = distinct_ids(wanted);
  if (!ids) return std::unexpected(ids.error());
  const UniqueIdRecipe recipe = scan_options(context_.settings).recipe;
  Result<RecordedIds> recorded = RecordedIds::load(context_.disk, maildir_->ids, owner_, recipe);
  if (!recorded) return std::unexpected(std::move(recorded).error());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::string_view file = view.messages()[i].file;
    const std::string_view base = parse_maildir_name(file.substr(file.find('/') + 1)).base;
    if (!must_be_recorded(wanted[i]) && recorded->find(base) == nullptr) continue;
    recorded->record(base, {.id = wanted[i].id, .order = wanted[i].order});
  }
  if (Result<void> dropped = drop_index(maildir_->index); !dropped) return dropped;
  return recorded->save(context_.disk, maildir_->ids, recipe);
}

}  // namespace pop
