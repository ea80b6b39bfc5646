#include "popcheck/probe_rules.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t longest_id = 70;

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (;;) {
    line = trimmed(line);
    if (line.empty()) return words;
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string in_quotes(std::string_view text) {
  return "\"" + escaped(text, 80) + "\"";
}

/// The number in front, which must be the next one of a listing or later.
std::optional<std::uint64_t> take_number(std::string_view& line) {
  const std::size_t blank = std::min(line.find(' '), line.size());
  const std::optional<std::uint64_t> number = decimal(line.substr(0, blank));
  line.remove_prefix(std::min(blank + 1, line.size()));
  if (!number || *number == 0) return std::nullopt;
  return number;
}

std::size_t body_begin(std::span<const std::string> lines) {
  const auto blank = std::ranges::find(lines, std::string{});
  return static_cast<std::size_t>(std::distance(lines.begin(), blank));
}

std::string numbered(std::uint64_t number) {
  return "message " + std::to_string(number);
}

}  // namespace

// --- Capabilities, greeting, response codes

std::vector<std::string> Capabilities::parameters(std::string_view name) const {
  const auto found = by_name.find(name);
  return found == by_name.end() ? std::vector<std::string>{} : found->second;
}

Capabilities capabilities_of(std::span<const std::string> lines) {
  Capabilities capabilities;
  for (const std::string& line : lines) {
    std::vector<std::string> words = words_of(line);
    if (words.empty()) continue;
    std::string name = upper(std::move(words.front()));
    words.erase(words.begin());
    capabilities.by_name.try_emplace(std::move(name), std::move(words));
  }
  return capabilities;
}

Fault capabilities_fault(std::span<const std::string> lines) {
  std::set<std::string> seen;
  for (const std::string& line : lines) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) return "an empty line among the capabilities";
    if (line.starts_with(' ') || !std::ranges::all_of(words, is_printable)) {
      return "no capability is written as " + in_quotes(line);
    }
    const std::string name = upper(words.front());
    if (!seen.insert(name).second) return escaped(name, 80) + " is announced twice";
    if (name == "SASL" && words.size() < 2) return "SASL is announced without a mechanism";
    if (name == "LOGIN-DELAY" && (words.size() < 2 || !decimal(words[1]))) {
      return "LOGIN-DELAY is announced without seconds";
    }
  }
  return std::nullopt;
}

std::string names_of(const Capabilities& capabilities) {
  std::string names;
  for (const auto& [name, parameters] : capabilities.by_name) {
    names += (names.empty() ? "" : " ") + escaped(name, 80);
  }
  return names;
}

std::optional<std::string> banner_stamp_of(std::string_view greeting) {
  const std::size_t begin = greeting.rfind('<');
  const std::size_t end = greeting.find('>', std::min(begin, greeting.size()));
  if (begin == greeting.npos || end == greeting.npos) return std::nullopt;
  const std::string_view stamp = greeting.substr(begin, end - begin + 1);
  if (stamp.find('@') == stamp.npos) return std::nullopt;
  return std::string{stamp};
}

Fault banner_stamp_fault(std::string_view stamp) {
  const std::string_view inside = stamp.substr(1, stamp.size() - 2);
  const std::size_t at = inside.find('@');
  const bool good = at != 0 && at + 1 != inside.size() && inside.find('@', at + 1) == inside.npos &&
                    is_printable(inside);
  if (good) return std::nullopt;
  return in_quotes(stamp) + " is no message-id, and clients would take APOP for offered";
}

std::optional<std::string> response_code_of(std::string_view line) {
  constexpr std::string_view begin = "-ERR [";
  if (!starts_with_ignoring_case(line, begin)) return std::nullopt;
  const std::size_t end = line.find(']');
  if (end == line.npos) return "";
  return upper(std::string{line.substr(begin.size(), end - begin.size())});
}

Fault response_code_fault(std::string_view line, const Capabilities& capabilities) {
  const std::optional<std::string> code = response_code_of(line);
  if (!code) return std::nullopt;
  const bool announces = capabilities.has("RESP-CODES") || capabilities.has("AUTH-RESP-CODE");
  if (!announces) return std::nullopt;  // then a bracket is text like any other
  const bool good =
      !code->empty() &&
      std::ranges::all_of(*code,
                          [](char c) { return c > ' ' && c < 0x7f && c != '[' && c != '"'; }) &&
      !code->starts_with('/') && !code->ends_with('/');
  if (good) return std::nullopt;
  return in_quotes(line) + " has no response code where one should be";
}

// --- Listings

std::optional<MaildropCount> count_of(std::string_view stat_line) {
  const std::vector<std::string> words = words_of(stat_line);
  if (words.size() < 3 || words[0] != "+OK") return std::nullopt;
  const std::optional<std::uint64_t> messages = decimal(words[1]);
  const std::optional<std::uint64_t> octets = decimal(words[2]);
  if (!messages || !octets) return std::nullopt;
  return MaildropCount{*messages, *octets};
}

Fault take_sizes(std::span<const std::string> lines, Sizes& sizes) {
  Fault first;
  std::uint64_t last = 0;
  for (const std::string& line : lines) {
    std::string_view rest = line;
    const std::optional<std::uint64_t> number = take_number(rest);
    const std::optional<std::uint64_t> octets =
        decimal(rest.substr(0, std::min(rest.find(' '), rest.size())));
    if (!number || !octets) return in_quotes(line) + " is no number and size";
    if (*number <= last && !first) first = numbered(*number) + " comes after " + numbered(last);
    last = *number;
    sizes[*number] = *octets;
  }
  return first;
}

Fault take_ids(std::span<const std::string> lines, Ids& ids) {
  Fault first;
  std::uint64_t last = 0;
  for (const std::string& line : lines) {
    std::string_view id = line;
    const std::optional<std::uint64_t> number = take_number(id);
    if (!number) return in_quotes(line) + " is no number and unique-id";
    const bool is_id = !id.empty() && id.size() <= longest_id && is_printable(id);
    if (!is_id && !first) first = numbered(*number) + " has the unique-id " + in_quotes(id);
    if (*number <= last && !first) first = numbered(*number) + " comes after " + numbered(last);
    last = *number;
    ids[*number] = id;
  }
  return first;
}

Fault count_fault(const MaildropCount& counted, const Sizes& sizes) {
  MaildropCount listed{.messages = sizes.size()};
  for (const auto& [number, octets] : sizes) listed.octets += octets;
  if (counted == listed) return std::nullopt;
  return "STAT says " + std::to_string(counted.messages) + " messages of " +
         std::to_string(counted.octets) + " octets, LIST " + std::to_string(listed.messages) +
         " of " + std::to_string(listed.octets);
}

Fault unique_fault(const Ids& ids) {
  std::map<std::string_view, std::uint64_t> seen;
  for (const auto& [number, id] : ids) {
    const auto [found, is_new] = seen.emplace(id, number);
    if (!is_new) {
      return numbered(found->second) + " and " + numbered(number) + " both have " + in_quotes(id);
    }
  }
  return std::nullopt;
}

Fault stable_fault(const Ids& before, const Ids& now) {
  std::set<std::string_view> ids;
  for (const auto& [number, id] : now) ids.insert(id);
  const auto is_gone = [&](const auto& each) { return !ids.contains(each.second); };
  const auto gone = std::ranges::find_if(before, is_gone);
  if (gone == before.end()) {
    const auto moved = std::ranges::find_if(before, [&](const auto& each) {
      const auto there = now.find(each.first);
      return before.size() == now.size() && there != now.end() && there->second != each.second;
    });
    if (moved == before.end()) return std::nullopt;
    return numbered(moved->first) + " had " + in_quotes(moved->second) + " and now has " +
           in_quotes(now.at(moved->first));
  }
  if (now.size() < before.size()) return std::nullopt;  // somebody has deleted mail
  return numbered(gone->first) + " had " + in_quotes(gone->second) +
         ", which is gone, though no message is";
}

Fault single_fault(std::string_view line, std::uint64_t number, std::string_view listed) {
  const std::vector<std::string> words = words_of(line);
  const bool same = words.size() >= 3 && words[0] == "+OK" && words[1] == std::to_string(number) &&
                    words[2] == listed;
  if (same) return std::nullopt;
  return numbered(number) + " is listed with " + in_quotes(listed) + ", and asked for alone " +
         in_quotes(line);
}

// --- Messages

Fault stuffing_fault(std::span<const std::string> lines) {
  const auto found = std::ranges::find_if(lines, [](const std::string& line) {
    return line.starts_with('.') && !line.starts_with("..");
  });
  if (found == lines.end()) return std::nullopt;
  return "the line " + in_quotes(*found) + " has lost its second dot";
}

Fault top_fault(std::span<const std::string> whole, std::span<const std::string> top,
                std::size_t body_lines) {
  const std::size_t header = body_begin(whole);
  const std::size_t body = whole.size() - std::min(header + 1, whole.size());
  const std::size_t wanted = std::min(header + 1, whole.size()) + std::min(body_lines, body);
  const auto differs = std::ranges::mismatch(whole.first(wanted), top);
  if (differs.in1 == whole.begin() + static_cast<std::ptrdiff_t>(wanted) &&
      differs.in2 == top.end()) {
    return std::nullopt;
  }
  const auto line = static_cast<std::size_t>(std::distance(top.begin(), differs.in2)) + 1;
  return "with " + std::to_string(body_lines) +
         " lines of the body: " + std::to_string(top.size()) + " lines instead of " +
         std::to_string(wanted) + "; they differ from RETR at line " + std::to_string(line);
}

Fault delivered_fault(std::span<const std::string> sent, std::span<const std::string> got) {
  const std::size_t sent_body = body_begin(sent), got_body = body_begin(got);
  auto at = got.begin();
  const auto header_end = got.begin() + static_cast<std::ptrdiff_t>(got_body);
  for (const std::string& field : sent.first(sent_body)) {
    at = std::find(at, header_end, field);
    if (at == header_end) return "the header has lost " + in_quotes(field);
  }
  const auto body_of = [](std::span<const std::string> lines, std::size_t begin) {
    while (lines.size() > begin && lines.back().empty()) lines = lines.first(lines.size() - 1);
    return lines.subspan(std::min(begin, lines.size()));
  };
  const auto was = body_of(sent, sent_body), is = body_of(got, got_body);
  const auto differs = std::ranges::mismatch(was, is);
  if (differs.in1 == was.end() && differs.in2 == is.end()) return std::nullopt;
  return "line " + std::to_string(std::distance(was.begin(), differs.in1)) + " of the body was " +
         (differs.in1 == was.end() ? "not there" : in_quotes(*differs.in1)) + " and is " +
         (differs.in2 == is.end() ? "not there" : in_quotes(*differs.in2));
}

}  // namespace pop
