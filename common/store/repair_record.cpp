#include "store/repair_record.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/hex.h"
#include "base/text.h"
#include "store/checksum.h"
#include "store/file_pieces.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::string_view first_line = "popper-repair 1\n";
constexpr std::uint64_t largest_record = std::uint64_t{1} << 30;
constexpr std::string_view journal_ending = ".journal";

std::string hex(std::uint64_t value) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

std::optional<std::uint64_t> from_hex(std::string_view digits) {
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value, 16);
  if (digits.size() > 16 || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

std::string bytes_as_hex(std::string_view bytes) {
  return bytes.empty() ? "-" : in_hex(bytes);
}

std::optional<std::string> hex_as_bytes(std::string_view text) {
  std::string bytes;
  if (text == "-") return bytes;
  if (text.size() % 2 != 0) return std::nullopt;
  for (; !text.empty(); text.remove_prefix(2)) {
    const auto octet = from_hex(text.substr(0, 2));
    if (!octet) return std::nullopt;
    bytes += static_cast<char>(*octet);
  }
  return bytes;
}

std::string sum_line(std::string_view name, const ByteSum& sum) {
  return std::string{name} + " " + std::to_string(sum.size.count) + " " + hex(sum.sum) + "\n";
}

/// Takes the words of a record off its beginning.
class RecordReader {
 public:
  explicit RecordReader(std::string_view content) : rest_{content} {}

  [[nodiscard]] bool take(std::string_view wanted) {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(wanted.size());
    return true;
  }
  /// Up to the next blank or line end, which is taken, too.
  [[nodiscard]] std::string_view word(char end) {
    const std::size_t size = std::min(rest_.find(end), rest_.size());
    const std::string_view found = rest_.substr(0, size);
    rest_.remove_prefix(std::min(size + 1, rest_.size()));
    return found;
  }
  [[nodiscard]] bool sum(std::string_view name, ByteSum& into) {
    if (!take(std::string{name} + " ")) return false;
    const auto size = decimal(word(' '));
    const auto sum = from_hex(word('\n'));
    if (!size || !sum) return false;
    into = {{*size}, *sum};
    return true;
  }
  [[nodiscard]] bool edit(std::vector<SpoolEdit>& into) {
    const auto at = decimal(word(' ')), removed = decimal(word(' '));
    auto inserted = hex_as_bytes(word('\n'));
    if (!at || !removed || !inserted) return false;
    into.push_back({{*at}, {*removed}, std::move(*inserted)});
    return true;
  }
  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

Result<void> remove_if_there(Disk& disk, const FilePlace& place) {
  Result<void> removed = disk.remove(place.directory(), place.name);
  if (!removed && removed.error().code != Errc::not_found) return removed;
  return {};
}

std::string repair_prefix(const MaildropLocation& location) {
  std::string_view name = location.journal.name;
  if (name.ends_with(journal_ending)) name.remove_suffix(journal_ending.size());
  return std::string{name} + ".repair.";
}

}  // namespace

std::string RepairRecord::serialised() const {
  std::string text{first_line};
  text += "time " + std::to_string(time) + "\n";
  text += sum_line("old", old_spool) + sum_line("new", new_spool);
  text += sum_line("quarantine", quarantine);
  for (const SpoolEdit& edit : edits) {
    text += "edit " + std::to_string(edit.at.count) + " " + std::to_string(edit.removed.count) +
            " " + bytes_as_hex(edit.inserted) + "\n";
  }
  return text + "sum " + hex(checksum_of({text})) + "\n";
}

std::optional<RepairRecord> RepairRecord::parse(std::string_view content) {
  RepairRecord record;
  RecordReader reader{content};
  if (!reader.take(first_line) || !reader.take("time ")) return std::nullopt;
  const auto time = decimal(reader.word('\n'));
  if (!time || !reader.sum("old", record.old_spool) || !reader.sum("new", record.new_spool) ||
      !reader.sum("quarantine", record.quarantine)) {
    return std::nullopt;
  }
  record.time = *time;
  while (reader.take("edit ")) {
    if (!reader.edit(record.edits)) return std::nullopt;
  }
  // The sum covers all of it, so what is written back must be the same.
  if (record.serialised() != content) return std::nullopt;
  return record;
}

RepairFiles RepairFiles::of(const MaildropLocation& location, std::uint32_t number) {
  const std::string name = repair_prefix(location) + std::to_string(number);
  return {location.spool.sibling(name), location.spool.sibling(name + ".backup"),
          location.spool.sibling(name + ".quarantine")};
}

Result<std::vector<std::uint32_t>> recorded_repairs(Disk& disk, const MaildropLocation& location) {
  std::vector<std::uint32_t> numbers;
  const std::string prefix = repair_prefix(location);
  Result<void> listed = disk.list(location.spool.directory(), [&](const ListedName& entry) {
    if (!entry.name.starts_with(prefix)) return;
    const auto number = decimal(entry.name.substr(prefix.size()));
    if (number && *number > 0 && *number < 1'000'000'000) {
      numbers.push_back(static_cast<std::uint32_t>(*number));
    }
  });
  if (!listed) return std::unexpected(std::move(listed).error());
  std::ranges::sort(numbers);
  return numbers;
}

Result<RepairRecord> load_record(Disk& disk, const FilePlace& place, uid_t owner) {
  const Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_accessible_by_others);
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (status->size.count > largest_record) return fail(Errc::corrupt, place.path() + ": too large");
  std::string content(status->size.count, '\0');
  const Result<std::size_t> got = disk.read(*file, content, {0});
  if (!got) return std::unexpected(got.error());
  std::optional<RepairRecord> record = RepairRecord::parse(content);
  if (!record) return fail(Errc::corrupt, place.path() + ": damaged record of a repair");
  return std::move(*record);
}

Result<void> remove_repair(Disk& disk, const RepairFiles& files) {
  for (const FilePlace* place : {&files.record, &files.quarantine, &files.backup}) {
    if (Result<void> removed = remove_if_there(disk, *place); !removed) return removed;
  }
  return disk.sync_directory(files.record.directory());
}

Result<ByteSum> sum_of(Disk& disk, const Fd& file, FileBytes size, const BetweenPieces& between) {
  Checksum sum;
  PieceReader reader{disk};
  const Result<void> read = reader.read(file, {0}, size, [&](std::string_view piece) {
    sum.update(piece);
    return between ? between() : Result<void>{};
  });
  if (!read) return std::unexpected(read.error());
  return ByteSum{size, sum.value()};
}

Result<bool> begins_with(Disk& disk, const Fd& file, const ByteSum& wanted,
                         const BetweenPieces& between) {
  const Result<FileStatus> status = disk.status(file);
  if (!status) return std::unexpected(status.error());
  if (status->size < wanted.size) return false;
  const Result<ByteSum> sum = sum_of(disk, file, wanted.size, between);
  if (!sum) return std::unexpected(sum.error());
  return *sum == wanted;
}

Result<RepairState> state_of_repair(Disk& disk, const Fd& spool, const RepairRecord& record,
                                    const BetweenPieces& between) {
  // One of the two may be the other's beginning, as when a double at the end was taken away: then
  // only the longer one proves anything.
  const bool new_first = record.new_spool.size > record.old_spool.size;
  for (const bool look_for_new : {new_first, !new_first}) {
    const ByteSum& wanted = look_for_new ? record.new_spool : record.old_spool;
    const Result<bool> there = begins_with(disk, spool, wanted, between);
    if (!there) return std::unexpected(there.error());
    if (*there) return look_for_new ? RepairState::happened : RepairState::not_happened;
  }
  return RepairState::overtaken;
}

}  // namespace pop
