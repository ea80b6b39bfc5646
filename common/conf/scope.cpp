#include "conf/scope.h"

#include <fcntl.h>

#include <utility>

#include "base/text.h"

namespace pop {
namespace {

constexpr mode_t writable_by_others = S_IWOTH;
constexpr mode_t writable_by_group_or_others = S_IWGRP | S_IWOTH;

/// Who may own a per-user file, and who may not be able to write it.
struct Trust {
  uid_t one_owner;
  uid_t other_owner;
  mode_t forbidden;
};

Result<void> check_trust(const FileStatus& status, const Trust& trust) {
  if (!status.is_regular()) return fail(Errc::denied, "not a regular file");
  if (status.links != 1) return fail(Errc::denied, "has more than one link");
  if (status.owner != trust.one_owner && status.owner != trust.other_owner) {
    return fail(Errc::denied, "owned by uid " + std::to_string(status.owner) +
                                  ", which may not set these options");
  }
  if ((status.mode & trust.forbidden) != 0) {
    return fail(Errc::denied, "others than its owner may write it");
  }
  if (status.size > largest_user_file) {
    return fail(Errc::limit, "larger than " + std::to_string(largest_user_file.count) + " bytes");
  }
  return {};
}

Result<std::string> read_trusted(Disk& disk, const Fd& file, const Trust& trust) {
  const Result<FileStatus> status = disk.status(file);
  if (!status) return std::unexpected(status.error());
  if (Result<void> trusted = check_trust(*status, trust); !trusted) {
    return std::unexpected(std::move(trusted).error());
  }
  // One byte more than allowed, so that a file which grew meanwhile is noticed.
  std::string text(largest_user_file.count + 1, '\0');
  const Result<std::size_t> got = disk.read(file, text, FileBytes{0});
  if (!got) return std::unexpected(got.error());
  if (*got > largest_user_file.count) return fail(Errc::limit, "grew while it was read");
  text.resize(*got);
  return text;
}

/// Applies `name` of a directory and what it names.
Checked<void> apply_user_file(Configuration& configuration, Disk& disk,
                              const UserDirectory& directory, const std::string& name,
                              FileScope scope, const Trust& trust) {
  const std::string path = directory.path + "/" + name;
  const Place here{escaped(path)};
  Result<Fd> file = disk.open(directory.descriptor, name, O_RDONLY);
  if (!file && file.error().code == Errc::not_found) return {};
  if (!file) return std::unexpected(Complaints{{here, file.error().text}});
  Result<std::string> text = read_trusted(disk, *file, trust);
  if (!text) return std::unexpected(Complaints{{here, text.error().text}});
  const FileReader read = [&](const std::string& named) -> Result<std::string> {
    Result<Fd> nested = disk.open(AT_FDCWD, named, O_RDONLY);
    if (!nested) return std::unexpected(std::move(nested).error());
    Result<std::string> content = read_trusted(disk, *nested, trust);
    if (!content) return std::unexpected(std::move(content).error().in(escaped(named)));
    return content;
  };
  return apply_text(configuration, *text, path, scope, read);
}

}  // namespace

Checked<void> apply_home_file(Configuration& configuration, Disk& disk, const UserDirectory& home,
                              uid_t user) {
  return apply_user_file(configuration, disk, home, ".qpopper-options", FileScope::home_file,
                         {user, 0, writable_by_others});
}

Checked<void> apply_spool_file(Configuration& configuration, Disk& disk, const UserDirectory& spool,
                               const std::string& user_name, uid_t user) {
  const Place here{escaped(spool.path)};
  if (user_name.empty() || user_name.find('/') != std::string::npos) {
    return std::unexpected(Complaints{{here, "no user is called \"" + escaped(user_name) + "\""}});
  }
  const Result<FileStatus> directory = disk.status(spool.descriptor, ".");
  if (!directory) return std::unexpected(Complaints{{here, directory.error().text}});
  // Whoever owns the directory can replace the file anyway, unless that is the user himself.
  const uid_t owner = directory->owner == user ? 0 : directory->owner;
  return apply_user_file(configuration, disk, spool, "." + user_name + ".qpopper-options",
                         FileScope::spool_file, {owner, 0, writable_by_group_or_others});
}

UserSettings settings_of_user(const Settings& settings, Disk& disk, const OptionFilesOf& user) {
  UserSettings found{.settings = settings, .complaints = {}, .failures = {}};
  if (!settings.user_options && !settings.spool_options) return found;
  Configuration configuration;
  configuration.settings = settings;
  const auto apply = [&](const std::string& path, auto apply_file_in) {
    Result<Fd> directory = open_directory(path);
    if (!directory) return found.failures.push_back(std::move(directory).error());
    const Checked<void> applied = apply_file_in(UserDirectory{directory->get(), path});
    if (applied) return;
    for (const Complaint& complaint : applied.error()) found.complaints.push_back(complaint);
  };
  if (settings.user_options) {
    apply(user.home, [&](const UserDirectory& home) {
      return apply_home_file(configuration, disk, home, user.uid);
    });
  }
  if (settings.spool_options) {
    apply(settings.spool_dir.native(), [&](const UserDirectory& spool) {
      return apply_spool_file(configuration, disk, spool, user.name, user.uid);
    });
  }
  found.settings = std::move(configuration.settings);
  return found;
}

}  // namespace pop
