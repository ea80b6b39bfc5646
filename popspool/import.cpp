#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "popspool/mail_import.h"
#include "popspool/mail_source.h"
#include "popspool/popspool.h"
#include "store/maildrop_location.h"
#include "tool/counted.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr std::uint64_t largest_manifest = std::uint64_t{1} << 30;

std::string summary_of(const TargetRun& run, const ImportedMail& done, bool is_checked) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  std::string text = shown_text(run.target.name, Layout::one_line) + ": " +
                     (dry ? "would import " : "imported ") + counted(done.added, "message") + "; " +
                     std::to_string(done.there) + (done.there == 1 ? " is" : " are") +
                     " there already";
  if (done.there_under_another_id > 0) {
    text += ", " + std::to_string(done.there_under_another_id) + " of them under another unique-id";
  }
  return text + (is_checked ? "\n" : " (no manifest: not checked)\n");
}

ExitStatus tell(const TargetRun& run, const ImportedMail& done, bool is_checked) {
  for (const std::string& remark : done.remarks) run.output.complain(remark);
  run.output.add("imported", {std::uint64_t{done.added}});
  run.output.add("there", {std::uint64_t{done.there}});
  run.output.add("there_under_another_id", {std::uint64_t{done.there_under_another_id}});
  run.output.add("ids_taken", {std::uint64_t{done.ids_taken}});
  run.output.add("checked", {is_checked});
  if (done.ids_taken > 0) run.output.complain(ids_taken_text(done.ids_taken));
  if (run.flags.verbosity != Verbosity::quiet) run.output.print(summary_of(run, done, is_checked));
  const bool is_found = done.ids_taken > 0 || done.there_under_another_id > 0;
  return is_found ? ExitStatus::found : ExitStatus::ok;
}

/// The source is standard input.
Result<ExitStatus> import_input(const TargetRun& run, const std::optional<std::string>& manifest) {
  const Fd input{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)};
  if (!input.is_open()) return fail_errno(errno, "open what is to be imported");
  const Result<std::unique_ptr<MailSource>> source =
      MailSource::open(run.context.disk, input, manifest);
  if (!source && source.error().code == Errc::denied) {
    return fail(Errc::denied, source.error().text +
                                  ": a Maildir is read with the rights of the mail's owner; a tar "
                                  "of it needs none");
  }
  if (!source) return std::unexpected(source.error());
  const Result<ImportedMail> done =
      import_mail(run.context, run.user, {.mode = run.flags.mode}, **source);
  if (!done) return std::unexpected(done.error());
  return tell(run, *done, (*source)->has_manifest());
}

Result<Fd> opened(const std::string& path) {
  Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (file.is_open()) return file;
  const int saved = errno;
  return fail_errno(saved, "open " + escaped(path));
}

/// Beside a file; nullopt when there is none.
Result<std::optional<std::string>> manifest_beside(const std::string& path) {
  const Result<Fd> file = opened(path + ".manifest");
  if (!file && file.error().code == Errc::not_found) return std::nullopt;
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = system_disk().status(*file);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular() || status->size.count > largest_manifest) {
    return fail(Errc::corrupt, escaped(path) + ".manifest is no manifest");
  }
  std::string text(status->size.count, '\0');
  const Result<std::size_t> got = system_disk().read(*file, text, {0});
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  return text;
}

/// Shared directories must not belong to whoever's mail comes first, so root makes them.
Result<void> prepare(const Settings& settings, const MailTarget& target, RunMode mode) {
  if (::geteuid() != 0 || mode == RunMode::dry_run) return {};
  return make_hash_directories(system_disk(), settings, target.user);
}

}  // namespace

ExitStatus run_import(const ImportArguments& arguments, const Settings& settings,
                      const ToolRun& run) {
  const std::string& path = arguments.source.front();
  const Result<Fd> source = opened(path);
  if (!source) return give_up(run.terminal, Error{source.error()}.in("import"));
  const Result<std::optional<std::string>> manifest = manifest_beside(path);
  if (!manifest) return give_up(run.terminal, Error{manifest.error()}.in("import"));
  const std::string& name = arguments.target.front();
  const bool dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets(
      {.name = "import",
       .task = dry ? "import -n" : "import",
       .work = [&](const TargetRun& target) { return import_input(target, *manifest); },
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing,
       .prepare = [&](MailTarget& target) { return prepare(settings, target, run.flags.mode); },
       .input = source->get()},
      {.named = {name}}, settings, run);
}

}  // namespace pop
