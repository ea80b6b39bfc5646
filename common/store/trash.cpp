#include "store/trash.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <limits>

#include "base/file_replacement.h"
#include "base/text.h"
#include "mail/unique_id.h"
#include "store/file_pieces.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popper-trash 1\n";
constexpr std::string_view keyword = "message ";
constexpr std::size_t longest_head = 256;
constexpr std::size_t sum_line = 21;  // "sum " and 16 digits and LF
constexpr std::array<std::string_view, 3> forms{"mbox", "mmdf", "maildir"};

std::string sum_text(const Checksum& sum) {
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "sum %016" PRIx64 "\n", sum.value());
  return {text.data(), static_cast<std::size_t>(size)};
}

std::string head_text(const TrashedMessage& message) {
  std::string text{keyword};
  text += std::to_string(message.deleted) + " " + std::to_string(message.delivered) + " ";
  text += forms[static_cast<std::size_t>(message.form)];
  for (const FileBytes part : {message.separator, message.content, message.rest}) {
    text += " " + std::to_string(part.count);
  }
  return text + " " + message.unique_id + "\n";
}

std::optional<std::uint64_t> take_number(std::string_view& line, std::uint64_t most) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::optional<std::uint64_t> number = decimal(line.substr(0, end));
  line.remove_prefix(std::min(end + 1, line.size()));
  return number && *number <= most ? number : std::nullopt;
}

std::optional<TrashedForm> take_form(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const auto form = std::ranges::find(forms, line.substr(0, end));
  line.remove_prefix(std::min(end + 1, line.size()));
  if (form == forms.end()) return std::nullopt;
  return static_cast<TrashedForm>(form - forms.begin());
}

/// A head without its LF.
std::optional<TrashedMessage> parse_head(std::string_view line) {
  constexpr std::uint64_t latest = std::numeric_limits<std::int64_t>::max();
  constexpr std::uint64_t largest = std::uint64_t{1} << 60;
  if (!line.starts_with(keyword)) return std::nullopt;
  line.remove_prefix(keyword.size());
  const auto deleted = take_number(line, latest), delivered = take_number(line, latest);
  const auto form = take_form(line);
  const auto separator = take_number(line, largest), content = take_number(line, largest),
             rest = take_number(line, largest);
  if (!deleted || !delivered || !form || !separator || !content || !rest) return std::nullopt;
  if (!is_valid_unique_id(line)) return std::nullopt;
  return TrashedMessage{.deleted = static_cast<std::int64_t>(*deleted),
                        .delivered = static_cast<std::int64_t>(*delivered),
                        .form = *form,
                        .separator = {*separator},
                        .content = {*content},
                        .rest = {*rest},
                        .unique_id = std::string{line},
                        .at = {}};
}

std::int64_t seconds_now(Clock& clock) {
  return std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
}

FileBytes trash_limit(const Settings& settings) {
  return {static_cast<std::uint64_t>(settings.trash_size) << 20};
}

}  // namespace

Trash::Trash(Disk& disk, FilePlace place, Fd file)
    : disk_{&disk}, place_{std::move(place)}, file_{std::move(file)} {}

Result<Trash> Trash::open(Disk& disk, const FilePlace& place, uid_t owner) {
  Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_accessible_by_others);
  if (!file) return std::unexpected(std::move(file).error());
  Trash trash{disk, place, std::move(*file)};
  if (Result<void> loaded = trash.load(); !loaded) {
    return std::unexpected(std::move(loaded).error());
  }
  return trash;
}

Result<Trash> Trash::open_to_add(Disk& disk, const FilePlace& place, uid_t owner) {
  Result<Fd> file = open_mail_file(disk, place, O_RDWR, owner, Exposure::not_accessible_by_others);
  if (!file && file.error().code == Errc::not_found) {
    Result<std::optional<Fd>> made = create_mail_file(disk, place);
    if (!made) return std::unexpected(std::move(made).error());
    if (!*made) return fail(Errc::busy, place.path() + " was made by another program");
    file = std::move(**made);
  }
  if (!file) return std::unexpected(std::move(file).error());
  Trash trash{disk, place, std::move(*file)};
  if (Result<void> loaded = trash.load(); !loaded) {
    return std::unexpected(std::move(loaded).error());
  }
  return trash;
}

/// Goes from head to head. The first that is none ends it: nothing behind it was ever fsync'ed.
Result<void> Trash::load() {
  const Result<FileStatus> status = disk_->status(file_);
  if (!status) return std::unexpected(status.error());
  std::string text(magic.size(), '\0');
  Result<std::size_t> got = disk_->read(file_, text, {0});
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  const bool is_torn = magic.starts_with(text) || text.find_first_not_of('\0') == text.npos;
  if (text != magic && !is_torn) return fail(Errc::corrupt, place_.path() + " is no trash of ours");
  if (text != magic) return {};  // its making was cut off
  end_ = {magic.size()};
  while (end_ < status->size) {
    text.resize(longest_head);
    got = disk_->read(file_, text, end_);
    if (!got) return std::unexpected(got.error());
    const std::size_t lf = std::string_view{text}.substr(0, *got).find('\n');
    if (lf == std::string_view::npos) return {};
    std::optional<TrashedMessage> message = parse_head(std::string_view{text}.substr(0, lf));
    if (!message) return {};
    message->at = end_ + FileBytes{lf + 1};
    const FileBytes end = message->at + message->size() + FileBytes{sum_line};
    if (end > status->size) return {};
    end_ = end;
    messages_.push_back(std::move(*message));
  }
  is_whole_ = true;
  return {};
}

FileBytes Trash::size() const {
  FileBytes all;
  for (const TrashedMessage& message : messages_) all += message.size();
  return all;
}

Result<std::string> Trash::read(const TrashedMessage& message) const {
  std::string bytes(message.size().count + sum_line, '\0');
  const Result<std::size_t> got = disk_->read(file_, bytes, message.at);
  if (!got) return std::unexpected(got.error());
  const std::string head = head_text(message);
  Checksum sum;
  sum.update(head);
  sum.update(std::string_view{bytes}.substr(0, message.size().count));
  const bool is_whole =
      *got == bytes.size() && std::string_view{bytes}.substr(message.size().count) == sum_text(sum);
  if (!is_whole) {
    return fail(Errc::corrupt, place_.path() + ": the message " + message.unique_id +
                                   " is damaged, or was never deleted");
  }
  bytes.resize(message.size().count);
  return bytes;
}

Result<void> Trash::reserve(std::span<const TrashedMessage> coming) {
  const FileBytes before = end_;
  before_ = before;
  FileBytes end = std::max(end_, FileBytes{magic.size()});
  for (const TrashedMessage& message : coming) {
    end += FileBytes{head_text(message).size() + sum_line} + message.size();
  }
  const Result<FileStatus> status = disk_->status(file_);
  if (!status) return std::unexpected(status.error());
  if (status->size > before) {  // what a crash left
    if (Result<void> cut = disk_->truncate(file_, before); !cut) return cut;
  }
  if (Result<void> reserved = disk_->reserve(file_, end); !reserved) return reserved;
  buffer_.emplace(*disk_, file_, before);
  return before.count == 0 ? buffer_->append(magic) : Result<void>{};
}

Result<void> Trash::begin(const TrashedMessage& message) {
  const std::string head = head_text(message);
  sum_ = Checksum{};
  sum_.update(head);
  messages_.push_back(message);
  messages_.back().at = buffer_->end() + FileBytes{head.size()};
  return buffer_->append(head);
}

Result<void> Trash::append(std::string_view bytes) {
  sum_.update(bytes);
  return buffer_->append(bytes);
}

Result<void> Trash::end() {
  const TrashedMessage& message = messages_.back();
  if (buffer_->end() != message.at + message.size()) {
    return fail(Errc::changed, "a message changed while it was moved to the trash");
  }
  return buffer_->append(sum_text(sum_));
}

Result<void> Trash::finish() {
  Result<void> done = buffer_->flush();
  if (done) done = disk_->sync(file_);
  if (done) done = disk_->sync_directory(place_.directory());
  if (done) end_ = buffer_->end();
  buffer_.reset();
  return done;
}

/// Cutting off at the end that the file has frees what was reserved beyond it.
Result<void> Trash::withdraw() {
  buffer_.reset();
  if (!before_) return {};
  if (before_->count == 0) return disk_->remove(place_.directory(), place_.name);
  return disk_->truncate(file_, *before_);
}

std::vector<std::size_t> fitting_trash(std::span<const TrashedMessage> coming,
                                       const Settings& settings) {
  std::vector<std::size_t> chosen;
  FileBytes left = trash_limit(settings);
  for (std::size_t i = coming.size(); i-- > 0;) {
    if (coming[i].size() > left) continue;
    left = left - coming[i].size();
    chosen.push_back(i);
  }
  std::ranges::reverse(chosen);
  return chosen;
}

Result<std::size_t> sweep_trash(Disk& disk, const FilePlace& place, uid_t owner,
                                const std::function<bool(const TrashedMessage&)>& keep) {
  const FilePlace beside = place.sibling(place.name + ".new");
  (void)disk.remove(beside.directory(), beside.name);  // of one that was cut off
  Result<Trash> old = Trash::open(disk, place, owner);
  if (!old && old.error().code == Errc::not_found) return std::size_t{0};
  if (!old) return std::unexpected(std::move(old).error());
  std::vector<TrashedMessage> kept;
  for (const TrashedMessage& message : old->messages()) {
    if (keep(message)) kept.push_back(message);
  }
  const std::size_t dropped = old->messages().size() - kept.size();
  if (dropped == 0 && !kept.empty()) return dropped;
  if (kept.empty()) {
    Result<void> done = disk.remove(place.directory(), place.name);
    if (done) done = disk.sync_directory(place.directory());
    if (!done) return std::unexpected(std::move(done).error());
    return dropped;
  }
  const auto copy = [&](Trash& fresh, const TrashedMessage& message) -> Result<void> {
    const Result<std::string> bytes = old->read(message);
    if (!bytes && bytes.error().code == Errc::corrupt) return {};  // nobody could bring it back
    Result<void> done = bytes ? fresh.begin(message) : std::unexpected(bytes.error());
    if (done) done = fresh.append(*bytes);
    return done ? fresh.end() : done;
  };
  Result<void> done = replace_trash(disk, place, owner, kept, copy);
  if (done) return dropped;
  return std::unexpected(std::move(done).error().in("sweep " + place.path()));
}

Result<void> replace_trash(
    Disk& disk, const FilePlace& place, uid_t owner, std::span<const TrashedMessage> coming,
    const std::function<Result<void>(Trash& trash, const TrashedMessage& message)>& add) {
  const FilePlace beside = place.sibling(place.name + ".new");
  (void)disk.remove(beside.directory(), beside.name);  // of one that was cut off
  Result<Trash> fresh = Trash::open_to_add(disk, beside, owner);
  if (!fresh) return std::unexpected(std::move(fresh).error());
  Result<void> done = fresh->reserve(coming);
  for (const TrashedMessage& message : coming) {
    if (done) done = add(*fresh, message);
  }
  if (done) done = fresh->finish();
  if (done) done = disk.rename(place.directory(), beside.name, place.name);
  if (done) done = disk.sync_directory(place.directory());
  if (!done) (void)disk.remove(beside.directory(), beside.name);
  return done;
}

Result<void> make_room_in_trash(Disk& disk, Clock& clock, const Settings& settings,
                                const FilePlace& place, uid_t owner, FileBytes coming) {
  const Result<Trash> trash = Trash::open(disk, place, owner);
  if (!trash && trash.error().code == Errc::not_found) return {};
  if (!trash) return std::unexpected(trash.error());
  const std::int64_t now = seconds_now(clock);
  const FileBytes all = trash->size(), limit = trash_limit(settings);
  FileBytes past;
  for (const TrashedMessage& message : trash->messages()) {
    if (is_past_trash(message, settings, now)) past += message.size();
  }
  const bool is_too_large = all + coming > limit;
  if (!is_too_large && past.count * 2 <= all.count) return {};
  // A quarter more than must be goes, so that not every session has to rewrite the rest.
  const FileBytes most{limit.count - std::min(limit.count, coming.count)};
  const FileBytes wanted = is_too_large ? FileBytes{most.count / 4 * 3} : most;
  FileBytes left = all;
  const Result<std::size_t> swept =
      sweep_trash(disk, place, owner, [&](const TrashedMessage& message) {
        const bool goes = is_past_trash(message, settings, now) || left > wanted;
        if (goes) left = left - message.size();
        return !goes;
      });
  if (!swept) return std::unexpected(swept.error());
  return {};
}

bool is_past_trash(const TrashedMessage& message, const Settings& settings, std::int64_t now) {
  return now - message.deleted > settings.trash_days * 86'400;
}

}  // namespace pop
