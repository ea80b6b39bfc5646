#include "tls/client_user.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view fingerprint_mark = "sha256:";
constexpr std::size_t fingerprint_digits = 64;
constexpr std::size_t longest_user = 255;

bool may_be_user(std::string_view name) {
  return !name.empty() && name.size() <= longest_user && std::ranges::none_of(name, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet <= 0x20 || octet == 0x7f || c == '/';
  });
}

/// "" for what is no fingerprint.
std::string fingerprint_in(std::string_view text) {
  std::string digits = lower(text);
  std::erase(digits, ':');
  const bool is_hex = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_hex && digits.size() == fingerprint_digits ? digits : "";
}

std::string local_part(const std::string& address) {
  const std::size_t at = address.rfind('@');
  return at == std::string::npos ? "" : address.substr(0, at);
}

/// A certificate for several is one for nobody.
std::string only_one(const std::vector<std::string>& names) {
  return names.size() == 1 ? names.front() : "";
}

std::string name_in(const PeerCertificate& certificate, ClientUser rule, const ClientUserMap& map) {
  switch (rule) {
    case ClientUser::nobody:
      break;
    case ClientUser::subject_cn:
      return certificate.common_name;
    case ClientUser::san_email:
      return only_one(certificate.mail_addresses);
    case ClientUser::san_email_local:
      return local_part(only_one(certificate.mail_addresses));
    case ClientUser::map:
      return map.find(certificate).value_or("");
  }
  return "";
}

}  // namespace

Result<ClientUserMap> ClientUserMap::parse(std::string_view text) {
  ClientUserMap map;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trimmed(line);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    if (Result<void> added = map.add(line); !added) {
      return std::unexpected(std::move(added).error().in("line " + std::to_string(number)));
    }
  }
  return map;
}

Result<void> ClientUserMap::add(std::string_view line) {
  const std::size_t blank = line.find_first_of(blanks);
  const std::string user{line.substr(0, blank)};
  if (blank == std::string_view::npos || !may_be_user(user)) {
    return fail(Errc::corrupt, "expected a user, blanks, and a subject or sha256:FINGERPRINT");
  }
  std::string key{trimmed(line.substr(blank))};
  if (starts_with_ignoring_case(key, fingerprint_mark)) {
    const std::string digits = fingerprint_in(key.substr(fingerprint_mark.size()));
    if (digits.empty()) return fail(Errc::corrupt, "a fingerprint has 64 hex digits");
    key = std::string{fingerprint_mark} + digits;
  }
  const auto [at, is_new] = user_by_key_.emplace(std::move(key), user);
  if (is_new || at->second == user) return {};
  return fail(Errc::corrupt, "this certificate is already that of " + escaped(at->second, 80));
}

std::optional<std::string> ClientUserMap::find(const PeerCertificate& certificate) const {
  auto found = user_by_key_.find(std::string{fingerprint_mark} + certificate.sha256);
  if (found == user_by_key_.end()) found = user_by_key_.find(certificate.subject);
  if (found == user_by_key_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string> user_of(const PeerCertificate& certificate, ClientUser rule,
                                   const ClientUserMap& map) {
  std::string name = name_in(certificate, rule, map);
  if (!may_be_user(name)) return std::nullopt;
  return name;
}

}  // namespace pop
