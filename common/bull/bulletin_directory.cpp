#include "bull/bulletin_directory.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/file_replacement.h"
#include "base/flock.h"
#include "base/text.h"
#include "store/backoff.h"

namespace pop {
namespace {

constexpr const char* lock_name = ".lock";
constexpr const char* number_name = ".last-number";
constexpr std::string_view database_name = "bulldb";  // with any suffix, as ndbm had two

bool is_lower(const BulletinName& a, const BulletinName& b) {
  return std::tie(a.number, a.file) < std::tie(b.number, b.file);
}

void sort_in(std::string_view file, BulletinFiles& files) {
  if (std::optional<BulletinName> name = bulletin_name(file)) {
    files.bulletins.push_back(std::move(*name));
  } else if ((name = name_before_retraction(file))) {
    files.retracted.push_back(std::move(*name));
  } else if (!file.starts_with('.') && !file.starts_with(database_name)) {
    files.others.emplace_back(file);
  }
}

Result<void> check_readable(const FileStatus& status) {
  if (!status.is_regular()) return fail(Errc::denied, "it is not a regular file");
  if ((status.mode & S_IWOTH) != 0) {
    return fail(Errc::denied, "everybody may change it: chmod o-w");
  }
  if (status.size > BulletinDirectory::largest_bulletin) {
    return fail(Errc::limit, "it is larger than " +
                                 std::to_string(BulletinDirectory::largest_bulletin.count) +
                                 " octets");
  }
  return {};
}

}  // namespace

std::uint64_t BulletinFiles::highest() const {
  std::uint64_t highest = 0;
  for (const auto* names : {&bulletins, &retracted}) {
    if (!names->empty()) highest = std::max(highest, names->back().number);
  }
  return highest;
}

Result<BulletinDirectory> BulletinDirectory::open(Disk& disk, const std::filesystem::path& path) {
  Result<Fd> directory = open_directory(path.native());
  if (!directory) return std::unexpected(std::move(directory).error());
  return BulletinDirectory{
      disk, std::make_shared<const OpenDirectory>(OpenDirectory{std::move(*directory), path})};
}

Result<BulletinFiles> BulletinDirectory::files() const {
  BulletinFiles files;
  // A descriptor of its own, since listing moves its position.
  const Result<Fd> reading = open_directory(in_->fd.get(), ".");
  Result<void> listed =
      reading
          ? disk_->list(reading->get(),
                        [&](const ListedName& listed_name) { sort_in(listed_name.name, files); })
          : std::unexpected(reading.error());
  if (!listed) return std::unexpected(std::move(listed).error().in("list " + path().native()));
  std::ranges::sort(files.bulletins, is_lower);
  std::ranges::sort(files.retracted, is_lower);
  std::ranges::sort(files.others);
  return files;
}

Result<std::uint64_t> BulletinDirectory::highest_used(const BulletinFiles& files) const {
  const Result<std::uint64_t> noted = noted_number();
  if (!noted) return noted;
  return std::max(*noted, files.highest());
}

bool BulletinDirectory::has_note() const {
  return disk_->status(in_->fd.get(), number_name).has_value();
}

Result<std::uint64_t> BulletinDirectory::noted_number() const {
  const Result<Fd> file = disk_->open(in_->fd.get(), number_name, O_RDONLY);
  if (!file && file.error().code == Errc::not_found) return 0;
  std::string text(32, '\0');
  const Result<std::size_t> got =
      file ? disk_->read(*file, text, {0}) : std::unexpected(file.error());
  if (!got) return std::unexpected(Error{got.error()}.in(path().native()));
  text.resize(*got);
  const std::optional<std::uint64_t> number =
      text.ends_with('\n') ? decimal(std::string_view{text}.substr(0, text.size() - 1))
                           : std::nullopt;
  if (number) return *number;
  return fail(Errc::corrupt, place(number_name).path() +
                                 " holds no number: write the highest that was ever used into it");
}

Result<std::string> BulletinDirectory::content(const BulletinName& name) const {
  const Result<Fd> file = disk_->open(in_->fd.get(), name.file, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = disk_->status(*file);
  if (!status) return std::unexpected(status.error());
  Result<void> fine = check_readable(*status);
  if (!fine) return std::unexpected(std::move(fine).error().in(name.file));
  std::string octets(status->size.count, '\0');
  const Result<std::size_t> got = disk_->read(*file, octets, {0});
  if (!got) return std::unexpected(got.error());
  octets.resize(*got);
  return octets;
}

Result<BulletinLock> BulletinDirectory::lock(Clock& clock,
                                             std::chrono::milliseconds wait_at_most) const {
  Result<Fd> file = disk_->open(in_->fd.get(), lock_name, O_RDWR | O_CREAT, 0600);
  if (!file) return std::unexpected(std::move(file).error().in("lock " + path().native()));
  Backoff backoff{clock, wait_at_most};
  for (;;) {
    const Result<Flock> locked = try_flock(*file);
    if (!locked) return std::unexpected(Error{locked.error()}.in("lock " + path().native()));
    if (*locked == Flock::taken) return BulletinLock{std::move(*file)};
    if (!backoff.wait()) {
      return fail(Errc::busy, path().native() + ": another program is publishing");
    }
  }
}

Result<void> BulletinDirectory::note_number(const BulletinLock&, std::uint64_t number) const {
  const Result<std::uint64_t> noted = noted_number();
  if (noted && *noted >= number) return {};
  return replace_file(*disk_, {.directory = in_->fd.get(), .name = number_name, .mode = 0644},
                      std::to_string(number) + "\n");
}

Result<void> BulletinDirectory::retract(const BulletinLock&, const BulletinName& name) const {
  Result<void> done = disk_->move(in_->fd.get(), name.file, in_->fd.get(), retracted_name(name));
  return done ? disk_->sync_directory(in_->fd.get()) : done;
}

}  // namespace pop
