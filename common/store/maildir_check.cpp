#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <utility>

#include "base/text.h"
#include "mail/message_scanner.h"
#include "store/file_pieces.h"
#include "store/maildir_location.h"
#include "store/maildir_name.h"
#include "store/maildrop_check.h"
#include "store/maildrop_location.h"
#include "store/scan_options.h"

namespace pop {
namespace {

/// A delivery that takes longer has been given up; what maildir(5) says.
constexpr std::chrono::hours longest_delivery{36};

class MaildirCheck {
 public:
  MaildirCheck(const MaildropContext& context, const MailUser& user)
      : context_{context}, disk_{context.disk}, user_{user} {}

  Result<MaildropFindings> run(const std::filesystem::path& path, const Fd& root) {
    found_.format = MailFormat::maildir;
    found_.path = path;
    found_.exists = true;
    for (const std::string name : {"new", "cur", "tmp"}) {
      if (Result<void> checked = check_directory(path / name, root, name); !checked) {
        return std::unexpected(std::move(checked).error());
      }
    }
    return std::move(found_);
  }

 private:
  void report(DefectKind kind, const std::filesystem::path& file, std::string detail) {
    found_.defects.push_back({.kind = kind, .file = file, .detail = std::move(detail)});
  }

  Result<void> check_directory(const std::filesystem::path& path, const Fd& root,
                               const std::string& name) {
    const Result<FileStatus> status = disk_.status(root.get(), name);
    if (!status && status.error().code == Errc::not_found) {
      report(DefectKind::missing_directory, path, "a Maildir has new, cur and tmp");
      return {};
    }
    if (!status) return std::unexpected(status.error());
    if (!status->is_directory()) {
      report(DefectKind::no_plain_file, path, "not a directory");
      return {};
    }
    if (status->owner != user_.uid) {
      report(DefectKind::wrong_owner, path, "belongs to uid " + std::to_string(status->owner));
      return {};
    }
    if ((status->mode & S_IWOTH) != 0) {
      report(DefectKind::wrong_mode, path, "everybody may write there");
    }
    const Result<Fd> directory = disk_.open(root.get(), name, O_RDONLY | O_DIRECTORY);
    if (!directory) return std::unexpected(directory.error());
    std::vector<std::string> names;
    Result<void> listed = disk_.list(
        directory->get(), [&](const ListedName& entry) { names.emplace_back(entry.name); });
    if (!listed) return listed;
    std::ranges::sort(names);
    for (const std::string& entry : names) {
      if (entry.starts_with('.')) continue;
      Result<void> checked = name == "tmp" ? check_delivery(path / entry, *directory, entry)
                                           : check_message(path / entry, *directory, entry);
      if (!checked) return checked;
    }
    return {};
  }

  Result<void> check_delivery(const std::filesystem::path& path, const Fd& directory,
                              const std::string& name) {
    const Result<FileStatus> status = disk_.status(directory.get(), name);
    if (!status) return {};  // it has just been finished
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(context_.clock.wall().time_since_epoch());
    if (now - std::chrono::seconds{status->modified.tv_sec} > longest_delivery) {
      report(DefectKind::stale_delivery, path,
             std::to_string(status->size.count) + " octets, not written to for 36 hours");
    }
    return {};
  }

  Result<void> check_message(const std::filesystem::path& path, const Fd& directory,
                             const std::string& name) {
    const Result<FileStatus> status = disk_.status(directory.get(), name);
    if (!status) return {};  // renamed or removed meanwhile
    if (!status->is_regular()) {
      report(DefectKind::foreign_entry, path, "not a plain file");
      return {};
    }
    if (status->owner != user_.uid) {
      report(DefectKind::wrong_owner, path, "belongs to uid " + std::to_string(status->owner));
      return {};
    }
    if ((status->mode & S_IRUSR) == 0) {
      report(DefectKind::wrong_mode, path, "its owner may not read it");
      return {};
    }
    ++found_.messages;
    found_.size += status->size;
    const MaildirName parsed = parse_maildir_name(name);
    check_name(path, parsed);
    return check_sizes(path, directory, name, *status);
  }

  void check_name(const std::filesystem::path& path, const MaildirName& name) {
    if (name.delivered == 0) {
      report(DefectKind::unsuitable_name, path, "it does not begin with the time of delivery");
    }
    if (!name.info.empty() && !name.info.starts_with("2,")) {
      report(DefectKind::unsuitable_name, path,
             "behind the colon stands \"" + escaped(name.info, 40) + "\", not \"2,\"");
    }
    const auto [place, fresh] = bases_.try_emplace(std::string{name.base}, path);
    if (!fresh) {
      report(DefectKind::repeated_name, path, "the same base name as " + place->second.native());
    }
  }

  Result<void> check_sizes(const std::filesystem::path& path, const Fd& directory,
                           const std::string& name, const FileStatus& status) {
    const MaildirName parsed = parse_maildir_name(name);
    if (parsed.stored_size && *parsed.stored_size != status.size.count) {
      report(DefectKind::lying_size, path,
             "the file has " + std::to_string(status.size.count) + " octets");
    }
    if (!parsed.wire_size) return {};
    const Result<std::uint64_t> wire = wire_size(directory, name, status.size);
    if (!wire && wire.error().code == Errc::not_found) return {};
    if (!wire) return std::unexpected(wire.error());
    if (*wire != *parsed.wire_size) {
      report(DefectKind::lying_size, path, "with CRLF it has " + std::to_string(*wire) + " octets");
    }
    return {};
  }

  /// As the name tells it: every line end as CRLF, nothing left out.
  Result<std::uint64_t> wire_size(const Fd& directory, const std::string& name, FileBytes size) {
    const Result<Fd> file = disk_.open(directory.get(), name, O_RDONLY);
    if (!file) return std::unexpected(file.error());
    std::uint64_t wire = size.count;
    char last = '\0';
    Result<void> read = reader_.read(*file, {0}, size, [&](std::string_view piece) -> Result<void> {
      for (const char c : piece) {
        if (c == '\n' && last != '\r') ++wire;
        last = c;
      }
      return {};
    });
    if (!read) return std::unexpected(std::move(read).error());
    return wire;
  }

  const MaildropContext& context_;
  Disk& disk_;
  const MailUser& user_;
  PieceReader reader_{disk_};
  MaildropFindings found_;
  std::map<std::string, std::filesystem::path> bases_;
};

}  // namespace

Result<MaildropFindings> check_maildir(const MaildropContext& context, const MailUser& user,
                                       const MaildropLocation& location) {
  const std::filesystem::path path = location.spool.path();
  Result<Fd> root =
      open_trusted_directory(context.disk, location.spool.in->fd, location.spool.name);
  if (!root) return std::unexpected(std::move(root).error().in("check " + path.native()));
  Result<MaildropFindings> found = MaildirCheck{context, user}.run(path, *root);
  if (!found) return std::unexpected(std::move(found).error().in("check " + path.native()));
  return found;
}

}  // namespace pop
