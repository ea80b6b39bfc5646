#include "mail/imported_ids.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>

#include "mail/unique_id.h"

namespace pop {
namespace {

constexpr std::string_view first_line = "popper-uidl-import 1";
constexpr std::size_t hex_digits = 16;  // of half a fingerprint
constexpr int cheap_lookups = 8;

std::string in_hex(std::uint64_t number) {
  std::string text(hex_digits, '0');
  for (std::size_t i = hex_digits; i-- > 0; number >>= 4) text[i] = "0123456789abcdef"[number & 15];
  return text;
}

std::optional<std::uint64_t> from_hex(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Up to the next `end`, which is taken away.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::optional<ImportedIds::Entry> entry_of(std::string_view line) {
  const std::string_view fingerprint = take_until(line, ' ');
  const std::string_view content_id = take_until(line, ' ');
  if (fingerprint.size() != 2 * hex_digits || !is_valid_unique_id(content_id) ||
      !is_valid_unique_id(line)) {
    return std::nullopt;
  }
  const std::optional<std::uint64_t> high = from_hex(fingerprint.substr(0, hex_digits));
  const std::optional<std::uint64_t> low = from_hex(fingerprint.substr(hex_digits));
  if (!high || !low) return std::nullopt;
  return ImportedIds::Entry{.fingerprint = {.low = *low, .high = *high},
                            .content_id = std::string{content_id},
                            .id = std::string{line}};
}

}  // namespace

ImportedIds::ImportedIds(std::vector<Entry> entries) : entries_{std::move(entries)} {
  std::ranges::stable_sort(entries_, {}, &Entry::fingerprint);
}

ImportedIds ImportedIds::parse(std::string_view content) {
  std::vector<Entry> entries;
  std::size_t not_understood = take_until(content, '\n') == first_line ? 0 : 1;
  while (!content.empty()) {
    std::optional<Entry> entry = entry_of(take_until(content, '\n'));
    if (entry) {
      entries.push_back(std::move(*entry));
    } else {
      ++not_understood;
    }
  }
  ImportedIds ids{std::move(entries)};
  ids.not_understood_ = not_understood;
  return ids;
}

std::string ImportedIds::serialised() const {
  std::string content = std::string{first_line} + "\n";
  for (const Entry& entry : entries_) {
    content += in_hex(entry.fingerprint.high) + in_hex(entry.fingerprint.low) + " " +
               entry.content_id + " " + entry.id + "\n";
  }
  return content;
}

const std::string* ImportedIds::find(const Fingerprint& fingerprint, std::string_view content_id,
                                     const IsFree& is_free) const {
  for (const Entry& entry :
       std::ranges::equal_range(entries_, fingerprint, {}, &Entry::fingerprint)) {
    if (is_free(entry.id)) return &entry.id;
  }
  return find_content(content_id, is_free);
}

const std::string* ImportedIds::find_content(std::string_view content_id,
                                             const IsFree& is_free) const {
  if (content_lookups_ < cheap_lookups) {
    ++content_lookups_;
    const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
      return entry.content_id == content_id && is_free(entry.id);
    });
    return found == entries_.end() ? nullptr : &found->id;
  }
  const auto content_of = [this](std::uint32_t at) -> std::string_view {
    return entries_[at].content_id;
  };
  if (by_content_.empty()) {
    by_content_.resize(entries_.size());
    std::iota(by_content_.begin(), by_content_.end(), 0U);
    std::ranges::stable_sort(by_content_, {}, content_of);
  }
  for (const std::uint32_t at : std::ranges::equal_range(by_content_, content_id, {}, content_of)) {
    if (is_free(entries_[at].id)) return &entries_[at].id;
  }
  return nullptr;
}

}  // namespace pop
