// A source stays locked by its own process from the copying of its mail until that has gone from
// it, while another process, which has become the owner of the maildrop that it comes into, imports
// it. Import adds nothing twice, so a merge that was broken off is made again.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>

#include "base/disk.h"
#include "base/text.h"
#include "popspool/export_writer.h"
#include "popspool/mail_import.h"
#include "popspool/mail_source.h"
#include "popspool/message_reading.h"
#include "popspool/moving_session.h"
#include "popspool/popspool.h"
#include "store/maildrop_location.h"
#include "tool/counted.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

// Members that a source's process and an import tell the process that started them.
constexpr const char* manifest_key = ".manifest";
constexpr const char* device_key = ".device";
constexpr const char* inode_key = ".inode";

std::uint64_t number_of(const Json::Object& members, std::string_view key) {
  for (const auto& [name, value] : members) {
    const auto* number = std::get_if<std::uint64_t>(&value.value);
    if (name == key && number != nullptr) return *number;
  }
  return 0;
}

std::optional<std::string> text_of(const Json::Object& members, std::string_view key) {
  for (const auto& [name, value] : members) {
    const auto* text = std::get_if<std::string>(&value.value);
    if (name == key && text != nullptr) return *text;
  }
  return std::nullopt;
}

/// In the process of a source's owner: copies its mail to standard output, hands it over, and lets
/// go of what has arrived.
class MergeSource {
 public:
  MergeSource(const TargetRun& run, const MergeArguments& arguments)
      : run_{run},
        into_{shown_text(*arguments.into, Layout::one_line)},
        is_dry_{run.flags.mode == RunMode::dry_run},
        takes_out_{arguments.moves && !is_dry_} {}

  Result<ExitStatus> work() {
    std::optional<MovingSession> session;
    if (takes_out_) {
      Result<MovingSession> opened = MovingSession::open(run_.context, run_.user);
      if (!opened) return std::unexpected(std::move(opened).error());
      session.emplace(std::move(*opened));
    }
    Result<ExportManifest> copied = copy();
    if (!copied) return std::unexpected(std::move(copied).error());
    if (copied->messages.empty()) return tell({}, 0);
    if (copied->format == ExportFormat::mbox) {
      run_.output.add(manifest_key, {copied->serialised()});
    }
    const Result<Json::Object> merged = run_.output.hand_over();
    if (!merged) return std::unexpected(merged.error());
    std::size_t taken_out = 0;
    if (session) {
      const Result<std::size_t> done = take_out(*session, *copied);
      if (!done) return std::unexpected(done.error());
      taken_out = *done;
    }
    return tell(*merged, taken_out);
  }

 private:
  /// Octets stay as they are: a Maildir's messages, and those of MMDF, do not suit an mbox.
  Result<ExportManifest> copy() {
    const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run_.context, run_.user);
    if (!view) return std::unexpected(view.error());
    if (const std::optional<FileStatus>& place = (*view)->spool()) {
      run_.output.add(device_key, {std::uint64_t{place->device}});
      run_.output.add(inode_key, {std::uint64_t{place->inode}});
    }
    const bool is_mbox =
        (*view)->format() == MailFormat::mbox && (*view)->spool_format() != SpoolFormat::mmdf;
    Fd file{::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
    if (!file.is_open()) return fail_errno(errno, "open the copy");
    const Result<std::unique_ptr<ExportWriter>> writer = ExportWriter::begin_in(
        system_disk(), std::move(file), is_mbox ? ExportFormat::mbox : ExportFormat::tar);
    if (!writer) return std::unexpected(writer.error());
    Result<void> done = read_messages(
        run_, {}, Extent::whole, [&](const ReadWhole& message) { return (*writer)->add(message); });
    if (!done) return std::unexpected(std::move(done).error());
    return (*writer)->finish();
  }

  Result<std::size_t> take_out(MovingSession& session, const ExportManifest& copied) const {
    std::set<std::string> ids;
    for (const ExportManifest::Message& message : copied.messages) ids.insert(message.unique_id);
    Result<std::size_t> gone = session.remove(ids);
    if (!gone) {
      return std::unexpected(
          std::move(gone).error().in("the mail is in " + into_ + " and still here, too"));
    }
    for (const std::string& remark : session.remarks()) run_.output.complain(remark);
    return gone;
  }

  [[nodiscard]] ExitStatus tell(const Json::Object& merged, std::size_t taken_out) const {
    const std::uint64_t added = number_of(merged, "merged"), there = number_of(merged, "there");
    const std::uint64_t other_id = number_of(merged, "there_under_another_id");
    const std::uint64_t ids_taken = number_of(merged, "ids_taken");
    run_.output.add("merged", {added});
    run_.output.add("there", {there});
    run_.output.add("there_under_another_id", {other_id});
    run_.output.add("ids_taken", {ids_taken});
    run_.output.add("taken_out", {std::uint64_t{taken_out}});
    if (ids_taken > 0) run_.output.complain(ids_taken_text(ids_taken));
    if (run_.flags.verbosity != Verbosity::quiet) {
      std::string text = shown_text(run_.target.name, Layout::one_line) + ": " +
                         (is_dry_ ? "would merge " : "merged ") + counted(added, "message") +
                         " into " + into_ + "; " + std::to_string(there) +
                         (there == 1 ? " is" : " are") + " there already";
      if (other_id > 0)
        text += ", " + std::to_string(other_id) + " of them under another unique-id";
      if (takes_out_) text += "; took " + counted(taken_out, "message") + " out";
      run_.output.print(text + "\n");
    }
    return ids_taken > 0 || other_id > 0 ? ExitStatus::found : ExitStatus::ok;
  }

  const TargetRun& run_;
  std::string into_;
  bool is_dry_, takes_out_;
};

/// What a failure of the import means for the source.
Error as_error(ExitStatus status, const std::string& into) {
  for (const Consequence& each : consequences) {
    if (each.exit == status) return {each.code, "nothing was merged into " + escaped(into)};
  }
  return {Errc::io, "nothing was merged into " + escaped(into)};
}

/// In the process that was called.
class Merger {
 public:
  Merger(const MergeArguments& arguments, const Settings& settings, const ToolRun& run)
      : arguments_{arguments}, settings_{settings}, run_{run} {}

  /// A file without a name for a copy of the mail.
  Result<Fd> open_copy(const MailTarget& source) {
    const char* wanted = std::getenv("TMPDIR");
    const std::string place = wanted != nullptr && *wanted == '/' ? wanted : "/var/tmp";
    const Result<Fd> directory = open_directory(place);
    if (!directory) return std::unexpected(directory.error());
    Result<Fd> file = system_disk().open_unnamed(directory->get(), 0600);
    if (!file) return std::unexpected(std::move(file).error().in(place));
    copy_ = Fd{::fcntl(file->get(), F_DUPFD_CLOEXEC, 3)};
    if (!copy_.is_open()) return fail_errno(errno, "open a copy of " + escaped(source.name));
    return file;
  }

  Result<Json::Object> take_over(const MailTarget&, const Json::Object& members) {
    Json::Object merged;
    const bool is_dry = run_.flags.mode == RunMode::dry_run;
    ToolFlags flags = run_.flags;
    flags.verbosity = Verbosity::quiet;
    const TargetVerb import{
        .name = "merge",
        .task = "merge",
        .work = [&](const TargetRun& target) { return import_copy(target, members); },
        .access = is_dry ? TargetVerb::Access::reading : TargetVerb::Access::changing,
        .missing = MissingPath::new_maildrop,
        .prepare = [&](MailTarget& target) { return prepare(target); },
        .input = copy_.get(),
        .gather = [&](const std::string&, const Json::Object& found) { merged = found; }};
    const ExitStatus status = run_on_targets(import, {.named = {*arguments_.into}}, settings_,
                                             {.flags = flags, .terminal = run_.terminal});
    if (status != ExitStatus::ok) return std::unexpected(as_error(status, *arguments_.into));
    return merged;
  }

 private:
  /// Shared directories must not belong to whoever's mail comes first, so root makes them.
  Result<void> prepare(const MailTarget& target) const {
    if (::geteuid() != 0 || run_.flags.mode == RunMode::dry_run) return {};
    return make_hash_directories(system_disk(), settings_, target.user);
  }

  /// In the process of the other maildrop's owner; standard input is the copy.
  static Result<ExitStatus> import_copy(const TargetRun& run, const Json::Object& members) {
    if (Result<void> other = refuse_itself(run, members); !other) {
      return std::unexpected(std::move(other).error());
    }
    const Fd input{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)};
    if (!input.is_open()) return fail_errno(errno, "open the copy");
    const Result<std::unique_ptr<MailSource>> source =
        MailSource::open(run.context.disk, input, text_of(members, manifest_key));
    if (!source) return std::unexpected(source.error());
    const Result<ImportedMail> done =
        import_mail(run.context, run.user, {.mode = run.flags.mode}, **source);
    if (!done) return std::unexpected(done.error());
    for (const std::string& remark : done->remarks) run.output.complain(remark);
    run.output.add("merged", {std::uint64_t{done->added}});
    run.output.add("there", {std::uint64_t{done->there}});
    run.output.add("there_under_another_id", {std::uint64_t{done->there_under_another_id}});
    run.output.add("ids_taken", {std::uint64_t{done->ids_taken}});
    return ExitStatus::ok;
  }

  /// All of its mail would be there already, and could go.
  static Result<void> refuse_itself(const TargetRun& run, const Json::Object& members) {
    const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run.context, run.user);
    if (!view) return std::unexpected(view.error());
    const std::optional<FileStatus>& place = (*view)->spool();
    const bool is_itself = place && place->device == number_of(members, device_key) &&
                           place->inode == number_of(members, inode_key);
    if (!is_itself) return {};
    return fail(Errc::usage, "a maildrop cannot be merged into itself");
  }

  const MergeArguments& arguments_;
  const Settings& settings_;
  const ToolRun& run_;
  Fd copy_;  // of the mail of the source whose turn it is
};

}  // namespace

ExitStatus run_merge(const MergeArguments& arguments, const Settings& settings,
                     const ToolRun& run) {
  if (!arguments.into) return give_up(run.terminal, {Errc::usage, "merge: --into is missing"});
  Merger merger{arguments, settings, run};
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  TargetSelection sources = arguments.selection;
  sources.jobs = "1";  // all go into one
  return run_on_targets(
      {.name = "merge",
       .task =
           "merge " + *arguments.into + (arguments.moves ? " --move" : "") + (is_dry ? " -n" : ""),
       .work =
           [&](const TargetRun& source) {
             return MergeSource{source, arguments}.work();
           },
       .access =
           arguments.moves && !is_dry ? TargetVerb::Access::changing : TargetVerb::Access::reading,
       .open_output = [&](const MailTarget& source) { return merger.open_copy(source); },
       .take_over = [&](const MailTarget& source,
                        const Json::Object& members) { return merger.take_over(source, members); }},
      sources, settings, run);
}

}  // namespace pop
