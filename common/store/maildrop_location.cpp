#include "store/maildrop_location.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

/// A directory as the settings name it, before it is opened. Only `base` may be reached through
/// links; `hash` is walked one component at a time.
struct DirectoryPlan {
  fs::path base;
  fs::path hash;            // relative, may be empty
  std::string_view option;  // that names the base; empty: the account does

  [[nodiscard]] fs::path path() const { return hash.empty() ? base : base / hash; }
};

/// Names and directories of one maildrop, nothing opened yet.
struct Plan {
  DirectoryPlan spool, drop, index;
  std::string spool_name, drop_name, index_name;
  std::string stem;  // what stands for USER in the names beside the spool
};

bool can_be_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view{"/\0", 2}) == name.npos;
}

Result<fs::path> absolute(const fs::path& path, std::string_view what) {
  if (path.is_absolute()) return path;
  return fail(Errc::usage,
              std::string{what} + " \"" + escaped(path.native()) + "\" is not an absolute path");
}

/// Many programs take "Maildir/" to mean the directory "Maildir".
fs::path without_last_slash(const fs::path& path) {
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

bool has_own_place(const MailUser& user) {
  return !user.maildrop.empty();
}

Result<void> plan_own_spool(const MailUser& user, Plan& plan) {
  const Result<fs::path> whole =
      absolute(without_last_slash(user.maildrop), "maildrop of " + user.name);
  if (!whole) return std::unexpected(whole.error());
  if (!can_be_file_name(whole->filename().native())) {
    return fail(Errc::usage, "maildrop of " + user.name + " \"" + escaped(whole->native()) +
                                 "\" does not end in a file name");
  }
  plan.spool = {whole->parent_path(), {}, {}};
  plan.spool_name = whole->filename().native();
  plan.stem = plan.spool_name;
  return {};
}

Result<void> plan_home_spool(const Settings& settings, const MailUser& user, const fs::path& hash,
                             Plan& plan) {
  const Result<fs::path> home = absolute(user.home, "home directory of " + user.name);
  if (!home) return std::unexpected(home.error());
  const fs::path file = without_last_slash(settings.home_dir_mail);
  const bool stays_inside =
      file.is_relative() && std::ranges::none_of(file, [](const fs::path& part) {
        return !can_be_file_name(part.native());
      });
  if (!stays_inside) {
    return fail(Errc::usage, "home-dir-mail \"" + escaped(file.native()) +
                                 "\" is not a file name below the home directory");
  }
  plan.spool = {*home, file.has_parent_path() ? hash / file.parent_path() : hash, {}};
  plan.spool_name = file.filename().native();
  return {};
}

Result<void> plan_spool(const Settings& settings, const MailUser& user, const fs::path& hash,
                        Plan& plan) {
  plan.stem = user.name;
  if (has_own_place(user)) return plan_own_spool(user, plan);
  if (!settings.home_dir_mail.empty()) return plan_home_spool(settings, user, hash, plan);
  const Result<fs::path> base = absolute(settings.spool_dir, "spool-dir");
  if (!base) return std::unexpected(base.error());
  plan.spool = {*base, hash, "spool-dir"};
  plan.spool_name = user.name;
  return {};
}

/// A drop or index in a directory of its own goes by the user's name, one beside the spool by the
/// stem: only there is the file name of a user's own maildrop unique.
Result<void> plan_drop(const Settings& settings, const MailUser& user, const fs::path& hash,
                       Plan& plan) {
  plan.drop = plan.spool;
  if (settings.home_dir_misc || !settings.temp_dir.empty()) {
    const Result<fs::path> base = settings.home_dir_misc
                                      ? absolute(user.home, "home directory of " + user.name)
                                      : absolute(settings.temp_dir, "temp-dir");
    if (!base) return std::unexpected(base.error());
    plan.drop = {*base, hash, settings.home_dir_misc ? "" : "temp-dir"};
  }
  const bool beside_spool = plan.drop.path() == plan.spool.path();
  Result<std::string> name =
      expand_file_name("temp-name", settings.temp_name, beside_spool ? plan.stem : user.name);
  if (!name) return std::unexpected(name.error());
  plan.drop_name = *name;
  return {};
}

Result<void> plan_index(const Settings& settings, const MailUser& user, const fs::path& hash,
                        Plan& plan) {
  plan.index = plan.drop;
  if (!settings.home_dir_misc && !settings.cache_dir.empty()) {
    const Result<fs::path> base = absolute(settings.cache_dir, "cache-dir");
    if (!base) return std::unexpected(base.error());
    plan.index = {*base, hash, "cache-dir"};
  }
  const bool beside_spool = plan.index.path() == plan.spool.path();
  Result<std::string> name =
      expand_file_name("cache-name", settings.cache_name, beside_spool ? plan.stem : user.name);
  if (!name) return std::unexpected(name.error());
  plan.index_name = *name;
  return {};
}

/// Only hashing or home-dir-mail moves the drop away from where an old program may have left it.
bool may_have_old_drop(const Settings& settings, const MailUser& user) {
  return settings.check_old_spool_loc && !has_own_place(user) &&
         (settings.hash_spool != 0 || !settings.home_dir_mail.empty());
}

struct OwnFile {
  std::string_view what;     // an option, or in words
  std::string_view pattern;  // the option's value
  const DirectoryPlan* in;
  std::string name;

  [[nodiscard]] bool is_same(const OwnFile& other) const {
    return name == other.name &&
           in->path().lexically_normal() == other.in->path().lexically_normal();
  }
  [[nodiscard]] std::string shown() const {
    std::string text{what};
    if (!pattern.empty()) text += " \"" + escaped(pattern) + "\"";
    return text;
  }
};

/// Two of our files under one name would destroy the mail.
Result<void> check_names_differ(const Settings& settings, const MailUser& user, const Plan& plan) {
  const DirectoryPlan plain{settings.spool_dir, {}, {}};
  std::vector<OwnFile> files{
      {"temp-name", settings.temp_name, &plan.drop, plan.drop_name},
      {"cache-name", settings.cache_name, &plan.index, plan.index_name},
      {"the spool", {}, &plan.spool, plan.spool_name},
      {"the spool's lock", {}, &plan.spool, plan.spool_name + ".lock"},
      {"the journal", {}, &plan.spool, "." + plan.stem + ".journal"},
      {"the journal being written", {}, &plan.spool, "." + plan.stem + ".journal.new"},
      {"the trash", {}, &plan.spool, "." + plan.stem + ".trash"},
      {"the trash being swept", {}, &plan.spool, "." + plan.stem + ".trash.new"},
      {"the file for undo", {}, &plan.spool, "." + plan.stem + ".undo"},
      {"the file for undo, being written", {}, &plan.spool, "." + plan.stem + ".undo.new"},
      {"the imported unique-ids", {}, &plan.spool, "." + plan.stem + ".uidl"},
      {"mail on its way here", {}, &plan.spool, "." + plan.stem + ".moved"},
      {"mail on its way here, being copied", {}, &plan.spool, "." + plan.stem + ".moved.new"},
      {"the times of retrieval", {}, &plan.spool, "." + plan.stem + ".retrieved"},
      {"the times of warnings", {}, &plan.spool, "." + plan.stem + ".warned"},
      {"the record of logins", {}, &plan.drop, plan.drop_name + ".login"},
      {"the user's options file", {}, &plain, "." + user.name + ".qpopper-options"},
  };
  OwnFile old_drop{"the drop of check-old-spool-loc", {}, &plain, "." + user.name + ".pop"};
  if (may_have_old_drop(settings, user) && !old_drop.is_same(files.front())) {
    files.push_back(std::move(old_drop));
  }
  for (auto one = files.begin(); one != files.end(); ++one) {
    const auto other =
        std::find_if(one + 1, files.end(), [&](const OwnFile& file) { return file.is_same(*one); });
    if (other == files.end()) continue;
    return fail(Errc::usage, one->shown() + " and " + other->shown() + " both stand for " +
                                 escaped((one->in->path() / one->name).native()) +
                                 "; give each file a name of its own");
  }
  return {};
}

Result<Plan> plan_maildrop(const Settings& settings, const MailUser& user) {
  if (!can_be_file_name(user.name)) {
    return fail(Errc::usage, "user name \"" + escaped(user.name) + "\" cannot be a file name");
  }
  Plan plan;
  Result<fs::path> hash = hash_directory(settings.hash_spool, user.name);
  if (!hash) return std::unexpected(hash.error());
  if (Result<void> done = plan_spool(settings, user, *hash, plan); !done) {
    return std::unexpected(done.error());
  }
  // Beside a user's own maildrop nothing is hashed; other directories are.
  if (Result<void> done = plan_drop(settings, user, *hash, plan); !done) {
    return std::unexpected(done.error());
  }
  if (Result<void> done = plan_index(settings, user, *hash, plan); !done) {
    return std::unexpected(done.error());
  }
  if (Result<void> done = check_names_differ(settings, user, plan); !done) {
    return std::unexpected(done.error());
  }
  return plan;
}

Result<void> give_attributes_of(Disk& disk, const FileStatus& base, const Fd& made) {
  const Result<FileStatus> now = disk.status(made);
  if (!now) return std::unexpected(now.error());
  if (now->owner != base.owner || now->group != base.group) {
    if (Result<void> owned = disk.set_owner(made, base.owner, base.group); !owned) return owned;
  }
  return disk.set_mode(made, base.mode & 07777);  // whatever the umask was
}

/// Under a name of its own until it is finished, so that nobody finds a hash directory that its
/// users may not write to yet; nor does a crash leave one.
Result<void> build_component(Disk& disk, const Fd& above, const FileStatus& base,
                             const std::string& build) {
  Result<Fd> opened = disk.open(above.get(), build, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened) return std::unexpected(opened.error());
  if (Result<void> given = give_attributes_of(disk, base, *opened); !given) return given;
  return disk.sync_directory(opened->get());
}

/// A file system that cannot move without replacing (NFS) replaces an empty directory at most.
Result<void> give_name(Disk& disk, const Fd& above, const std::string& build,
                       const std::string& name) {
  Result<void> moved = disk.move(above.get(), build, above.get(), name);
  if (moved || moved.error().code != Errc::denied) return moved;
  if (disk.status(above.get(), name)) return fail(Errc::busy, name + " is there already");
  return disk.rename(above.get(), build, name);
}

/// Makes one hash directory like the one above it. Another process that made it first is as good.
Result<void> make_component(Disk& disk, const Fd& above, const FileStatus& base,
                            const std::string& name) {
  const std::string build = "." + name + ".hash-" + std::to_string(random_number());
  Result<void> done = disk.make_directory(above.get(), build, 0700);
  if (!done) return done;
  done = build_component(disk, above, base, build);
  if (done) done = give_name(disk, above, build, name);
  if (done) return disk.sync_directory(above.get());
  (void)disk.remove_directory(above.get(), build);
  if (done.error().code == Errc::busy) return {};
  return done;
}

/// A user who owned a shared hash directory could remove other users' mail from it.
Result<void> check_may_own(const FileStatus& base, const fs::path& missing) {
  if (::geteuid() == 0 || ::geteuid() == base.owner) return {};
  return fail(Errc::denied, "hash directory " + missing.native() +
                                " is missing; make it as root with mode, owner and group of " +
                                missing.parent_path().native());
}

std::unexpected<Error> explain_base(const DirectoryPlan& plan, Error error) {
  if (error.code != Errc::not_found) return std::unexpected(std::move(error));
  const std::string option{plan.option};
  return fail(Errc::not_found, (option.empty() ? "directory" : option) + " " + plan.base.native() +
                                   " does not exist or is no directory: create it" +
                                   (option.empty() ? "" : " or set " + option));
}

std::unexpected<Error> explain_hash(const fs::path& path, Error error) {
  if (error.code != Errc::not_found) return std::unexpected(std::move(error).in(path.native()));
  return fail(Errc::not_found, "hash directory " + path.native() +
                                   " does not exist: create it with mode, owner and group of " +
                                   path.parent_path().native() + ", or set check-hash-dir");
}

Result<Fd> open_planned(Disk& disk, const Settings& settings, const DirectoryPlan& plan) {
  Result<Fd> here = open_directory(plan.base.native());
  if (!here) return explain_base(plan, std::move(here).error());
  fs::path walked = plan.base;
  for (const fs::path& part : plan.hash) {
    walked /= part;
    Result<Fd> next = open_trusted_directory(disk, *here, part.native());
    if (!next && next.error().code == Errc::not_found && settings.check_hash_dir) {
      const Result<FileStatus> base = disk.status(*here);
      if (!base) return std::unexpected(base.error());
      if (Result<void> may = check_may_own(*base, walked); !may) {
        return std::unexpected(may.error());
      }
      if (Result<void> made = make_component(disk, *here, *base, part.native()); !made) {
        return std::unexpected(
            std::move(made).error().in("make hash directory " + walked.native()));
      }
      next = open_trusted_directory(disk, *here, part.native());
    }
    if (!next) return explain_hash(walked, std::move(next).error());
    here = std::move(next);
  }
  return here;
}

/// Opens each directory once, however many files lie in it.
class DirectoryOpener {
 public:
  DirectoryOpener(Disk& disk, const Settings& settings) : disk_{disk}, settings_{settings} {}

  Result<std::shared_ptr<const OpenDirectory>> open(const DirectoryPlan& plan) {
    const fs::path path = plan.path();
    for (const auto& known : opened_) {
      if (known->path == path) return known;
    }
    Result<Fd> fd = open_planned(disk_, settings_, plan);
    if (!fd) return std::unexpected(fd.error());
    opened_.push_back(std::make_shared<const OpenDirectory>(std::move(*fd), path));
    return opened_.back();
  }

 private:
  Disk& disk_;
  const Settings& settings_;
  std::vector<std::shared_ptr<const OpenDirectory>> opened_;
};

std::optional<FilePlace> find_old_drop(DirectoryOpener& opener, const Settings& settings,
                                       const MailUser& user, const FilePlace& drop) {
  if (!may_have_old_drop(settings, user)) return std::nullopt;
  // Where mail lies in home directories there may be no spool directory, hence no old drop.
  Result<std::shared_ptr<const OpenDirectory>> plain =
      opener.open({settings.spool_dir, {}, "spool-dir"});
  if (!plain) return std::nullopt;
  FilePlace old{*plain, "." + user.name + ".pop"};
  if (old.in->path == drop.in->path && old.name == drop.name) return std::nullopt;
  return old;
}

Result<bool> is_same_directory(Disk& disk, const OpenDirectory& one, const OpenDirectory& other) {
  if (&one == &other) return true;
  if (!one.fd.is_open() || !other.fd.is_open()) return false;
  const Result<FileStatus> first = disk.status(one.fd);
  if (!first) return std::unexpected(first.error());
  const Result<FileStatus> second = disk.status(other.fd);
  if (!second) return std::unexpected(second.error());
  return first->same_file(*second);
}

/// The plan has been checked by its paths; two of them may lead to one directory through a link.
Result<void> check_directories(Disk& disk, const Settings& settings, const MailUser& user,
                               const MaildropLocation& location, Plan plan) {
  const Plan by_path = plan;
  const OpenDirectory& spool = *location.spool.in;
  const OpenDirectory& drop = *location.drop.in;
  const OpenDirectory& index = *location.index.in;
  const Result<bool> drop_is_beside = is_same_directory(disk, drop, spool);
  if (!drop_is_beside) return std::unexpected(drop_is_beside.error());
  if (*drop_is_beside) plan.drop = plan.spool;
  for (const auto& [known, planned] : {std::pair{&spool, &plan.spool}, {&drop, &plan.drop}}) {
    const Result<bool> same = is_same_directory(disk, index, *known);
    if (!same) return std::unexpected(same.error());
    if (*same) plan.index = *planned;
  }
  if (plan.drop.path() == by_path.drop.path() && plan.index.path() == by_path.index.path()) {
    return {};
  }
  return check_names_differ(settings, user, plan);
}

std::string hash_of_sum(std::string_view user) {
  unsigned sum = 0;
  for (const char c : user.substr(0, 5)) sum += static_cast<unsigned char>(c);
  return std::string(1, static_cast<char>('a' + sum % 26));
}

}  // namespace

Result<fs::path> hash_directory(std::int64_t method, std::string_view user) {
  if (method == 0) return fs::path{};
  if (!can_be_file_name(user)) {
    return fail(Errc::usage, "user name \"" + escaped(user) + "\" cannot be a file name");
  }
  if (method == 1) return fs::path{hash_of_sum(user)};
  if (method != 2) {
    return fail(Errc::usage, "hash-spool " + std::to_string(method) + " is not 0, 1 or 2");
  }
  fs::path hash;
  for (const char c : {user[0], user.size() > 1 ? user[1] : user[0]}) {
    // A dot names the directory itself (j.doe lies in j/./j.doe), so it adds no level.
    if (c != '.') hash /= std::string(1, c);
  }
  return hash;
}

Result<std::string> expand_file_name(std::string_view option, std::string_view pattern,
                                     std::string_view user) {
  const auto wrong = [&](std::string_view why) {
    return fail(Errc::usage,
                std::string{option} + " \"" + escaped(pattern) + "\" " + std::string{why});
  };
  const std::size_t at = pattern.find("%s");
  if (at == pattern.npos) return wrong("has no %s for the user's name");
  if (std::ranges::count(pattern, '%') != 1) return wrong("has more than the one %s it must have");
  if (pattern.find('/') != pattern.npos) return wrong("has a '/', but must be a file name");
  std::string name{pattern.substr(0, at)};
  name += user;
  name += pattern.substr(at + 2);
  if (!can_be_file_name(name)) return wrong("does not give a file name");
  return name;
}

Result<Fd> open_trusted_directory(Disk& disk, const Fd& above, const std::string& name) {
  const Result<FileStatus> link = disk.status(above.get(), name);
  if (!link) return std::unexpected(link.error());
  if (!S_ISLNK(link->mode)) return disk.open(above.get(), name, O_RDONLY | O_DIRECTORY);
  const Result<FileStatus> base = disk.status(above);
  if (!base) return std::unexpected(base.error());
  if (link->owner != 0 && link->owner != base->owner) {
    return fail(Errc::denied, name + " is a symbolic link that somebody else made");
  }
  return open_directory(above.get(), name);
}

Result<void> check_file_names(const Settings& settings) {
  const MailUser anybody{.name = "USER", .home = "/HOME/USER"};
  const Result<Plan> plan = plan_maildrop(settings, anybody);
  if (!plan) return std::unexpected(plan.error());
  return {};
}

Result<fs::path> spool_path(const Settings& settings, const MailUser& user) {
  const Result<Plan> plan = plan_maildrop(settings, user);
  if (!plan) return std::unexpected(plan.error());
  return plan->spool.path() / plan->spool_name;
}

Result<MaildropLocation> locate_maildrop(Disk& disk, const Settings& settings,
                                         const MailUser& user) {
  Result<Plan> plan = plan_maildrop(settings, user);
  if (!plan) return std::unexpected(plan.error());
  DirectoryOpener opener{disk, settings};
  Result<std::shared_ptr<const OpenDirectory>> spool = opener.open(plan->spool);
  if (!spool) return std::unexpected(std::move(spool).error().in("spool of " + user.name));
  Result<std::shared_ptr<const OpenDirectory>> drop = opener.open(plan->drop);
  if (!drop) return std::unexpected(std::move(drop).error().in("temporary drop of " + user.name));
  Result<std::shared_ptr<const OpenDirectory>> index = opener.open(plan->index);
  std::vector<std::string> remarks;
  if (!index) {
    remarks.push_back("cache of " + user.name + ": " + index.error().text +
                      "; until then every session reads all of the mail");
    index = std::make_shared<const OpenDirectory>(Fd{}, plan->index.path());
  }

  MaildropLocation location{.spool = {*spool, plan->spool_name},
                            .drop = {*drop, plan->drop_name},
                            .index = {*index, plan->index_name},
                            .journal = {*spool, "." + plan->stem + ".journal"},
                            .trash = {*spool, "." + plan->stem + ".trash"},
                            .undo = {*spool, "." + plan->stem + ".undo"},
                            .uidl = {*spool, "." + plan->stem + ".uidl"},
                            .retrievals = {*spool, "." + plan->stem + ".retrieved"},
                            .warnings = {*spool, "." + plan->stem + ".warned"},
                            .old_drop = std::nullopt,
                            .remarks = std::move(remarks)};
  location.old_drop = find_old_drop(opener, settings, user, location.drop);
  Result<void> fine = check_directories(disk, settings, user, location, *std::move(plan));
  if (!fine) return std::unexpected(std::move(fine).error());
  return location;
}

Result<void> make_hash_directories(Disk& disk, const Settings& settings, const MailUser& user) {
  if (!settings.check_hash_dir || settings.hash_spool == 0) return {};
  Result<Plan> plan = plan_maildrop(settings, user);
  if (!plan) return std::unexpected(plan.error());
  DirectoryOpener opener{disk, settings};
  for (const DirectoryPlan* directory : {&plan->spool, &plan->drop, &plan->index}) {
    if (directory->hash.empty() || directory->base == user.home) continue;
    Result<std::shared_ptr<const OpenDirectory>> opened = opener.open(*directory);
    if (!opened && directory != &plan->index) {
      return std::unexpected(std::move(opened).error().in("hash directories of " + user.name));
    }
  }
  return {};
}

}  // namespace pop
