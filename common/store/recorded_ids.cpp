#include "store/recorded_ids.h"

#include <algorithm>

#include "base/file_replacement.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::uint64_t largest_file = std::uint64_t{256} * 1024 * 1024;

std::string first_line(UniqueIdRecipe recipe) {
  return "popper-uidl 1 " + std::to_string(static_cast<int>(recipe));
}

/// Up to the next LF, which is taken away.
std::string_view take_line(std::string_view& text) {
  const std::size_t lf = text.find('\n');
  const std::string_view line = text.substr(0, lf);
  text.remove_prefix(lf == std::string_view::npos ? text.size() : lf + 1);
  return line;
}

}  // namespace

RecordedIds RecordedIds::parse(std::string_view content, UniqueIdRecipe recipe) {
  RecordedIds recorded;
  if (take_line(content) != first_line(recipe)) return recorded;
  while (!content.empty()) {
    const std::string_view line = take_line(content);
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos || !is_valid_unique_id(line.substr(0, blank))) continue;
    recorded.record(line.substr(blank + 1), line.substr(0, blank));
  }
  return recorded;
}

std::string RecordedIds::serialised(UniqueIdRecipe recipe) const {
  std::string content = first_line(recipe) + "\n";
  for (const auto& [base, id] : ids_) content += id + " " + base + "\n";
  return content;
}

RecordedIds RecordedIds::load(Disk& disk, const FilePlace& place, uid_t owner,
                              UniqueIdRecipe recipe) {
  const Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  if (!file) return {};
  const Result<FileStatus> status = disk.status(*file);
  if (!status || status->size.count > largest_file) return {};
  std::string content(status->size.count, '\0');
  const Result<std::size_t> got = disk.read(*file, content, {0});
  return got ? parse(std::string_view{content}.substr(0, *got), recipe) : RecordedIds{};
}

Result<void> RecordedIds::save(Disk& disk, const FilePlace& place, UniqueIdRecipe recipe) const {
  return replace_file(disk, {.directory = place.directory(), .name = place.name},
                      serialised(recipe));
}

const std::string* RecordedIds::find(std::string_view base) const {
  const auto found = ids_.find(base);
  return found == ids_.end() ? nullptr : &found->second;
}

bool RecordedIds::contains(const RecordedIds& other) const {
  return std::ranges::includes(ids_, other.ids_);
}

void RecordedIds::record(std::string_view base, std::string_view id) {
  if (base.empty() || base.find('\n') != std::string_view::npos) return;
  ids_.insert_or_assign(std::string{base}, std::string{id});
}

}  // namespace pop
