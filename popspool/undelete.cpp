// What is in the trash may stand in the maildrop as well: a crash came between the two, or somebody
// has brought it back before. So a message is brought back only if none there is equal to it, and
// the trash stays as it is.

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "mail/incoming_text.h"
#include "popspool/expiry.h"
#include "popspool/message_essence.h"
#include "popspool/message_reading.h"
#include "popspool/popspool.h"
#include "popspool/trash_place.h"
#include "store/delivery.h"
#include "store/leftover_mail.h"
#include "store/session_lock.h"
#include "store/spool_journal.h"
#include "store/trash.h"
#include "tool/counted.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// What the command line asks for.
struct Wanted {
  std::optional<std::chrono::seconds> since;
  std::vector<ExpiryRule> match;  // none, or one with a header condition
};

Result<Wanted> wanted_of(const UndeleteArguments& arguments) {
  Wanted wanted;
  if (arguments.since) {
    const Judged<std::chrono::seconds> since = parse_age(*arguments.since);
    if (!since) return fail(Errc::usage, "--since wants " + since.error());
    wanted.since = *since;
  }
  if (arguments.match) {
    const Judged<std::string> match = parse_header_condition(*arguments.match);
    if (!match) return fail(Errc::usage, "--match wants " + match.error());
    wanted.match.emplace_back().headers.push_back(*match);
  }
  return wanted;
}

/// Messages by what they are once a delivery has changed them: it takes a From_ line off and makes
/// line ends of one kind.
class KnownMail {
 public:
  /// False: it is known already.
  bool add(std::string_view stored) {
    std::string text;
    IncomingText incoming;
    incoming.feed(stored, text);
    incoming.finish(text);
    const Essence essence = essence_of(with_lf_only(without_from_lines(text)));
    return known_.emplace(digest_of(essence), essence.text.size()).second;
  }

 private:
  /// However many: each delivery takes one off.
  static std::string_view without_from_lines(std::string_view text) {
    while (text.starts_with("From ")) {
      text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    }
    return text;
  }

  static std::string with_lf_only(std::string_view stored) {
    std::string text;
    text.reserve(stored.size());
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if (stored[i] != '\r' || i + 1 == stored.size() || stored[i + 1] != '\n') text += stored[i];
    }
    return text;
  }

  std::map<Fingerprint, std::size_t> known_;
};

class Undeletion {
 public:
  Undeletion(const TargetRun& run, const Wanted& wanted, const HeaderConditions& headers)
      : run_{run}, context_{run.context}, wanted_{wanted}, headers_{headers} {}

  /// In a Maildir nothing but the session lock keeps a second undelete from bringing the same back;
  /// merge_all() leaves out what a spool has got meanwhile.
  Result<ExitStatus> work() {
    Result<std::optional<TrashPlace>> place = find_trash(context_, run_.user);
    if (!place) return std::unexpected(std::move(place).error());
    if (!*place) return finish();
    place_ = std::move(**place);
    std::optional<SessionLock> session;
    if (place_.format == MailFormat::maildir && run_.flags.mode == RunMode::real) {
      Result<SessionLock> taken = SessionLock::acquire(context_, place_.session, run_.user);
      if (!taken) return std::unexpected(std::move(taken).error());
      session.emplace(std::move(*taken));
    }
    Result<Trash> trash = Trash::open(context_.disk, place_.trash, run_.user.uid);
    if (!trash && trash.error().code == Errc::not_found) return finish();
    if (!trash) return std::unexpected(std::move(trash).error());
    Result<void> done = look_at_maildrop();
    if (done) done = choose(*trash);
    if (done && !chosen_.empty() && run_.flags.mode == RunMode::real) {
      done = place_.format == MailFormat::maildir ? deliver_all(*trash) : merge_all(*trash);
    }
    if (!done) return std::unexpected(std::move(done).error());
    return finish();
  }

 private:
  Result<void> look_at_maildrop() {
    const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context_, run_.user);
    if (!view) return std::unexpected(view.error());
    spool_format_ = (*view)->spool_format();
    for (std::uint32_t i = 1; i <= (*view)->messages().size(); ++i) {
      const Result<std::unique_ptr<MessageReader>> reader = (*view)->open({i});
      if (!reader) return std::unexpected(reader.error());
      const Result<std::string> stored = read_all(**reader, Extent::whole);
      if (!stored) return std::unexpected(stored.error());
      known_.add(*stored);
    }
    return {};
  }

  /// The form in which mail must lie in the trash to fit into this maildrop.
  [[nodiscard]] bool has_fitting_form(const TrashedMessage& message) {
    if (place_.format == MailFormat::maildir) return true;
    if (message.form == TrashedForm::maildir) return false;
    if (spool_format_ == SpoolFormat::empty) {
      spool_format_ = message.form == TrashedForm::mmdf ? SpoolFormat::mmdf : SpoolFormat::mbox;
    }
    return (message.form == TrashedForm::mmdf) == (spool_format_ == SpoolFormat::mmdf);
  }

  Result<void> choose(const Trash& trash) {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch());
    for (const TrashedMessage& message : trash.messages()) {
      if (wanted_.since && now.count() - message.deleted > wanted_.since->count()) continue;
      const Result<std::string> bytes = trash.read(message);
      if (!bytes && bytes.error().code == Errc::corrupt) {
        run_.output.complain(bytes.error().text);
        ++damaged_;
        continue;
      }
      if (!bytes) return std::unexpected(bytes.error());
      const std::string_view content = content_of(message, *bytes);
      if (!wanted_.match.empty()) {
        const Result<bool> fits = headers_.fit(0, content);
        if (!fits) return std::unexpected(fits.error());
        if (!*fits) continue;
      }
      if (!has_fitting_form(message)) {
        ++of_other_form_;
      } else if (!known_.add(content)) {
        ++there_;
      } else {
        chosen_.push_back(message);
      }
    }
    return {};
  }

  static std::string_view content_of(const TrashedMessage& message, std::string_view bytes) {
    return bytes.substr(message.separator.count, message.content.count);
  }

  /// As mail that a crash left outside the spool: in one step through the journal, byte for byte.
  Result<void> merge_all(const Trash& trash) {
    // What is due before is done by a session.
    Settings settings = context_.settings;
    settings.server_mode = true;
    const Result<std::unique_ptr<Maildrop>> before =
        open_maildrop({settings, context_.disk, context_.clock}, run_.user);
    if (!before) return std::unexpected(before.error());
    Disk& disk = context_.disk;
    Result<Fd> file = disk.open_unnamed(place_.session.directory(), 0600);
    if (!file) return std::unexpected(std::move(file).error());
    if (Result<void> built = build(trash, *file); !built) return built;
    // The session above keeps others out until this is done.
    Result<SpoolLock> lock = SpoolLock::acquire(context_, place_.location.spool, run_.user.uid,
                                                SpoolLock::Missing::create);
    if (!lock) return std::unexpected(std::move(lock).error());
    const Result<bool> journal = journal_exists(disk, place_.location.journal);
    if (!journal) return std::unexpected(journal.error());
    if (*journal) return fail(Errc::busy, "a delivery was interrupted just now; try again");
    return merge_leftover(context_, place_.location, run_.user.uid, *lock, *file,
                          LeftoverState::whole);
  }

  Result<void> build(const Trash& trash, const Fd& file) {
    AppendBuffer buffer{context_.disk, file, {0}};
    for (const TrashedMessage& message : chosen_) {
      Result<std::string> bytes = trash.read(message);
      if (!bytes) return std::unexpected(std::move(bytes).error());
      if (message.form == TrashedForm::mbox) {
        while (!bytes->ends_with("\n\n") && !bytes->ends_with("\r\n\r\n")) *bytes += '\n';
      }
      if (Result<void> put = buffer.append(*bytes); !put) return put;
    }
    return buffer.flush();
  }

  /// Each is durable by itself, and not brought back again by a second try.
  Result<void> deliver_all(const Trash& trash) {
    for (const TrashedMessage& message : chosen_) {
      const Result<std::string> bytes = trash.read(message);
      if (!bytes) return std::unexpected(bytes.error());
      std::string_view rest = content_of(message, *bytes);
      const Result<DeliveredMail> delivered =
          deliver(context_, run_.user, {.sender = {}, .largest = {}},
                  [&](std::span<char> buffer) -> Result<std::size_t> {
                    const std::size_t count = std::min(buffer.size(), rest.size());
                    rest.copy(buffer.data(), count);
                    rest.remove_prefix(count);
                    return count;
                  });
      if (!delivered) return std::unexpected(delivered.error());
    }
    return {};
  }

  ExitStatus finish() const {
    Json::Array messages;
    const bool dry = run_.flags.mode == RunMode::dry_run;
    const bool lists = dry || run_.flags.verbosity == Verbosity::verbose;
    const std::string name = shown_text(run_.target.name, Layout::one_line) + ": ";
    for (const TrashedMessage& message : chosen_) {
      messages.push_back({Json::Object{{"uid", {message.unique_id}},
                                       {"bytes", {message.size().count}},
                                       {"deleted", {moment_text(message.deleted)}}}});
      if (!lists) continue;
      run_.output.print(name + message.unique_id + ", " + counted(message.size().count, "byte") +
                        ", deleted " + moment_text(message.deleted) + "\n");
    }
    run_.output.add("restored", {std::move(messages)});
    run_.output.add("there", {there_});
    run_.output.add("damaged", {damaged_});
    if (of_other_form_ > 0) {
      const bool is_one = of_other_form_ == 1;
      run_.output.complain(counted(of_other_form_, "message") + (is_one ? " was" : " were") +
                           " deleted from a maildrop of another format, and " +
                           (is_one ? "stays" : "stay") + " in the trash");
    }
    if (run_.flags.verbosity != Verbosity::quiet && (lists || !chosen_.empty() || there_ > 0)) {
      run_.output.print(name + (dry ? "would bring back " : "brought back ") +
                        counted(chosen_.size(), "message") + "; " + std::to_string(there_) +
                        (there_ == 1 ? " is" : " are") + " there already\n");
    }
    return damaged_ > 0 || of_other_form_ > 0 ? ExitStatus::found : ExitStatus::ok;
  }

  const TargetRun& run_;
  const MaildropContext& context_;
  const Wanted& wanted_;
  const HeaderConditions& headers_;
  TrashPlace place_;
  SpoolFormat spool_format_ = SpoolFormat::empty;
  KnownMail known_;
  std::vector<TrashedMessage> chosen_;
  std::uint64_t there_ = 0, damaged_ = 0, of_other_form_ = 0;
};

}  // namespace

ExitStatus run_undelete(const UndeleteArguments& arguments, const Settings& settings,
                        const ToolRun& run) {
  const Result<Wanted> wanted = wanted_of(arguments);
  if (!wanted) return give_up(run.terminal, Error{wanted.error()}.in("undelete"));
  const Result<HeaderConditions> headers = HeaderConditions::compile(wanted->match);
  if (!headers) return give_up(run.terminal, Error{headers.error()}.in("undelete"));
  const bool dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets(
      {.name = "undelete",
       .task = "undelete " + arguments.since.value_or("-") + " " + arguments.match.value_or("-") +
               (dry ? " -n" : ""),
       .work =
           [&](const TargetRun& target) {
             return Undeletion{target, *wanted, *headers}.work();
           },
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing},
      arguments.selection, settings, run);
}

}  // namespace pop
