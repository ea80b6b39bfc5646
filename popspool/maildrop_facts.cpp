#include "popspool/maildrop_facts.h"

#include <algorithm>

#include "base/text.h"
#include "mail/server_ids.h"
#include "mail/unique_id.h"
#include "popspool/message_reading.h"
#include "store/maildir_location.h"
#include "store/maildir_name.h"
#include "store/maildrop_location.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr int views_at_most = 10;
constexpr std::size_t tpop3d_octets = 512;

std::string_view header_of(std::string_view content) {
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = content.find('\n', at);
    if (end == content.npos) break;
    if (end == at || (end == at + 1 && content[at] == '\r')) return content.substr(0, at);
    at = end + 1;
  }
  return content;
}

std::optional<std::uint32_t> number_of(std::string_view digits) {
  const std::optional<std::uint64_t> number = decimal(digits);
  if (!number || *number == 0 || *number > 0xFFFFFFFF) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

/// "1234567890 0000000042 keywords": the first two.
struct ImapBase {
  std::uint32_t uidvalidity = 0, last_uid = 0;
};
std::optional<ImapBase> imap_base(std::string_view header) {
  std::optional<std::string> value = first_value(header, "X-IMAPbase");
  if (!value) value = first_value(header, "X-IMAP");
  if (!value) return std::nullopt;
  const std::string_view text = *value;
  const std::size_t blank = std::min(text.find(' '), text.size());
  const std::string_view rest = trimmed(text.substr(blank));
  const std::optional<std::uint32_t> validity = number_of(text.substr(0, blank));
  const std::optional<std::uint64_t> last =
      decimal(rest.substr(0, std::min(rest.find(' '), rest.size())));
  if (!validity || !last || *last > 0xFFFFFFFF) return std::nullopt;
  return ImapBase{*validity, static_cast<std::uint32_t>(*last)};
}

/// Of the first message of the spool file, which may be hidden.
Result<std::optional<ImapBase>> imap_base_of(const MaildropContext& context, const MailUser& user) {
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<Fd> spool = open_mail_file(context.disk, location->spool, O_RDONLY, user.uid,
                                          Exposure::not_writable_by_others);
  if (!spool && spool.error().code == Errc::not_found) return std::nullopt;
  if (!spool) return std::unexpected(spool.error());
  std::string head(std::size_t{256} * 1024, '\0');
  const Result<std::size_t> got = context.disk.read(*spool, head, {0});
  if (!got) return std::unexpected(got.error());
  return imap_base(header_of(std::string_view{head}.substr(0, *got)));
}

IdFacts facts_of_message(const ViewedMessage& viewed, const std::string& separator,
                              std::string_view content) {
  const std::string_view header = header_of(content);
  IdFacts facts;
  const std::string native = recipe_id(UniqueIdRecipe::native, separator, header);
  facts.listed = {std::string{viewed.unique_id}, viewed.size.count, native};
  const std::optional<std::string> stored = first_value(header, "X-UIDL");
  if (stored && is_valid_unique_id(*stored)) facts.stored_id = *stored;
  facts.content_id = facts.stored_id.empty() ? native : facts.stored_id;
  facts.qpopper_id = recipe_id(UniqueIdRecipe::qpopper, separator, header);
  facts.qpopper_old_id = recipe_id(UniqueIdRecipe::qpopper_old, separator, header);
  facts.popa3d_id = popa3d_id(header);
  facts.dovecot_md5 = dovecot_header_md5(header);
  const std::string head = separator + "\n" + std::string{content.substr(0, tpop3d_octets)};
  facts.tpop3d_md5 = md5_in_hex(std::string_view{head}.substr(0, tpop3d_octets));
  if (const std::optional<std::string> uid = first_value(header, "X-UID")) {
    facts.uid = number_of(*uid);
  }
  return facts;
}

/// UIDs that do not rise, or were never given, are forged.
void leave_out_wrong_uids(MaildropIdFacts& facts, std::uint32_t last_uid) {
  std::uint32_t before = 0;
  for (IdFacts& message : facts.messages) {
    if (!message.uid) continue;
    if (*message.uid <= before || *message.uid > last_uid) {
      message.uid.reset();
    } else {
      before = *message.uid;
    }
  }
}

/// Opens the directories of a Maildir, to look at the times of its files.
Result<std::optional<MaildirLocation>> maildir_of(const MaildropContext& context,
                                                  const MailUser& user) {
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  return locate_maildir(context.disk, context.settings, user, *location);
}

Result<void> add_file_facts(const MaildropContext& context, const MaildirLocation& maildir,
                            std::string_view file, IdFacts& facts) {
  const std::size_t slash = file.find('/');
  const std::string name{file.substr(slash + 1)};
  const MaildirPlace place =
      file.substr(0, slash) == "new" ? MaildirPlace::fresh : MaildirPlace::seen;
  facts.base = parse_maildir_name(name).base;
  const Result<FileStatus> status = context.disk.status(maildir.places[place].get(), name);
  if (!status && status.error().code == Errc::not_found) {
    return fail(Errc::changed, name + " was renamed or removed by another program");
  }
  if (!status) return std::unexpected(status.error());
  facts.modified_seconds = status->modified.tv_sec;
  facts.modified_nanoseconds = status->modified.tv_nsec;
  return {};
}

}  // namespace

IdListing MaildropIdFacts::listing() const {
  IdListing listing;
  listing.reserve(messages.size());
  for (const IdFacts& message : messages) listing.push_back(message.listed);
  return listing;
}

Result<MaildropIdFacts> facts_of(const MaildropContext& context, const MailUser& user,
                               SpoolView& view) {
  MaildropIdFacts facts;
  facts.format = view.format();
  std::optional<MaildirLocation> maildir;
  if (facts.format == MailFormat::maildir && !view.messages().empty()) {
    Result<std::optional<MaildirLocation>> found = maildir_of(context, user);
    if (!found) return std::unexpected(std::move(found).error());
    maildir = std::move(*found);
  }
  for (std::size_t i = 0; i < view.messages().size(); ++i) {
    const MessageNumber number{static_cast<std::uint32_t>(i + 1)};
    const Result<std::unique_ptr<MessageReader>> reader = view.open(number);
    if (!reader) return std::unexpected(reader.error());
    const Result<std::string> content = read_all(**reader, Extent::header);
    if (!content) return std::unexpected(content.error());
    const Result<std::string> separator = view.separator(number);
    if (!separator) return std::unexpected(separator.error());
    const ViewedMessage& viewed = view.messages()[i];
    facts.messages.push_back(facts_of_message(viewed, *separator, *content));
    if (!maildir) continue;
    Result<void> added = add_file_facts(context, *maildir, viewed.file, facts.messages.back());
    if (!added) return std::unexpected(std::move(added).error());
  }
  if (facts.format == MailFormat::maildir) return facts;
  const Result<std::optional<ImapBase>> base = imap_base_of(context, user);
  if (!base) return std::unexpected(base.error());
  if (*base) facts.uidvalidity = (*base)->uidvalidity;
  leave_out_wrong_uids(facts, *base ? (*base)->last_uid : 0);
  return facts;
}

Result<ViewedFacts> view_facts(const MaildropContext& context, const MailUser& user) {
  for (int views = 1;; ++views) {
    Result<std::unique_ptr<SpoolView>> view = view_maildrop(context, user);
    if (!view) return std::unexpected(std::move(view).error());
    Result<MaildropIdFacts> facts = facts_of(context, user, **view);
    if (facts) return ViewedFacts{std::move(*view), std::move(*facts)};
    if (facts.error().code != Errc::changed || views == views_at_most) {
      return std::unexpected(std::move(facts).error());
    }
  }
}

}  // namespace pop
