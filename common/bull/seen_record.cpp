#include "bull/seen_record.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "bull/bulletin_name.h"

namespace pop {
namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view blanks = " \t\r\n";
constexpr std::string_view owed_word = "owed";

bool is_number(std::uint64_t number) {
  return number <= highest_bulletin_number;
}

// What no program of ours writes is left out.
void add_owed(SeenRecord& record, std::uint64_t number) {
  const bool ascends = record.owed.empty() || record.owed.back() < number;
  if (number == 0 || number > record.highest || !ascends) return;
  if (record.owed.size() < most_owed) record.owed.push_back(number);
}

std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(blanks));
  text.remove_prefix(word.size());
  return word;
}

template <class Number>
Number number_at(std::string_view octets, std::size_t at) {
  Number number{};
  std::memcpy(&number, octets.data() + at, sizeof number);
  return number;
}

}  // namespace

bool SeenRecord::has(std::uint64_t number) const {
  return number <= highest && !std::ranges::binary_search(owed, number);
}

std::string to_popbull(const SeenRecord& record) {
  std::string text = std::to_string(record.highest) + "\n";
  if (record.owed.empty()) return text;
  text += owed_word;
  for (const std::uint64_t number : record.owed) text += " " + std::to_string(number);
  return text + "\n";
}

SeenFile from_popbull(std::string_view text) {
  if (text.empty()) return {SeenFile::Kind::all_seen, {}};
  const std::string_view word = take_word(text);
  const std::string_view first = word.substr(0, word.find_first_not_of(digits));
  const std::optional<std::uint64_t> highest = decimal(first);
  if (!highest || !is_number(*highest)) return {};
  SeenFile file{SeenFile::Kind::number, {*highest, {}}};
  if (take_word(text) != owed_word) return file;
  for (std::string_view next = take_word(text); !next.empty(); next = take_word(text)) {
    if (const std::optional<std::uint64_t> number = decimal(next)) add_owed(file.record, *number);
  }
  return file;
}

std::string to_database_value(const SeenRecord& record) {
  std::string octets;
  const auto add = [&](std::uint64_t number) {
    octets.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  add(record.highest);
  std::ranges::for_each(record.owed, add);
  return octets;
}

std::optional<SeenRecord> from_database_value(std::string_view octets) {
  SeenRecord record;
  constexpr std::size_t size = sizeof(std::uint64_t);
  if (octets.size() == sizeof(std::int32_t)) {
    const auto number = number_at<std::int32_t>(octets, 0);
    if (number < 0) return std::nullopt;
    record.highest = static_cast<std::uint64_t>(number);
    return record;
  }
  if (octets.empty() || octets.size() % size != 0) return std::nullopt;
  record.highest = number_at<std::uint64_t>(octets, 0);
  if (!is_number(record.highest)) return std::nullopt;
  for (std::size_t at = size; at < octets.size(); at += size) {
    add_owed(record, number_at<std::uint64_t>(octets, at));
  }
  return record;
}

}  // namespace pop
