#include "store/retrieval_record.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "base/file_replacement.h"
#include "base/hex.h"
#include "base/text.h"
#include "mail/unique_id.h"
#include "store/spool_file.h"

namespace pop {
namespace {

constexpr std::string_view magic = "popper-retrieved 1";
constexpr std::string_view listed_word = "listed";
constexpr std::size_t mark_digits = 32;
constexpr FileBytes largest_file{std::uint64_t{256} << 20};

/// Up to the next LF, which is taken away.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Up to the next blank, which is taken away.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

bool is_mark(std::string_view text) {
  return text.size() == mark_digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

bool RetrievalRecord::Entry::fits(std::string_view mark) const {
  return content.empty() || mark.empty() || content == mark;
}

std::string RetrievalRecord::content_mark(const Fingerprint& fingerprint) {
  if (fingerprint == Fingerprint{}) return "";
  std::array<unsigned char, mark_digits / 2> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const std::uint64_t half = i < octets.size() / 2 ? fingerprint.high : fingerprint.low;
    octets[i] = static_cast<unsigned char>(half >> (56 - 8 * (i % 8)));
  }
  return in_hex(octets);
}

RetrievalRecord RetrievalRecord::parse(std::string_view content) {
  RetrievalRecord record;
  if (take_line(content) != magic) return record;
  while (!content.empty()) {
    std::string_view rest = take_line(content);
    std::string_view word = take_word(rest);
    const State state = word == listed_word ? State::listed : State::retrieved;
    if (state == State::listed) word = take_word(rest);
    const std::string_view id = take_word(rest);
    if (!is_valid_unique_id(id) || (!rest.empty() && !is_mark(rest))) continue;
    const std::optional<std::uint64_t> since = decimal(word);
    if (!since || *since > std::uint64_t{std::numeric_limits<Seconds>::max()}) continue;
    record.set(id, {state, static_cast<Seconds>(*since), std::string{rest}});
  }
  return record;
}

std::string RetrievalRecord::serialised() const {
  std::string content{magic};
  content += '\n';
  for (const auto& [id, entry] : entries_) {
    if (entry.state == State::listed) content.append(listed_word).append(" ");
    content += std::to_string(entry.since) + " " + id;
    if (!entry.content.empty()) content.append(" ").append(entry.content);
    content += '\n';
  }
  return content;
}

std::optional<RetrievalRecord> RetrievalRecord::find(Disk& disk, const FilePlace& place,
                                                     uid_t owner) {
  const Result<Fd> file =
      open_mail_file(disk, place, O_RDONLY, owner, Exposure::not_writable_by_others);
  if (!file) return std::nullopt;
  const Result<FileStatus> status = disk.status(*file);
  if (!status || status->size > largest_file) return std::nullopt;
  std::string content(status->size.count, '\0');
  const Result<std::size_t> got = disk.read(*file, content, {0});
  if (!got) return std::nullopt;
  return parse(std::string_view{content}.substr(0, *got));
}

Result<void> RetrievalRecord::save(Disk& disk, const FilePlace& place) const {
  return replace_file(disk, {.directory = place.directory(), .name = place.name}, serialised());
}

RetrievalRecord::Seconds RetrievalRecord::since(std::string_view unique_id, std::string_view mark,
                                                Seconds now) const {
  const std::optional<Entry> known = entry(unique_id, mark);
  return known && known->state == State::retrieved ? known->since : now;
}

std::optional<RetrievalRecord::Entry> RetrievalRecord::entry(std::string_view unique_id,
                                                             std::string_view mark) const {
  const auto found = entries_.find(unique_id);
  if (found == entries_.end() || !found->second.fits(mark)) return std::nullopt;
  return found->second;
}

void RetrievalRecord::set(std::string_view unique_id, Entry entry) {
  entries_.insert_or_assign(std::string{unique_id}, entry);
}

}  // namespace pop
