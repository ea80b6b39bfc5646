#include "fault/mini_reader.h"

#include <algorithm>
#include <array>

namespace pop::test {
namespace {

std::string_view line_at(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('\n', at);
  return text.substr(at, end == text.npos ? text.npos : end - at + 1);
}

bool begins_message(std::string_view line) {
  return line.starts_with("From ") && line.ends_with(" 1970\n");
}

bool is_bookkeeping(std::string_view line) {
  constexpr std::array names{"Status:", "X-Status:", "X-UIDL:", "Content-Length:", "Lines:"};
  return std::ranges::any_of(names, [&](std::string_view name) { return line.starts_with(name); });
}

/// Without bookkeeping and line ends at the end.
std::string essence(std::string_view message) {
  std::string kept;
  bool in_header = true;
  for (std::size_t at = 0; at < message.size();) {
    const std::string_view line = line_at(message, at);
    at += line.size();
    if (line == "\n" || line == "\r\n") in_header = false;
    if (!in_header || !is_bookkeeping(line)) kept += line;
  }
  while (kept.ends_with('\n') || kept.ends_with('\r')) kept.pop_back();
  return kept;
}

std::vector<std::string> essences(const std::vector<std::string>& messages) {
  std::vector<std::string> all;
  for (const std::string& message : messages) all.push_back(essence(message));
  return all;
}

std::string name_of(std::string_view essence) {
  const std::size_t at = essence.find("Subject: ");
  if (at == essence.npos) return "\"" + std::string{essence.substr(0, 40)} + "\"";
  return "message " + std::string{essence.substr(at + 9, essence.find('\n', at) - at - 9)};
}

}  // namespace

std::vector<std::string> split_messages(std::string_view spool) {
  std::vector<std::string> messages;
  bool after_blank = true;
  for (std::size_t at = 0; at < spool.size();) {
    const std::string_view line = line_at(spool, at);
    at += line.size();
    if (messages.empty() || (after_blank && begins_message(line))) messages.emplace_back();
    messages.back() += line;
    after_blank = line == "\n";
  }
  return messages;
}

bool same_messages(const std::vector<std::string>& found, const std::vector<std::string>& wanted) {
  return found.size() == wanted.size() && essences(found) == essences(wanted);
}

std::string describe_difference(const std::vector<std::string>& found,
                                const std::vector<std::string>& kept,
                                const std::vector<std::string>& all) {
  const std::vector<std::string> have = essences(found), must = essences(kept), may = essences(all);
  std::string text;
  for (const std::string& one : must) {
    if (std::ranges::count(have, one) == 0) text += "lost " + name_of(one) + "; ";
  }
  for (const std::string& one : have) {
    if (std::ranges::count(may, one) == 0) text += "fragment of " + name_of(one) + "; ";
    if (std::ranges::count(have, one) > 1) text += "doubled " + name_of(one) + "; ";
  }
  if (text.empty()) text = "deleted in part, or another order";
  return text;
}

}  // namespace pop::test
