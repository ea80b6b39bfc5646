#include "store/maildir_name.h"

#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view flags_follow = "2,";

std::uint64_t leading_number(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  return decimal(text.substr(0, digits)).value_or(0);
}

/// The number behind `key`, which must end at another field or the name's end.
std::optional<std::uint64_t> field(std::string_view base, std::string_view key) {
  const std::size_t at = base.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = base.substr(at + key.size());
  return decimal(rest.substr(0, rest.find(',')));
}

}  // namespace

bool MaildirName::has_flag(char flag) const {
  return info.starts_with(flags_follow) &&
         info.find(flag, flags_follow.size()) != std::string_view::npos;
}

MaildirName parse_maildir_name(std::string_view name) {
  const std::size_t colon = name.find(':');
  MaildirName parsed;
  parsed.base = name.substr(0, colon);
  if (colon != std::string_view::npos) parsed.info = name.substr(colon + 1);
  parsed.delivered = leading_number(parsed.base);
  parsed.stored_size = field(parsed.base, ",S=");
  parsed.wire_size = field(parsed.base, ",W=");
  return parsed;
}

std::optional<std::string> seen_maildir_name(std::string_view name) {
  const MaildirName parsed = parse_maildir_name(name);
  std::string seen{parsed.base};
  if (parsed.info.empty()) return seen + ":2,S";
  if (!parsed.info.starts_with(flags_follow)) return std::nullopt;
  std::string flags{parsed.info.substr(flags_follow.size())};
  if (flags.find('S') == std::string::npos) {
    std::size_t at = 0;
    while (at < flags.size() && flags[at] < 'S') ++at;
    flags.insert(at, 1, 'S');
  }
  return seen + ":2," + flags;
}

}  // namespace pop
