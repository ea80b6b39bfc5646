#include "store/recorded_ids.h"

#include <algorithm>

#include "base/file_replacement.h"
#include "base/text.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::uint64_t largest_file = std::uint64_t{256} * 1024 * 1024;
constexpr std::uint64_t largest_order = 0xFFFFFFFE;

std::string first_line(UniqueIdRecipe recipe, int version) {
  return "popper-uidl " + std::to_string(version) + " " + std::to_string(static_cast<int>(recipe));
}

/// Up to the next `end`, which is taken away.
std::string_view take_part(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

}  // namespace

RecordedIds RecordedIds::parse(std::string_view content, UniqueIdRecipe recipe) {
  RecordedIds recorded;
  const std::string_view first = take_part(content, '\n');
  const bool has_order = first.starts_with("popper-uidl 2 ");
  const bool is_this_recipe = first == first_line(recipe, has_order ? 2 : 1);
  if (!is_this_recipe && !has_order) return recorded;
  while (!content.empty()) {
    std::string_view line = take_part(content, '\n');
    const std::string_view id = take_part(line, ' ');
    const std::optional<std::uint64_t> order =
        has_order ? decimal(take_part(line, ' ')) : std::optional<std::uint64_t>{0};
    if (!is_valid_unique_id(id) || !order || *order > largest_order) continue;
    if (*order == 0 && !is_this_recipe) continue;
    recorded.record(line, {.id = std::string{id}, .order = static_cast<std::uint32_t>(*order)});
  }
  return recorded;
}

std::string RecordedIds::serialised(UniqueIdRecipe recipe) const {
  const bool has_order =
      std::ranges::any_of(ids_, [](const auto& each) { return each.second.order != 0; });
  std::string content = first_line(recipe, has_order ? 2 : 1) + "\n";
  for (const auto& [base, recorded] : ids_) {
    content += recorded.id + " ";
    if (has_order) content += std::to_string(recorded.order) + " ";
    content += base + "\n";
  }
  return content;
}

Result<RecordedIds> RecordedIds::load(Disk& disk, const FilePlace& place, uid_t owner,
                                      UniqueIdRecipe recipe) {
  Result<Fd> file = open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  for (int tries = 0; !file && file.error().code == Errc::changed && tries < 3; ++tries) {
    file = open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  }
  if (!file && (file.error().code == Errc::not_found || file.error().code == Errc::denied)) {
    return RecordedIds{};
  }
  if (!file) return std::unexpected(std::move(file).error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (status->size.count > largest_file) return RecordedIds{};
  std::string content(status->size.count, '\0');
  const Result<std::size_t> got = disk.read(*file, content, {0});
  if (!got) return std::unexpected(Error{got.error()}.in("read " + place.path()));
  return parse(std::string_view{content}.substr(0, *got), recipe);
}

Result<void> RecordedIds::save(Disk& disk, const FilePlace& place, UniqueIdRecipe recipe) const {
  return replace_file(disk, {.directory = place.directory(), .name = place.name},
                      serialised(recipe));
}

const RecordedIds::Recorded* RecordedIds::find(std::string_view base) const {
  const auto found = ids_.find(base);
  return found == ids_.end() ? nullptr : &found->second;
}

bool RecordedIds::contains(const RecordedIds& other) const {
  return std::ranges::includes(ids_, other.ids_);
}

void RecordedIds::record(std::string_view base, Recorded recorded) {
  if (base.empty() || base.find('\n') != std::string_view::npos) return;
  ids_.insert_or_assign(std::string{base}, std::move(recorded));
}

void RecordedIds::keep_imported(const RecordedIds& other) {
  for (const auto& [base, recorded] : other.ids_) {
    if (recorded.order != 0) ids_.try_emplace(base, recorded);
  }
}

}  // namespace pop
