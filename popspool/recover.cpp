#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/disk.h"
#include "base/text.h"
#include "mail/mail_carver.h"
#include "popspool/defect_report.h"
#include "popspool/popspool.h"
#include "store/append_buffer.h"
#include "store/file_pieces.h"
#include "store/maildrop_check.h"
#include "store/patched_file.h"
#include "tool/counted.h"

namespace pop {
namespace {

/// What a crash left that holds mail, or an update.
std::vector<Defect> leftovers_in(const MaildropFindings& found) {
  std::vector<Defect> left;
  for (const Defect& defect : found.defects) {
    const bool is_leftover =
        defect.kind == DefectKind::leftover_drop || defect.kind == DefectKind::unfinished_journal ||
        defect.kind == DefectKind::damaged_journal || defect.kind == DefectKind::abandoned_build;
    if (is_leftover) left.push_back(defect);
  }
  return left;
}

Result<ExitStatus> recover(const TargetRun& run) {
  const Result<MaildropFindings> before = check_maildrop(run.context, run.user);
  if (!before) return std::unexpected(before.error());
  const std::vector<Defect> leftovers = leftovers_in(*before);
  const bool dry = run.flags.mode == RunMode::dry_run;
  std::vector<Defect> left;
  if (!leftovers.empty() && !dry) {
    Settings settings = run.context.settings;
    settings.server_mode = true;  // no copy for a session that nobody holds
    const MaildropContext context{settings, run.context.disk, run.context.clock};
    const Result<std::unique_ptr<Maildrop>> opened = open_maildrop(context, run.user);
    if (!opened) return std::unexpected(opened.error());
    for (const std::string& remark : (*opened)->remarks()) run.output.complain(remark);
    const Result<MaildropFindings> now = check_maildrop(run.context, run.user);
    if (!now) return std::unexpected(now.error());
    left = leftovers_in(*now);
  }
  run.output.add("leftovers", json_of(leftovers));
  run.output.add("left", json_of(left));
  const std::string name = run.is_alone ? "" : run.target.name + ": ";
  if (run.flags.verbosity != Verbosity::quiet) {
    for (const Defect& defect : leftovers) {
      run.output.print(name + (dry ? "would merge " : "merged ") + line_of(defect) + "\n");
    }
    for (const Defect& defect : left) {
      run.output.print(name + "still there: " + line_of(defect) + "\n");
    }
    if (leftovers.empty() && run.flags.verbosity == Verbosity::verbose) {
      run.output.print(name + "nothing to recover\n");
    }
  }
  return left.empty() ? ExitStatus::ok : ExitStatus::found;
}

/// Where carved mail goes: a new file, or standard output.
class CarvedOutput {
 public:
  CarvedOutput(Terminal& terminal, Disk& disk) : terminal_{terminal}, disk_{disk} {}

  Result<void> open(const std::string& path) {
    Result<Fd> file = disk_.open(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!file) return std::unexpected(std::move(file).error());
    file_ = std::move(*file);
    buffer_.emplace(disk_, file_, FileBytes{0});
    return {};
  }
  Result<void> put(std::string_view bytes) {
    if (buffer_) return buffer_->append(bytes);
    terminal_.print(bytes);
    return {};
  }
  Result<void> finish() {
    if (!buffer_) return {};
    Result<void> done = buffer_->flush();
    return done ? disk_.sync(file_) : done;
  }

 private:
  Terminal& terminal_;
  Disk& disk_;
  Fd file_;
  std::optional<AppendBuffer> buffer_;
};

/// Each message with an empty line at its end, so that the next From_ line counts.
Result<void> copy_mail(Disk& disk, const Fd& file, const CarvedMail& mail, CarvedOutput& out) {
  PieceReader reader{disk};
  std::string last;
  Result<void> done = reader.read(file, mail.begin, mail.end, [&](std::string_view piece) {
    last =
        piece.size() >= 3 ? std::string{piece.substr(piece.size() - 3)} : last + std::string{piece};
    return out.put(piece);
  });
  if (!done || last.ends_with("\n\n") || last.ends_with("\n\r\n")) return done;
  return out.put(last.ends_with('\n') ? "\n" : "\n\n");
}

Result<std::size_t> carve(const CarveArguments& arguments, Terminal& terminal) {
  Disk& disk = system_disk();
  const std::string& path = arguments.files.front();
  const Result<Fd> file = disk.open(AT_FDCWD, path, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  const off_t end = ::lseek(file->get(), 0, SEEK_END);  // a disk has no size in its status
  if (end < 0) return fail_errno(errno, "look at " + escaped(path));
  CarvedOutput out{terminal, disk};
  if (arguments.output) {
    if (Result<void> made = out.open(*arguments.output); !made) {
      return std::unexpected(std::move(made).error());
    }
  }
  PatchedFile bytes{disk, *file, PatchedText{FileBytes{static_cast<std::uint64_t>(end)}}};
  MailCarver carver{bytes};
  bytes.read_all([&](std::string_view piece) { carver.feed(piece); });
  if (Result<void> read = bytes.failure(); !read) return std::unexpected(std::move(read).error());
  const std::vector<CarvedMail> found = carver.finish();
  for (const CarvedMail& mail : found) {
    if (Result<void> put = copy_mail(disk, *file, mail, out); !put) {
      return std::unexpected(std::move(put).error());
    }
  }
  if (Result<void> done = out.finish(); !done) return std::unexpected(std::move(done).error());
  return found.size();
}

}  // namespace

ExitStatus run_recover(const TargetSelection& selection, const Settings& settings,
                       const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets(
      {.name = "recover",
       .task = dry ? "recover -n" : "recover",
       .work = recover,
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing},
      selection, settings, run);
}

ExitStatus run_carve(const CarveArguments& arguments, const ToolRun& run) {
  if (run.flags.form == OutputForm::json || run.flags.mode == RunMode::dry_run) {
    run.terminal.complain("carve has neither --json nor --dry-run");
    return ExitStatus::usage;
  }
  const Result<std::size_t> carved = carve(arguments, run.terminal);
  if (!carved) {
    Error error = carved.error();
    return give_up(run.terminal, std::move(error).in("carve"));
  }
  if (run.flags.verbosity != Verbosity::quiet) {
    run.terminal.complain("carve: " + counted(*carved, "message"));
  }
  return *carved > 0 ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
