#include "store/retrieval_record.h"

#include <algorithm>
#include <limits>

#include "base/file_replacement.h"
#include "base/text.h"
#include "mail/unique_id.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popper-retrieved 1";
constexpr FileBytes largest_file{std::uint64_t{256} << 20};

/// Up to the next LF, which is taken away.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

RetrievalRecord RetrievalRecord::parse(std::string_view content) {
  RetrievalRecord record;
  if (take_line(content) != magic) return record;
  while (!content.empty()) {
    const std::string_view line = take_line(content);
    const std::size_t blank = line.find(' ');
    if (blank == line.npos || !is_valid_unique_id(line.substr(blank + 1))) continue;
    const std::optional<std::uint64_t> since = decimal(line.substr(0, blank));
    if (!since || *since > std::uint64_t{std::numeric_limits<Seconds>::max()}) continue;
    record.set(line.substr(blank + 1), static_cast<Seconds>(*since));
  }
  return record;
}

std::string RetrievalRecord::serialised() const {
  std::string content{magic};
  content += '\n';
  for (const auto& [id, since] : times_) content += std::to_string(since) + " " + id + "\n";
  return content;
}

RetrievalRecord RetrievalRecord::load(Disk& disk, const FilePlace& place, uid_t owner) {
  const Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  if (!file) return {};
  const Result<FileStatus> status = disk.status(*file);
  if (!status || status->size > largest_file) return {};
  std::string content(status->size.count, '\0');
  const Result<std::size_t> got = disk.read(*file, content, {0});
  return got ? parse(std::string_view{content}.substr(0, *got)) : RetrievalRecord{};
}

Result<void> RetrievalRecord::save(Disk& disk, const FilePlace& place) const {
  if (!times_.empty()) {
    return replace_file(disk, {.directory = place.directory(), .name = place.name}, serialised());
  }
  Result<void> removed = disk.remove(place.directory(), place.name);
  if (!removed && removed.error().code == Errc::not_found) return {};
  return removed;
}

RetrievalRecord::Seconds RetrievalRecord::since(std::string_view unique_id, Seconds now) const {
  const auto found = times_.find(unique_id);
  return found == times_.end() ? now : found->second;
}

void RetrievalRecord::set(std::string_view unique_id, Seconds since) {
  times_.insert_or_assign(std::string{unique_id}, since);
}

}  // namespace pop
