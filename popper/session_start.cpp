#include "popper/session_start.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace pop {
namespace {

// Every field is its length as 4 octets, lowest first, and so many octets; numbers are decimal.
void append(std::string& record, std::string_view field) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    record += static_cast<char>(field.size() >> shift & 0xff);
  }
  record += field;
}

// Takes fields from the front; after the first that is not whole, all are missing.
class Fields {
 public:
  explicit Fields(std::string_view record) : rest_{record} {}

  [[nodiscard]] std::string text() {
    constexpr std::size_t head = 4;
    std::size_t size = 0;
    for (std::size_t i = 0; i < head && rest_.size() >= head; ++i) {
      size |= std::size_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
    }
    whole_ = whole_ && rest_.size() >= head && size <= rest_.size() - head;
    if (!whole_) return {};
    std::string field{rest_.substr(head, size)};
    rest_.remove_prefix(head + size);
    return field;
  }

  template <class Number = std::uint32_t>
  [[nodiscard]] Number number() {
    const std::string digits = text();
    Number value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    whole_ = whole_ && error == std::errc{} && stop == end;
    return value;
  }

  [[nodiscard]] bool all_taken() const { return whole_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool whole_ = true;
};

}  // namespace

std::string encode(const SessionStart& start) {
  const Account& account = start.account;
  std::string record;
  for (const std::string_view field :
       {std::string_view{account.name}, std::string_view{account.login},
        std::string_view{account.folder}, std::string_view{account.home.native()},
        std::string_view{account.maildrop.native()}, std::string_view{account.shell},
        std::string_view{start.pipelined}, std::string_view{start.address},
        std::string_view{start.client_name}, std::string_view{start.connection},
        std::string_view{start.mechanism}, std::string_view{start.speech.language}}) {
    append(record, field);
  }
  append(record, std::to_string(account.uid));
  append(record, std::to_string(account.gid));
  append(record, std::to_string(account.is_virtual ? 1 : 0));
  append(record, std::to_string(account.is_read_only ? 1 : 0));
  append(record, std::to_string(account.as_text ? 1 : 0));
  append(record, std::to_string(start.authentication.count()));
  append(record, std::to_string(start.over_tls ? 1 : 0));
  append(record, std::to_string(start.mechanisms));
  append(record, std::to_string(start.serial));
  append(record, std::to_string(start.speech.utf8 ? 1 : 0));
  return record;
}

Result<SessionStart> decode_session_start(std::string_view record) {
  Fields fields{record};
  SessionStart start;
  Account& account = start.account;
  account.name = fields.text();
  account.login = fields.text();
  account.folder = fields.text();
  account.home = fields.text();
  account.maildrop = fields.text();
  account.shell = fields.text();
  start.pipelined = fields.text();
  start.address = fields.text();
  start.client_name = fields.text();
  start.connection = fields.text();
  start.mechanism = fields.text();
  start.speech.language = fields.text();
  account.uid = fields.number();
  account.gid = fields.number();
  const std::uint32_t is_virtual = fields.number();
  const std::uint32_t is_read_only = fields.number();
  const std::uint32_t as_text = fields.number();
  start.authentication = std::chrono::milliseconds{fields.number()};
  const std::uint32_t over_tls = fields.number();
  start.mechanisms = fields.number();
  start.serial = fields.number<std::uint64_t>();
  const std::uint32_t utf8 = fields.number();
  account.is_virtual = is_virtual == 1;
  account.is_read_only = is_read_only == 1;
  account.as_text = as_text == 1;
  start.over_tls = over_tls == 1;
  start.speech.utf8 = utf8 == 1;
  if (!fields.all_taken() || is_virtual > 1 || is_read_only > 1 || as_text > 1 || over_tls > 1 || utf8 > 1) {
    return fail(Errc::corrupt, "a damaged session start");
  }
  return start;
}

}  // namespace pop
