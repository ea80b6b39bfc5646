#include "popper/notify/login_notice.h"

#include <array>
#include <optional>

namespace pop {
namespace {

// One octet for the kind, eight for the time, lowest first, then every text as its length in two
// octets and so many octets.
constexpr std::array texts{&LoginNotice::user,    &LoginNotice::login,
                           &LoginNotice::address, &LoginNotice::client_name,
                           &LoginNotice::host,    &LoginNotice::connection};

void append_number(std::string& record, std::uint64_t value, unsigned octets) {
  for (unsigned i = 0; i < octets; ++i) record += static_cast<char>(value >> (8 * i) & 0xff);
}

std::optional<std::uint64_t> take_number(std::string_view& record, unsigned octets) {
  if (record.size() < octets) return std::nullopt;
  std::uint64_t value = 0;
  for (unsigned i = 0; i < octets; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(record[i])} << (8 * i);
  }
  record.remove_prefix(octets);
  return value;
}

std::unexpected<Error> malformed() {
  return fail(Errc::corrupt, "a login notice is malformed");
}

}  // namespace

std::string encode(const LoginNotice& notice) {
  std::string record{static_cast<char>(notice.kind)};
  append_number(record, static_cast<std::uint64_t>(notice.time), 8);
  for (const auto text : texts) {
    const std::string_view cut = std::string_view{notice.*text}.substr(0, longest_notice_field);
    append_number(record, cut.size(), 2);
    record += cut;
  }
  return record;
}

Result<LoginNotice> decode_login_notice(std::string_view record) {
  const auto kind = take_number(record, 1);
  const auto time = take_number(record, 8);
  if (!kind || *kind > static_cast<unsigned>(LoginNotice::Kind::logout) || !time) {
    return malformed();
  }
  LoginNotice notice;
  notice.kind = static_cast<LoginNotice::Kind>(*kind);
  notice.time = static_cast<std::int64_t>(*time);
  for (const auto text : texts) {
    const auto size = take_number(record, 2);
    if (!size || *size > longest_notice_field || *size > record.size()) return malformed();
    notice.*text = record.substr(0, *size);
    record.remove_prefix(*size);
  }
  if (!record.empty()) return malformed();
  return notice;
}

}  // namespace pop
