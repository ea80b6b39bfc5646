#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// A new crypt(3) hash with a fresh salt: yescrypt, or the strongest kind this libcrypt has.
/// Errc::usage for an empty password, one with a NUL octet, or one longer than crypt(3) takes.
[[nodiscard]] Result<std::string> make_password_hash(const Secret& password);

/// Whether `hash`, of any kind this libcrypt knows, is that of the password. An empty, locked
/// ("!...") or damaged hash matches nothing. Takes as long as the kind asks for.
[[nodiscard]] bool password_hash_matches(const Secret& password, std::string_view hash);

/// Whether this libcrypt can compare with such a hash at all.
[[nodiscard]] bool is_password_hash(std::string_view hash);

/// A setting for crypt(3) that costs what the hash costs and does not tell it: the hash without its
/// last part. Empty for what is no hash.
[[nodiscard]] std::string hash_setting_of(std::string_view hash);

/// Kind and cost of a hash or setting, without salt: "$y$j9T", "$2b$12", "$6$rounds=9000". Two of
/// one kind cost the same.
[[nodiscard]] std::string_view hash_kind_of(std::string_view hash);

/// The setting of hashes that make_password_hash() makes.
[[nodiscard]] std::string ordinary_hash_setting();

/// The setting most entries of /etc/shadow use; ordinary_hash_setting() when it cannot be read or
/// holds none.
[[nodiscard]] std::string system_hash_setting();

}  // namespace pop
