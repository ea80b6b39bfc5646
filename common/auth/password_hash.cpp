#include "auth/password_hash.h"

#include <crypt.h>
#include <shadow.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

namespace pop {
namespace {

constexpr int entries_to_look_at = 200;

/// 32 KiB that hold what a password leaves behind.
class CryptMemory {
 public:
  CryptMemory() : data_{std::make_unique<crypt_data>()} {}
  CryptMemory(const CryptMemory&) = delete;
  CryptMemory& operator=(const CryptMemory&) = delete;
  ~CryptMemory() { wipe({reinterpret_cast<char*>(data_.get()), sizeof(crypt_data)}); }

  /// Empty when crypt(3) refuses the setting.
  std::string_view hash(const Secret& password, const std::string& setting) {
    const char* hash = ::crypt_rn(password.octets().data(), setting.c_str(), data_.get(),
                                  static_cast<int>(sizeof(crypt_data)));
    return hash == nullptr || *hash == '*' ? std::string_view{} : std::string_view{hash};
  }

 private:
  std::unique_ptr<crypt_data> data_;
};

bool crypt_can_take(const Secret& password) {
  const std::string_view octets = password.octets();
  return !octets.empty() && octets.size() < CRYPT_MAX_PASSPHRASE_SIZE &&
         octets.find('\0') == std::string_view::npos;
}

/// yescrypt, else what libcrypt prefers.
std::string new_setting() {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  for (const char* prefix : {"$y$", static_cast<const char*>(nullptr)}) {
    if (::crypt_gensalt_rn(prefix, 0, nullptr, 0, setting, sizeof setting) != nullptr) {
      return setting;
    }
  }
  return {};
}

}  // namespace

Result<std::string> make_password_hash(const Secret& password) {
  if (!crypt_can_take(password)) {
    return fail(Errc::usage, "the password is empty, too long or holds a NUL octet");
  }
  const std::string setting = new_setting();
  CryptMemory memory;
  const std::string_view hash = memory.hash(password, setting);
  if (hash.empty()) return fail(Errc::io, "crypt(3) makes no hashes");
  return std::string{hash};
}

bool password_hash_matches(const Secret& password, std::string_view hash) {
  if (hash.empty() || !crypt_can_take(password)) return false;
  CryptMemory memory;
  const std::string_view made = memory.hash(password, std::string{hash});
  return !made.empty() && equal_in_constant_time(made, hash);
}

bool is_password_hash(std::string_view hash) {
  // Any two letters are a salt of the oldest kind, whose hashes have 13.
  constexpr std::size_t oldest_size = 13;
  if (!hash.starts_with('$') && !hash.starts_with('_') && hash.size() != oldest_size) return false;
  const int verdict = ::crypt_checksalt(std::string{hash}.c_str());
  return verdict != CRYPT_SALT_INVALID && verdict != CRYPT_SALT_METHOD_DISABLED;
}

std::string hash_setting_of(std::string_view hash) {
  if (!hash.starts_with('$')) return {};
  constexpr std::size_t bcrypt_setting = 29;  // "$2b$05$" and 22 characters of salt
  if (hash.starts_with("$2")) {
    return hash.size() > bcrypt_setting ? std::string{hash.substr(0, bcrypt_setting)} : "";
  }
  const std::size_t last = hash.rfind('$');
  return last > 2 ? std::string{hash.substr(0, last)} : "";
}

std::string_view hash_kind_of(std::string_view setting) {
  const std::size_t second = setting.find('$', 1);
  const std::size_t third = setting.find('$', second + 1);
  if (third == std::string_view::npos) return setting.substr(0, second);
  const std::string_view parameters = setting.substr(second + 1, third - second - 1);
  const bool is_salt =
      setting.starts_with("$5$") || setting.starts_with("$6$") || setting.starts_with("$1$");
  if (is_salt && !parameters.starts_with("rounds=")) return setting.substr(0, second);
  return setting.substr(0, third);
}

std::string ordinary_hash_setting() {
  return new_setting();
}

std::string system_hash_setting() {
  struct Kind {
    int entries = 0;
    std::string setting;
  };
  std::map<std::string, Kind, std::less<>> kinds;
  // getspent(3) would keep the last entry where nobody can wipe it, and sessions would inherit it.
  std::array<char, 8192> line{};
  ::setspent();
  for (int i = 0; i < entries_to_look_at; ++i) {
    spwd entry{};
    spwd* found = nullptr;
    if (::getspent_r(&entry, line.data(), line.size(), &found) != 0) break;
    const std::string setting = hash_setting_of(entry.sp_pwdp);
    if (setting.empty()) continue;
    Kind& kind = kinds[std::string{hash_kind_of(setting)}];
    ++kind.entries;
    kind.setting = setting;
  }
  ::endspent();
  wipe(line);
  if (kinds.empty()) return ordinary_hash_setting();
  const auto most =
      std::ranges::max_element(kinds, {}, [](const auto& kind) { return kind.second.entries; });
  return most->second.setting;
}

}  // namespace pop
