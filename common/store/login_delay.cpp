#include "store/login_delay.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/flock.h"
#include "base/text.h"
#include "store/maildir_location.h"
#include "store/maildrop_location.h"
#include "store/spool_file.h"

namespace pop {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t digits_of_record = 20;

Result<FilePlace> place_of_record(const MaildropContext& context, const MailUser& user) {
  Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(std::move(location).error());
  Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(context.disk, context.settings, user, *location);
  const FilePlace& lock = maildir && *maildir ? (*maildir)->drop : location->drop;
  return lock.sibling(lock.name + ".login");
}

Result<Fd> open_record(const MaildropContext& context, const FilePlace& place, uid_t owner) {
  for (int tries = 0; tries < 3; ++tries) {
    Result<Fd> file =
        open_mail_file(context.disk, place, O_RDWR, owner, Exposure::not_accessible_by_others);
    if (file || file.error().code != Errc::not_found) return file;
    Result<std::optional<Fd>> made = create_mail_file(context.disk, place);
    if (!made) return std::unexpected(std::move(made).error());
    if (*made) return *std::move(*made);
  }
  return fail(Errc::changed, place.path() + " is made and removed again and again");
}

/// When the user would have rested, if every login so far had kept the delay.
Result<std::optional<milliseconds>> read_record(Disk& disk, const Fd& file) {
  std::array<char, digits_of_record> text;
  const Result<std::size_t> read = disk.read(file, text, FileBytes{0});
  if (!read) return std::unexpected(read.error());
  const std::optional<std::uint64_t> value = decimal({text.data(), *read});
  if (!value || *value > INT64_MAX) return std::nullopt;
  return milliseconds{static_cast<std::int64_t>(*value)};
}

Result<void> write_record(Disk& disk, const Fd& file, milliseconds rested) {
  std::string text = std::to_string(rested.count());
  text.insert(0, digits_of_record - text.size(), '0');
  return disk.write(file, text + "\n", FileBytes{0});
}

}  // namespace

Result<std::chrono::seconds> take_login(const MaildropContext& context, const MailUser& user) {
  const Result<FilePlace> place = place_of_record(context, user);
  if (!place) return std::unexpected(place.error());
  const Result<Fd> file = open_record(context, *place, user.uid);
  if (!file) return std::unexpected(file.error());
  const Result<Flock> lock = try_flock(*file);
  if (!lock) return std::unexpected(lock.error());
  if (*lock != Flock::taken) return std::chrono::seconds{0};  // the session lock tells them apart
  const milliseconds delay = std::chrono::seconds{context.settings.announce_login_delay};
  const auto now =
      std::chrono::duration_cast<milliseconds>(context.clock.wall().time_since_epoch());
  const Result<std::optional<milliseconds>> record = read_record(context.disk, *file);
  if (!record) return std::unexpected(record.error());
  milliseconds rested = record->value_or(now);
  if (rested > now + logins_in_a_row * delay) rested = now;
  const milliseconds earliest = rested - (logins_in_a_row - 1) * delay;
  if (now < earliest) return std::chrono::ceil<std::chrono::seconds>(earliest - now);
  Result<void> written = write_record(context.disk, *file, std::max(rested, now) + delay);
  if (!written) return std::unexpected(std::move(written).error().in(place->path()));
  return std::chrono::seconds{0};
}

}  // namespace pop
