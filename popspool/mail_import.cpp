// A second import must add nothing, also after one that was broken off, so a message is added only
// if none there is equal to it, fields of bookkeeping aside; of equal ones in the export as many
// are wanted as it has. Unique-ids travel inside the messages as X-UIDL:, so that they are there
// exactly when the messages are.

#include "popspool/mail_import.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mail/from_line.h"
#include "mail/incoming_text.h"
#include "mail/sha256.h"
#include "popspool/message_essence.h"
#include "popspool/message_reading.h"
#include "store/append_buffer.h"
#include "store/delivery.h"
#include "store/maildir_location.h"
#include "store/maildrop_location.h"
#include "store/spool_view.h"

namespace pop {
namespace {

/// A header without the fields that belong to another maildrop, and what was in it.
struct CleanText {
  std::string text;
  bool says_retrieved = false;
};

bool is_left_out(std::string_view name, bool keeps_status) {
  switch (bookkeeping_of(name)) {
    case Bookkeeping::unique_id:
    case Bookkeeping::imap:
      return true;
    case Bookkeeping::content_length:
      return equal_ignoring_case(name, "Content-Length");
    case Bookkeeping::status:
      return !keeps_status && equal_ignoring_case(name, "Status");
    case Bookkeeping::none:
      break;
  }
  return false;
}

CleanText cleaned(std::string_view content, bool keeps_status) {
  CleanText clean;
  bool leaves_out = false;
  while (!content.empty() && !content.starts_with('\n') && !content.starts_with("\r\n")) {
    const std::size_t end = std::min(content.find('\n'), content.size() - 1) + 1;
    const std::string_view line = content.substr(0, end);
    const bool goes_on = line.front() == ' ' || line.front() == '\t';
    if (!goes_on) {
      const std::string_view name = bookkeeping_name(line);
      leaves_out = is_left_out(name, keeps_status);
      if (equal_ignoring_case(name, "Status") && line.find('R') != line.npos) {
        clean.says_retrieved = true;
      }
    }
    if (!leaves_out) clean.text += line;
    content.remove_prefix(end);
  }
  clean.text += content;
  return clean;
}

/// A line in front of a continuation line would be continued by it.
bool can_carry_fields(std::string_view content) {
  return !content.starts_with(' ') && !content.starts_with('\t');
}

std::string quoted(std::string_view text, SpoolFormat format) {
  std::string out;
  SeparatorQuoting quoting{format};
  quoting.feed(text, out);
  quoting.finish(out);
  return out;
}

/// Whether a line in it would be taken for a separator. A message of an mbox may have one where a
/// Content-Length: said so.
bool holds_from_line(std::string_view text) {
  bool after_empty = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (after_empty && is_from_line(line)) return true;
    after_empty = line.empty();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

/// Equal for equal messages, whether they lie in a spool or in a Maildir.
std::string identity_of(std::string_view content) {
  return sha256_of(essence_of(quoted(content, SpoolFormat::mbox)).text);
}

/// What becomes of each message of the source.
struct Fate {
  enum class Kind : std::uint8_t { add, there, there_under_another_id };
  Kind kind = Kind::add;
  bool keeps_id = false;
};

struct Identified {
  std::string identity, unique_id;
};

/// Compares the source with what is there.
class ImportPlanner {
 public:
  explicit ImportPlanner(Sameness sameness) : sameness_{sameness} {}

  void add_present(Identified message) {
    ids_.insert(message.unique_id);
    present_[std::move(message.identity)].insert(std::move(message.unique_id));
  }

  /// Ids of messages there that stand for one of the source; after plan().
  [[nodiscard]] const std::set<std::string>& met() const { return met_; }

  std::vector<Fate> plan(const std::vector<Identified>& source) {
    std::vector<Fate> fates(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (take(source[i], source[i].unique_id)) fates[i].kind = Fate::Kind::there;
    }
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (fates[i].kind == Fate::Kind::add) fates[i].kind = kind_of(source[i]);
    }
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (fates[i].kind != Fate::Kind::add || source[i].unique_id.empty()) continue;
      fates[i].keeps_id = ids_.insert(source[i].unique_id).second;
    }
    return fates;
  }

 private:
  bool take(const Identified& message, const std::string& id) {
    const auto equal = present_.find(message.identity);
    if (equal == present_.end()) return false;
    if (equal->second.erase(id) == 0) return false;
    met_.insert(id);
    return true;
  }
  Fate::Kind kind_of(const Identified& message) {
    const bool is_free = !message.unique_id.empty() && !ids_.contains(message.unique_id);
    if (sameness_ == Sameness::unique_id && is_free) return Fate::Kind::add;
    const auto equal = present_.find(message.identity);
    if (equal == present_.end() || equal->second.empty()) return Fate::Kind::add;
    met_.insert(*equal->second.begin());
    equal->second.erase(equal->second.begin());
    return message.unique_id.empty() ? Fate::Kind::there : Fate::Kind::there_under_another_id;
  }

  Sameness sameness_;
  std::set<std::string> ids_, met_;
  std::map<std::string, std::set<std::string>> present_;  // ids by identity
};

class Import {
 public:
  Import(const MaildropContext& context, const MailUser& user, const ImportTerms& terms,
         MailSource& source)
      : context_{context}, user_{user}, terms_{terms}, source_{source} {}

  Result<ImportedMail> run() {
    Result<MaildropLocation> location = locate_maildrop(context_.disk, context_.settings, user_);
    if (!location) return std::unexpected(std::move(location).error());
    const bool is_real = terms_.mode == RunMode::real;
    // Everything in the source is checked before the maildrop is touched.
    if (Result<void> read = read_source(); !read) return std::unexpected(std::move(read).error());
    std::unique_ptr<Maildrop> session;  // keeps others out; what is due before is done by it
    if (is_real) {
      Settings settings = context_.settings;
      settings.server_mode = true;
      Result<std::unique_ptr<Maildrop>> opened =
          open_maildrop({settings, context_.disk, context_.clock}, user_);
      if (!opened) return std::unexpected(std::move(opened).error());
      session = std::move(*opened);
    }
    Result<void> done = compare(*location);
    const bool adds = count(Fate::Kind::add) > 0;
    if (done && is_real && adds) {
      done = format_ == MailFormat::maildir ? into_maildir(*location) : into_spool(*location);
    }
    if (done && is_real) done = make_durable(*location, adds);
    if (done && is_real && terms_.finish) done = terms_.finish();
    if (!done) return std::unexpected(std::move(done).error());
    return result();
  }

 private:
  Result<void> read_source() {
    return source_.visit([this](const SourceMessage& message) -> Result<void> {
      identified_.push_back({identity_of(message.content),
                             can_carry_fields(message.content) ? message.unique_id : ""});
      return {};
    });
  }

  Result<void> compare(const MaildropLocation& location) {
    const Result<MailFormat> format = format_of_maildrop(context_, user_, location);
    if (!format) return std::unexpected(format.error());
    format_ = *format;
    const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context_, user_);
    if (!view) return std::unexpected(view.error());
    done_.remarks.assign((*view)->remarks().begin(), (*view)->remarks().end());
    if ((*view)->spool_format() == SpoolFormat::mmdf) spool_format_ = SpoolFormat::mmdf;
    ImportPlanner planner{terms_.sameness};
    for (std::uint32_t i = 1; i <= (*view)->messages().size(); ++i) {
      const Result<std::unique_ptr<MessageReader>> reader = (*view)->open({i});
      if (!reader) return std::unexpected(reader.error());
      const Result<std::string> stored = read_all(**reader, Extent::whole);
      if (!stored) return std::unexpected(stored.error());
      planner.add_present(
          {identity_of(*stored), std::string{(*view)->messages()[i - 1].unique_id}});
    }
    fates_ = planner.plan(identified_);
    for (const ViewedMessage& message : (*view)->messages()) {
      if (planner.met().contains(std::string{message.unique_id})) {
        met_files_.emplace_back(message.file);
      }
    }
    return {};
  }

  /// Whoever brought the messages that are there already may not have fsync'ed them, and the caller
  /// may be about to let the source go.
  Result<void> make_durable(const MaildropLocation& location, bool has_added) {
    if (met_files_.empty()) return {};
    Disk& disk = context_.disk;
    if (format_ == MailFormat::mbox) {
      if (has_added) return {};  // which has fsync'ed the spool
      return sync_file(location.spool.directory(), location.spool.name, location.spool.directory());
    }
    const Result<std::optional<MaildirLocation>> maildir =
        locate_maildir(disk, context_.settings, user_, location);
    if (!maildir) return std::unexpected(maildir.error());
    if (!*maildir) return fail(Errc::changed, location.spool.path() + " is not there any more");
    for (const std::string& file : met_files_) {
      const Fd& directory =
          file.starts_with("cur/") ? (*maildir)->places.seen : (*maildir)->places.fresh;
      Result<void> done = sync_file(directory.get(), file.substr(4), directory.get());
      if (!done) return done;
    }
    return {};
  }

  Result<void> sync_file(int directory, const std::string& name, int above) {
    const Result<Fd> file = context_.disk.open(directory, name, O_RDONLY);
    if (!file) return std::unexpected(file.error());
    Result<void> done = context_.disk.sync(*file);
    return done ? context_.disk.sync_directory(above) : done;
  }

  /// Calls `take` for each message to be added. The source is read once more, and may have changed.
  Result<void> for_each_added(const std::function<Result<void>(const SourceMessage&, Fate)>& take) {
    std::size_t at = 0;
    Result<void> done = source_.visit([&](const SourceMessage& message) -> Result<void> {
      if (at == fates_.size() || identity_of(message.content) != identified_[at].identity) {
        return fail(Errc::changed, "the mail to import was changed; nothing was imported");
      }
      const Fate fate = fates_[at++];
      return fate.kind == Fate::Kind::add ? take(message, fate) : Result<void>{};
    });
    if (!done || at == fates_.size()) return done;
    return fail(Errc::changed, "the mail to import was changed; nothing was imported");
  }

  [[nodiscard]] std::string fields_of(const SourceMessage& message, Fate fate) const {
    return fate.keeps_id ? "X-UIDL: " + message.unique_id + "\n" : "";
  }

  Result<void> into_spool(const MaildropLocation& location) {
    const Result<Fd> file = context_.disk.open_unnamed(location.drop.directory(), 0600);
    if (!file) return std::unexpected(file.error());
    AppendBuffer buffer{context_.disk, *file, {0}};
    Result<void> done = for_each_added([&](const SourceMessage& message, Fate fate) {
      return buffer.append(in_spool(message, fate));
    });
    if (done) done = buffer.flush();
    if (!done) return done;
    return append_to_spool(context_, user_, location, {*file, buffer.end(), spool_format_});
  }

  [[nodiscard]] std::string in_spool(const SourceMessage& message, Fate fate) const {
    using std::chrono::seconds, std::chrono::system_clock;
    CleanText clean = cleaned(message.content, true);
    const bool is_wrong = clean.says_retrieved != message.retrieved;
    if (is_wrong) clean = cleaned(message.content, false);
    const bool marks = is_wrong && message.retrieved && can_carry_fields(clean.text);
    const bool is_mmdf = spool_format_ == SpoolFormat::mmdf;
    const bool is_to_quote = is_mmdf || message.separator.empty() || holds_from_line(clean.text);
    const auto delivered = message.delivered ? system_clock::time_point{seconds{*message.delivered}}
                                             : context_.clock.wall();
    std::string text = is_mmdf ? "\1\1\1\1\n" : "";
    text += message.separator.empty() ? make_from_line("", delivered) : message.separator + "\n";
    text += fields_of(message, fate) + (marks ? "Status: RO\n" : "") +
            (is_to_quote ? quoted(clean.text, spool_format_) : clean.text);
    if (!text.ends_with('\n')) text += '\n';
    if (is_mmdf) return text + "\1\1\1\1\n";
    return text.ends_with("\n\n") || text.ends_with("\n\r\n") ? text : text + "\n";
  }

  Result<void> into_maildir(const MaildropLocation& location) {
    return add_to_maildir(context_, user_, location, [&](const AddPrepared& add) {
      return for_each_added([&](const SourceMessage& message, Fate fate) {
        return add({.content = fields_of(message, fate) + cleaned(message.content, true).text,
                    .delivered = message.delivered,
                    .retrieved = message.retrieved,
                    .marks = message.marks});
      });
    });
  }

  [[nodiscard]] std::size_t count(Fate::Kind kind) const {
    return static_cast<std::size_t>(std::ranges::count(fates_, kind, &Fate::kind));
  }

  [[nodiscard]] ImportedMail result() {
    done_.added = count(Fate::Kind::add);
    done_.there_under_another_id = count(Fate::Kind::there_under_another_id);
    done_.there = count(Fate::Kind::there) + done_.there_under_another_id;
    for (std::size_t i = 0; i < fates_.size(); ++i) {
      const bool had_one = !identified_[i].unique_id.empty();
      if (fates_[i].kind == Fate::Kind::add && had_one && !fates_[i].keeps_id) ++done_.ids_taken;
    }
    return std::move(done_);
  }

  const MaildropContext& context_;
  const MailUser& user_;
  const ImportTerms& terms_;
  MailSource& source_;
  MailFormat format_ = MailFormat::mbox;
  SpoolFormat spool_format_ = SpoolFormat::mbox;
  std::vector<Identified> identified_;  // of the source
  std::vector<Fate> fates_;
  std::vector<std::string> met_files_;  // of messages that are there; in a spool all are empty
  ImportedMail done_;
};

}  // namespace

std::string ids_taken_text(std::size_t ids_taken) {
  if (ids_taken == 1) {
    return "1 message gets a new unique-id: another one there has the one that it had";
  }
  return std::to_string(ids_taken) +
         " messages get a new unique-id: other ones there have those that they had";
}

Result<ImportedMail> import_mail(const MaildropContext& context, const MailUser& user,
                                 const ImportTerms& terms, MailSource& source) {
  return Import{context, user, terms, source}.run();
}

}  // namespace pop
