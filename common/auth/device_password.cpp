#include "auth/device_password.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/hex.h"
#include "base/text.h"
#include "conf/network_list.h"

namespace pop {
namespace {

constexpr std::size_t secret_size = 20;  // of 32 letters: 100 bits
constexpr std::size_t group_size = 4;
constexpr std::size_t digest_size = 32;
constexpr std::size_t longest_name = 32;
constexpr std::string_view letters = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::string_view hex_digits = "0123456789abcdef";
static_assert(letters.size() == 32);

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

Result<std::array<unsigned char, secret_size>> random_octets() {
  std::array<unsigned char, secret_size> octets{};
  if (::getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size())) {
    return fail_errno(errno, "get random numbers");
  }
  return octets;
}

char as_meant(char c) {
  const char small = lower(c);
  if (small == 'o') return '0';
  return small == 'i' || small == 'l' ? '1' : small;
}

std::optional<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0 || hex.find_first_not_of(hex_digits) != std::string_view::npos) {
    return std::nullopt;
  }
  std::string octets;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    octets += static_cast<char>(hex_digits.find(hex[i]) << 4 | hex_digits.find(hex[i + 1]));
  }
  return octets;
}

std::optional<std::chrono::sys_seconds> time_of(std::string_view digits) {
  constexpr std::uint64_t last = 253'402'300'799;  // 9999-12-31
  const std::optional<std::uint64_t> seconds = decimal(digits);
  if (!seconds || *seconds > last) return std::nullopt;
  return std::chrono::sys_seconds{std::chrono::seconds{static_cast<std::int64_t>(*seconds)}};
}

std::string with(std::string text, char from, char to) {
  std::ranges::replace(text, from, to);
  return text;
}

struct Words {
  bool id = false, slot = false, digest = false, created = false, expires = false;
  bool rights = false, networks = false;
};

/// False for a word that is there twice or whose value cannot be.
bool take_word(DevicePassword& device, Words& seen, std::string_view word) {
  const std::size_t equals = std::min(word.find('='), word.size());
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = word.substr(std::min(equals + 1, word.size()));
  const auto first = [](bool& before) { return !std::exchange(before, true); };
  if (name == "id") {
    device.id = value;
    return first(seen.id) && from_hex(value) && value.size() == device_id_size;
  }
  if (name == "slot") {
    const std::optional<std::uint64_t> slot = decimal(value);
    device.slot = static_cast<std::uint32_t>(slot.value_or(0));
    return first(seen.slot) && slot && *slot < most_device_slots;
  }
  if (name == "sha256") {
    device.digest = from_hex(value).value_or("");
    return first(seen.digest) && device.digest.size() == digest_size;
  }
  if (name == "created") {
    const auto created = time_of(value);
    device.created = created.value_or(std::chrono::sys_seconds{});
    return first(seen.created) && created;
  }
  if (name == "expires") {
    device.expires = time_of(value);
    return first(seen.expires) && device.expires;
  }
  if (word == "read-only") {
    device.rights = DevicePassword::Rights::read_only;
    return first(seen.rights);
  }
  if (name == "networks") {
    device.networks = with(std::string{value}, ',', ' ');
    return first(seen.networks) && !value.empty() && NetworkList::parse(device.networks);
  }
  if (word.empty()) return false;
  device.newer_words += " " + std::string{word};
  return true;
}

}  // namespace

bool is_device_name(std::string_view name) {
  if (name.empty() || name.size() > longest_name || !is_letter_or_digit(name.front())) return false;
  return std::ranges::all_of(
      name, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; });
}

Result<Secret> make_device_secret() {
  auto octets = random_octets();
  if (!octets) return std::unexpected(octets.error());
  std::array<char, secret_size + secret_size / group_size - 1> text;
  std::size_t at = 0;
  for (std::size_t i = 0; i < secret_size; ++i) {
    if (i != 0 && i % group_size == 0) text[at++] = '-';
    text[at++] = letters[(*octets)[i] % letters.size()];  // 256 is a multiple: all are as likely
  }
  Secret secret{{text.data(), text.size()}};
  wipe(text);
  wipe({reinterpret_cast<char*>(octets->data()), octets->size()});
  return secret;
}

Result<std::string> make_device_id() {
  const auto octets = random_octets();
  if (!octets) return std::unexpected(octets.error());
  return in_hex({reinterpret_cast<const char*>(octets->data()), device_id_size / 2});
}

std::optional<std::string> device_digest(const Secret& password) {
  std::array<char, secret_size> meant{};
  std::size_t size = 0;
  bool possible = true;
  for (const char c : password.octets()) {
    if (c == '-' || c == ' ') continue;
    possible = possible && size < meant.size() && letters.find(as_meant(c)) != std::string::npos;
    if (!possible) break;
    meant[size++] = as_meant(c);
  }
  std::optional<std::string> digest;
  if (possible && size == meant.size()) {
    digest.emplace(digest_size, '\0');
    EVP_Digest(meant.data(), meant.size(), reinterpret_cast<unsigned char*>(digest->data()),
               nullptr, EVP_sha256(), nullptr);
  }
  wipe(meant);
  return digest;
}

const DevicePassword* find_device(std::span<const DevicePassword> devices,
                                  std::string_view digest) {
  const DevicePassword* found = nullptr;
  for (const DevicePassword& device : devices) {
    if (equal_in_constant_time(device.digest, digest)) found = &device;
  }
  return found;
}

Result<void> check_device(const DevicePassword& device, std::chrono::sys_seconds now,
                          std::string_view numeric_address) {
  const auto refuse = [&device](std::string_view why) {
    return fail(Errc::denied, "device password " + device.name + ": " + std::string{why});
  };
  if (!device.newer_words.empty()) return refuse("has limits that this version does not know");
  if (device.expires && now >= *device.expires) return refuse("has expired");
  if (device.networks.empty()) return {};
  const auto networks = NetworkList::parse(device.networks);
  if (networks && networks->contains(numeric_address)) return {};
  return refuse("not good from this address");
}

std::string to_text(const DevicePassword& device) {
  const auto seconds = [](std::chrono::sys_seconds time) {
    return std::to_string(time.time_since_epoch().count());
  };
  std::string text = device.name + " id=" + device.id + " slot=" + std::to_string(device.slot) +
                     " sha256=" + in_hex(device.digest) + " created=" + seconds(device.created);
  if (device.expires) text += " expires=" + seconds(*device.expires);
  if (device.rights == DevicePassword::Rights::read_only) text += " read-only";
  if (!device.networks.empty()) text += " networks=" + with(device.networks, ' ', ',');
  return text + device.newer_words;
}

std::optional<DevicePassword> device_of(std::string_view text) {
  DevicePassword device;
  const std::size_t blank = std::min(text.find(' '), text.size());
  device.name = text.substr(0, blank);
  if (!is_device_name(device.name)) return std::nullopt;
  Words seen;
  for (std::size_t at = blank; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at + 1), text.size());
    if (!take_word(device, seen, text.substr(at + 1, end - at - 1))) return std::nullopt;
    at = end;
  }
  if (!seen.id || !seen.slot || !seen.digest || !seen.created) return std::nullopt;
  return device;
}

}  // namespace pop
