#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// A password of its own for one device or program of a user: random, shown once, limited in where,
/// until when and for what it is good, and revoked without touching the others.
struct DevicePassword {
  enum class Rights : std::uint8_t { full, read_only };

  std::string name;        // is_device_name(); one user's are all different
  std::string id;          // device_id_size hexadecimal digits, random: never used again
  std::uint32_t slot = 0;  // its line in the file of last uses; below most_device_slots
  std::string digest;      // device_digest() of the secret, raw octets
  std::chrono::sys_seconds created;
  std::optional<std::chrono::sys_seconds> expires;  // from then on it is refused
  Rights rights = Rights::full;
  std::string networks;  // as NetworkList takes them; empty: from everywhere
  /// What a later version said about it, each word behind a blank. It may be a limit, so the
  /// password is refused by this one.
  std::string newer_words;

  bool operator==(const DevicePassword&) const = default;
};

inline constexpr std::size_t device_id_size = 16;
inline constexpr std::uint32_t most_device_slots = 1'000'000;
inline constexpr std::size_t most_devices = 100;  // of one user

/// 1 to 32 of letters, digits, '-', '_' and '.', beginning with a letter or digit.
[[nodiscard]] bool is_device_name(std::string_view name);

/// A fresh secret of 100 random bits, in groups as people copy them: "7k2m-...". Errc::io when
/// there are no random numbers.
[[nodiscard]] Result<Secret> make_device_secret();
[[nodiscard]] Result<std::string> make_device_id();

/// The SHA-256 of a secret: with 100 random bits it needs neither salt nor slowness. Case, blanks
/// and hyphens do not count, nor what looks alike (o and 0; i, l and 1). nullopt for a password
/// that cannot be such a secret: that depends on nothing but the password.
[[nodiscard]] std::optional<std::string> device_digest(const Secret& password);

/// The one whose secret has this digest, or null. Compares with all of them, each in constant time.
[[nodiscard]] const DevicePassword* find_device(std::span<const DevicePassword> devices,
                                                std::string_view digest);

/// Whether it may be used now and from there (a numeric address). Errc::denied tells the log why
/// not; strangers must not see a difference from a wrong password.
[[nodiscard]] Result<void> check_device(const DevicePassword& device, std::chrono::sys_seconds now,
                                        std::string_view numeric_address);

/// One line of words for records: "NAME id=... slot=... sha256=... created=...".
[[nodiscard]] std::string to_text(const DevicePassword& device);
/// nullopt for what to_text() of this or a later version cannot have written.
[[nodiscard]] std::optional<DevicePassword> device_of(std::string_view text);

}  // namespace pop
