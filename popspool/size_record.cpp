#include "popspool/size_record.h"

#include <limits>

#include "base/text.h"
#include "tool/named_file.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popspool sizes 1 ";
constexpr FileBytes largest{std::uint64_t{1} << 30};

/// The line up to its LF, taken off; nullopt where no LF is left.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == text.npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::string key_of(std::string_view target) {
  return escaped(target, std::numeric_limits<std::size_t>::max());
}

}  // namespace

std::optional<SizeRecord> SizeRecord::parse(std::string_view text) {
  const std::optional<std::string_view> first = take_line(text);
  if (!first || !first->starts_with(magic)) return std::nullopt;
  const std::optional<std::uint64_t> taken = decimal(first->substr(magic.size()));
  if (!taken || *taken > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return std::nullopt;
  }
  SizeRecord record{.taken = static_cast<std::int64_t>(*taken), .sizes = {}};
  while (const std::optional<std::string_view> line = take_line(text)) {
    const std::size_t blank = line->find(' ');
    if (blank == line->npos) return std::nullopt;
    const std::optional<std::uint64_t> size = decimal(line->substr(0, blank));
    if (!size) return std::nullopt;
    record.sizes.emplace(std::string{line->substr(blank + 1)}, *size);
  }
  return text.empty() ? std::optional{std::move(record)} : std::nullopt;
}

std::string SizeRecord::serialised() const {
  std::string text = std::string{magic} + std::to_string(taken) + "\n";
  for (const auto& [target, size] : sizes) {
    text += std::to_string(size) + " " + target + "\n";
  }
  return text;
}

Result<std::optional<SizeRecord>> SizeRecord::load(Disk& disk, const std::string& path) {
  const Result<Fd> file = disk.open(AT_FDCWD, path, O_RDONLY);
  if (!file && file.error().code == Errc::not_found) return std::nullopt;
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  std::string text(status->is_regular() && status->size <= largest ? status->size.count : 0, '\0');
  const Result<std::size_t> got = disk.read(*file, text, {0});
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  std::optional<SizeRecord> record = parse(text);
  if (!record) return fail(Errc::corrupt, path + " is no file of sizes: remove it or name another");
  return record;
}

Result<void> SizeRecord::save(Disk& disk, const std::string& path) const {
  return replace_named_file(disk, path, serialised());
}

void SizeRecord::set(std::string_view target, std::uint64_t size) {
  sizes[key_of(target)] = size;
}

std::optional<std::int64_t> SizeRecord::growth_of(std::string_view target,
                                                  std::uint64_t now) const {
  const auto before = sizes.find(key_of(target));
  if (before == sizes.end()) return std::nullopt;
  return static_cast<std::int64_t>(now - before->second);
}

std::string growth_text(std::optional<std::int64_t> growth) {
  if (!growth) return "new";
  return (*growth > 0 ? "+" : "") + std::to_string(*growth);
}

}  // namespace pop
