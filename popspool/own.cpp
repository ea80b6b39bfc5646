// Root gives files to a user here. It does so only in directories in which nobody but root and the
// spool group can put a name in another's place, only to plain files with one name, and it reads
// none of them.

#include <sys/stat.h>

#include "base/text.h"
#include "popspool/popspool.h"
#include "store/maildrop_location.h"
#include "store/spool_file.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr mode_t permissions = 07777;

/// What is wrong with a file, and what it should be.
struct Correction {
  FilePlace place;
  FileStatus now;
  mode_t mode = 0;

  [[nodiscard]] bool gives_away(const MailUser& user) const { return now.owner != user.uid; }
};

class Ownership {
 public:
  explicit Ownership(const TargetRun& run)
      : run_{run},
        disk_{run.context.disk},
        name_{shown_text(run.target.name, Layout::one_line) + ": "} {}

  Result<ExitStatus> work() {
    Settings looking = run_.context.settings;
    looking.check_hash_dir = false;  // nothing is made
    const Result<MaildropLocation> location = locate_maildrop(disk_, looking, run_.user);
    if (!location) return std::unexpected(location.error());
    const Result<bool> is_maildir = is_directory(location->spool);
    if (!is_maildir) return std::unexpected(is_maildir.error());
    if (*is_maildir) {
      return fail(Errc::denied,
                  location->spool.path() + " is a Maildir, in which its owner decides");
    }
    for (const FilePlace& place :
         {location->spool, location->drop, location->index, location->journal, location->trash,
          location->undo, location->uidl, location->retrievals, location->warnings}) {
      const auto exposure = place.name == location->spool.name ? Exposure::not_writable_by_others
                                                               : Exposure::not_accessible_by_others;
      if (Result<void> done = look_at(place, exposure); !done) {
        return std::unexpected(std::move(done).error());
      }
    }
    run_.output.add("corrected", {std::move(corrected_)});
    run_.output.add("left", {std::move(left_)});
    return is_any_left_ ? ExitStatus::found : ExitStatus::ok;
  }

 private:
  Result<bool> is_directory(const FilePlace& place) {
    const Result<FileStatus> status = disk_.status(place.directory(), place.name);
    if (!status && status.error().code == Errc::not_found) return false;
    if (!status) return std::unexpected(status.error());
    return status->is_directory();
  }

  Result<void> look_at(const FilePlace& place, Exposure exposure) {
    const Result<FileStatus> status = disk_.status(place.directory(), place.name);
    if (!status) return {};  // not there, or a directory that is no good to a session either
    constexpr mode_t own = S_IRUSR | S_IWUSR;
    const bool is_plain = status->is_regular() && status->links == 1;
    const bool is_fine = is_plain &&
                         check_mail_file(*status, place, run_.user.uid, exposure).has_value() &&
                         (status->mode & own) == own;
    if (is_fine) return {};
    if (!is_plain) {
      leave(place, "no plain file with one name");
      return {};
    }
    const Result<FileStatus> directory = disk_.status(place.in->fd);
    if (!directory) return std::unexpected(directory.error());
    if (directory->owner != 0 || (directory->mode & S_IWOTH) != 0) {
      leave(place, "others than root and its group can change the directory");
      return {};
    }
    return correct({.place = place, .now = *status, .mode = mode_for(*status, *directory)});
  }

  /// A spool keeps what its group may do; what others may write goes.
  [[nodiscard]] mode_t mode_for(const FileStatus& file, const FileStatus& directory) const {
    FileStatus given = file;
    given.owner = run_.user.uid;
    return mail_file_mode(directory, given);
  }

  Result<void> correct(const Correction& correction) {
    if (run_.flags.mode == RunMode::real) {
      if (Result<void> done = change(correction); !done) return done;
    }
    const bool dry = run_.flags.mode == RunMode::dry_run;
    std::string what = correction.gives_away(run_.user)
                           ? "owner " + std::to_string(correction.now.owner) + " to " +
                                 std::to_string(run_.user.uid) + ", "
                           : "";
    what += "mode " + octal(correction.now.mode) + " to " + octal(correction.mode);
    corrected_.push_back({Json::Object{{"file", {correction.place.path()}}, {"change", {what}}}});
    if (run_.flags.verbosity != Verbosity::quiet) {
      run_.output.print(name_ + correction.place.path() + ": " +
                        (dry ? "would change " : "changed ") + what + "\n");
    }
    return {};
  }

  /// The file is still the one that was looked at; the owner changes first, since that takes bits
  /// of the mode away.
  Result<void> change(const Correction& correction) {
    const FilePlace& place = correction.place;
    const Result<Fd> file = disk_.open(place.directory(), place.name, O_RDONLY);
    if (!file) return std::unexpected(file.error());
    const Result<FileStatus> status = disk_.status(*file);
    if (!status) return std::unexpected(status.error());
    if (!status->same_file(correction.now) || !status->is_regular() || status->links != 1) {
      return fail(Errc::changed, place.path() + " was replaced meanwhile");
    }
    Result<void> done = correction.gives_away(run_.user)
                            ? disk_.set_owner(*file, run_.user.uid, status->group)
                            : Result<void>{};
    if (done) done = disk_.set_mode(*file, correction.mode);
    if (done) return {};
    return std::unexpected(std::move(done).error().in(place.path()));
  }

  void leave(const FilePlace& place, const std::string& why) {
    is_any_left_ = true;
    left_.push_back({Json::Object{{"file", {place.path()}}, {"reason", {why}}}});
    run_.output.complain(place.path() + " is left as it is: " + why);
  }

  static std::string octal(mode_t mode) {
    std::string text;
    for (int shift = 9; shift >= 0; shift -= 3) {
      text += static_cast<char>('0' + (((mode & permissions) >> shift) & 7));
    }
    return text;
  }

  const TargetRun& run_;
  Disk& disk_;
  std::string name_;
  Json::Array corrected_, left_;
  bool is_any_left_ = false;
};

}  // namespace

ExitStatus run_own(const TargetSelection& selection, const Settings& settings, const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets({.name = "own",
                         .task = dry ? "own -n" : "own",
                         .work = [](const TargetRun& target) { return Ownership{target}.work(); },
                         .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing,
                         .rights = TargetVerb::Rights::caller},
                        selection, settings, run);
}

}  // namespace pop
