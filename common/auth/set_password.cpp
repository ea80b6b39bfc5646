#include "auth/set_password.h"

#include <string>
#include <utility>

#include "auth/password_hash.h"
#include "auth/scram_keys.h"

namespace pop {

Result<void> set_scram_keys(Credential& credential, const Secret& password) {
  Result<ScramKeys> sha_256 = make_scram_keys(ScramHash::sha_256, password);
  if (!sha_256) return std::unexpected(std::move(sha_256).error());
  credential.scram_sha_256 = std::move(*sha_256);
  Result<ScramKeys> sha_1 = make_scram_keys(ScramHash::sha_1, password);
  credential.scram_sha_1.reset();
  if (sha_1) credential.scram_sha_1 = std::move(*sha_1);
  return {};
}

Result<void> set_password(Credential& credential, const Secret& password, ApopUse apop) {
  const Result<std::string> hash = make_password_hash(password);
  if (!hash) return std::unexpected(hash.error());
  if (Result<void> set = set_scram_keys(credential, password); !set) return set;
  std::string kept{credential.is_locked() ? "!" : ""};
  credential.password_hash = std::move(kept.append(*hash));
  if (apop == ApopUse::store || credential.has_apop_secret()) {
    credential.apop_secret = password.clone();
  }
  return {};
}

bool is_password_of(const Credential& credential, const Secret& password) {
  const std::string_view hash = credential.password_hash;
  const std::string_view unlocked = credential.is_locked() ? hash.substr(1) : hash;
  if (!unlocked.empty()) return password_hash_matches(password, unlocked);
  if (const auto& keys = credential.scram_sha_256) {
    return scram_keys_match(ScramHash::sha_256, password, *keys);
  }
  if (const auto& keys = credential.scram_sha_1) {
    return scram_keys_match(ScramHash::sha_1, password, *keys);
  }
  return credential.has_apop_secret() &&
         equal_in_constant_time(credential.apop_secret->octets(), password.octets());
}

}  // namespace pop
