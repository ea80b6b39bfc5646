// A record is text, one field a line, "name value":
//
//   credential 1              the format number: a higher one is not understood
//   user jo
//   password-hash $y$j9T$...
//   apop-secret ...           and so on, each at most once, in any order
//   device-password ...       these as often as there are devices
//   sum 0123456789abcdef      SHA-256 of all before this line, its first 16 digits
//
// Values are escaped, so a line ends where it seems to and the record can be read by eye. Unknown
// names are fields of a later version: they ride along unchanged when the record is rewritten.
#include "auth/credential_record.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "base/hex.h"
#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view first_line = "credential 1\n";
constexpr std::string_view format_name = "credential ";
constexpr std::string_view sum_name = "sum ";
constexpr std::size_t sum_digits = 16;
constexpr std::size_t sum_line = sum_name.size() + sum_digits + 1;  // with its newline
constexpr std::string_view hex_digits = "0123456789abcdef";

/// A growing text with secrets in it: what it outgrows is wiped.
class SecretText {
 public:
  SecretText() { text_.reserve(1024); }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { wipe(text_); }

  void append(std::string_view octets) {
    if (text_.size() + octets.size() > text_.capacity()) {
      std::string larger;
      larger.reserve(2 * (text_.size() + octets.size()));
      larger = text_;
      wipe(text_);
      text_.swap(larger);
    }
    text_.append(octets);
  }
  [[nodiscard]] std::string_view view() const { return text_; }

 private:
  std::string text_;
};

bool needs_escape(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet < 0x20 || octet >= 0x7f || c == '\\';
}

void append_escaped(SecretText& to, std::string_view value) {
  for (const char c : value) {
    if (!needs_escape(c)) {
      to.append({&c, 1});
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    const std::array escape{'\\', 'x', hex_digits[octet >> 4], hex_digits[octet & 15]};
    to.append({escape.data(), escape.size()});
  }
}

std::optional<unsigned> hex_value(char c) {
  const std::size_t value = hex_digits.find(c);
  if (value == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(value);
}

/// nullopt for anything that append_escaped() does not write.
std::optional<Secret> unescaped(std::string_view value) {
  SecretText plain;
  while (!value.empty()) {
    if (!needs_escape(value.front())) {
      plain.append(value.substr(0, 1));
      value.remove_prefix(1);
      continue;
    }
    if (value.size() < 4 || value[0] != '\\' || value[1] != 'x') return std::nullopt;
    const std::optional<unsigned> high = hex_value(value[2]);
    const std::optional<unsigned> low = hex_value(value[3]);
    if (!high || !low) return std::nullopt;
    const char octet = static_cast<char>(*high << 4 | *low);
    if (!needs_escape(octet)) return std::nullopt;
    plain.append({&octet, 1});
    value.remove_prefix(4);
  }
  return Secret{plain.view()};
}

void append_field(SecretText& to, std::string_view name, std::string_view value) {
  to.append(name);
  to.append(" ");
  append_escaped(to, value);
  to.append("\n");
}

template <class Id>
std::optional<Id> id_of(std::string_view digits) {
  const std::optional<std::uint64_t> value = decimal(digits);
  // The highest value is -1, "no such id" to the system.
  if (!value || *value >= std::numeric_limits<Id>::max()) return std::nullopt;
  return static_cast<Id>(*value);
}

/// Fields as they are met; what must come together is checked at the end.
struct Fields {
  bool user = false;
  std::optional<Secret> apop_secret;
  std::optional<std::string> password_hash;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::string> home;
  std::optional<std::string> maildrop;
  std::optional<ScramKeys> scram_sha_256, scram_sha_1;
  std::vector<DevicePassword> devices;
  SecretText newer;
};

template <class Value>
bool set_once(std::optional<Value>& field, std::optional<Value> value) {
  if (field || !value) return false;
  field = std::move(value);
  return true;
}

bool take_device(std::vector<DevicePassword>& devices, std::string_view text) {
  std::optional<DevicePassword> device = device_of(text);
  if (!device || devices.size() == most_devices ||
      std::ranges::find(devices, device->name, &DevicePassword::name) != devices.end()) {
    return false;
  }
  devices.push_back(std::move(*device));
  return true;
}

/// False for a field that is there twice or whose value cannot be.
bool take_field(Fields& fields, std::string_view user, std::string_view name,
                std::string_view line) {
  const std::string_view escaped_value = line.substr(name.size() + 1);
  std::optional<Secret> value = unescaped(escaped_value);
  if (!value) return false;
  const std::string_view octets = value->octets();
  if (name == "user") return !std::exchange(fields.user, true) && octets == user;
  if (name == "apop-secret") return set_once(fields.apop_secret, std::move(value));
  if (name == "password-hash") return set_once(fields.password_hash, {std::string{octets}});
  if (name == "uid") return set_once(fields.uid, id_of<uid_t>(octets));
  if (name == "gid") return set_once(fields.gid, id_of<gid_t>(octets));
  if (name == "home") return set_once(fields.home, {std::string{octets}});
  if (name == "maildrop") return set_once(fields.maildrop, {std::string{octets}});
  if (name == "scram-sha-256") {
    return set_once(fields.scram_sha_256, scram_keys_of(ScramHash::sha_256, octets));
  }
  if (name == "scram-sha-1") {
    return set_once(fields.scram_sha_1, scram_keys_of(ScramHash::sha_1, octets));
  }
  if (name == "device-password") return take_device(fields.devices, octets);
  fields.newer.append(line);
  fields.newer.append("\n");
  return true;
}

bool take_lines(Fields& fields, std::string_view user, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos) return false;
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end + 1);
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos || blank == 0) return false;
    if (!take_field(fields, user, line.substr(0, blank), line)) return false;
  }
  return fields.user;
}

/// nullopt: a virtual part that lacks something.
std::optional<std::optional<Credential::Virtual>> virtual_part(const Fields& fields) {
  if (!fields.uid && !fields.gid && !fields.home && !fields.maildrop) {
    return std::optional<Credential::Virtual>{};
  }
  if (!fields.uid || !fields.gid || !fields.home) return std::nullopt;
  return Credential::Virtual{.uid = *fields.uid,
                             .gid = *fields.gid,
                             .home = *fields.home,
                             .maildrop = fields.maildrop.value_or("")};
}

bool has_right_sum(std::string_view record) {
  if (record.size() < sum_line) return false;
  const std::string_view summed = record.substr(0, record.size() - sum_line);
  return record.substr(summed.size()) == std::string{sum_name} + sum_of_record(summed) + "\n";
}

/// The lines between the first and the sum, or why they cannot be trusted.
Result<std::string_view> trusted_lines(std::string_view record) {
  if (!record.starts_with(format_name)) {
    return fail(Errc::corrupt, "not a record of this format");
  }
  if (!record.starts_with(first_line)) {
    return fail(Errc::corrupt, "a record of a later format than this program knows");
  }
  if (record.size() < first_line.size() + sum_line) return fail(Errc::corrupt, "cut short");
  if (!has_right_sum(record)) return fail(Errc::corrupt, "its checksum is wrong");
  record.remove_suffix(sum_line);
  return record.substr(first_line.size());
}

// ---------------------------------------------------------------------------- in any bytes

constexpr std::string_view user_name = "user ";
constexpr std::string_view stray_user = "\nuser ";  // without the first line in front

/// The name in front of the line's end; "" if it cannot be read.
std::string name_at(std::string_view bytes) {
  constexpr std::size_t longest_name = 4 * 64;
  const std::optional<Secret> user =
      unescaped(bytes.substr(0, std::min(bytes.find('\n'), longest_name)));
  return std::string{user ? user->octets() : std::string_view{}};
}

/// Up to the end of its sum, or all if there is none.
std::string_view up_to_sum(std::string_view bytes) {
  const std::size_t sum = bytes.find("\n" + std::string{sum_name});
  if (sum == std::string_view::npos) return bytes;
  return bytes.substr(0, sum + 1 + sum_name.size() + sum_digits + 1);
}

FoundRecord lost_record(std::string user) {
  Result<Credential> why =
      fail(Errc::corrupt, "record of " + escaped(user) + ": its first lines are damaged");
  return {.user = std::move(user), .credential = std::move(why)};
}

/// The bytes begin with one of the two words. Returns how many of them are done with, at least one.
std::size_t take_record(std::string_view bytes, std::vector<FoundRecord>& found) {
  if (bytes.starts_with(stray_user)) {
    found.push_back(lost_record(name_at(bytes.substr(stray_user.size()))));
    return stray_user.size();
  }
  const std::size_t number_end = bytes.find_first_not_of("0123456789", format_name.size());
  if (number_end == std::string_view::npos || number_end == format_name.size()) return 1;
  const std::string_view lines = bytes.substr(number_end + 1);
  if (!lines.starts_with(user_name)) {
    if (bytes[number_end] == '\n') found.push_back(lost_record(""));
    return number_end;
  }
  const std::string_view record = up_to_sum(bytes);
  std::string user = name_at(lines.substr(user_name.size()));
  Result<Credential> credential = decode_credential(user, record);
  const bool is_later = !bytes.starts_with(first_line) && has_right_sum(record);
  const bool is_whole = credential || is_later;
  found.push_back({std::move(user), std::move(credential), is_later});
  // One that does not hold may have lost its end, and then has another in it.
  return is_whole ? record.size() : number_end + 1 + user_name.size();
}

}  // namespace

std::string sum_of_record(std::string_view lines) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(lines.data(), lines.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return in_hex(std::span{digest}.first(sum_digits / 2));
}

Secret encode_credential(std::string_view user, const Credential& credential) {
  SecretText record;
  record.append(first_line);
  append_field(record, "user", user);
  if (!credential.password_hash.empty()) {
    append_field(record, "password-hash", credential.password_hash);
  }
  if (credential.apop_secret) {
    append_field(record, "apop-secret", credential.apop_secret->octets());
  }
  if (credential.scram_sha_256) {
    append_field(record, "scram-sha-256", to_text(*credential.scram_sha_256).octets());
  }
  if (credential.scram_sha_1) {
    append_field(record, "scram-sha-1", to_text(*credential.scram_sha_1).octets());
  }
  for (const DevicePassword& device : credential.devices) {
    append_field(record, "device-password", to_text(device));
  }
  if (const auto& who = credential.virtual_user) {
    append_field(record, "uid", std::to_string(who->uid));
    append_field(record, "gid", std::to_string(who->gid));
    append_field(record, "home", who->home.native());
    if (!who->maildrop.empty()) append_field(record, "maildrop", who->maildrop.native());
  }
  record.append(credential.newer_fields.octets());
  const std::string sum = sum_of_record(record.view());
  append_field(record, sum_name.substr(0, sum_name.size() - 1), sum);
  return Secret{record.view()};
}

Result<Credential> decode_credential(std::string_view user, std::string_view record) {
  const auto bad = [user](std::string_view what) {
    return fail(Errc::corrupt, "record of " + escaped(user) + ": " + std::string{what});
  };
  const Result<std::string_view> lines = trusted_lines(record);
  if (!lines) return bad(lines.error().text);
  Fields fields;
  if (!take_lines(fields, user, *lines)) return bad("its fields are damaged or another user's");
  const auto who = virtual_part(fields);
  if (!who) return bad("uid, gid and home of a virtual user must come together");

  Credential credential;
  credential.apop_secret = std::move(fields.apop_secret);
  credential.password_hash = std::move(fields.password_hash).value_or("");
  credential.virtual_user = *who;
  credential.newer_fields = Secret{fields.newer.view()};
  credential.scram_sha_256 = std::move(fields.scram_sha_256);
  credential.scram_sha_1 = std::move(fields.scram_sha_1);
  credential.devices = std::move(fields.devices);
  return credential;
}

std::vector<FoundRecord> find_credentials(std::string_view bytes) {
  std::vector<FoundRecord> found;
  while (true) {
    const std::size_t start = std::min(bytes.find(format_name), bytes.find(stray_user));
    if (start == std::string_view::npos) return found;
    bytes.remove_prefix(start);
    bytes.remove_prefix(take_record(bytes, found));
  }
}

}  // namespace pop
