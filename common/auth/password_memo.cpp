#include "auth/password_memo.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace pop {
namespace {

using Digest = std::array<unsigned char, 32>;

Digest hmac(const Digest& key, std::string_view text) {
  Digest digest{};
  (void)::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
               nullptr);
  return digest;
}

std::string_view octets_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void wipe_digest(Digest& digest) {
  wipe({reinterpret_cast<char*>(digest.data()), digest.size()});
}

// What is hashed first is the key of the second, so that nothing needs to hold both.
Digest digest_of(const Digest& key, std::string_view subject, const Secret& password) {
  Digest inner = hmac(key, password.octets());
  const Digest digest = hmac(inner, subject);
  wipe_digest(inner);
  return digest;
}

std::size_t slot_of(const Digest& digest) {
  std::uint32_t number = 0;
  std::memcpy(&number, digest.data(), sizeof number);
  return number % PasswordMemo::slots;
}

std::int64_t ticks(PasswordMemo::Time time) {
  return time.time_since_epoch().count();
}

}  // namespace

struct PasswordMemo::Table {
  struct Entry {
    Digest digest;
    std::int64_t until;  // of the clock; 0: empty
  };
  Digest key;
  std::array<Entry, slots> entries;
};

void PasswordMemo::Unmap::operator()(Table* table) const noexcept {
  wipe({reinterpret_cast<char*>(table), sizeof *table});
  ::munmap(table, sizeof *table);
}

Result<PasswordMemo> PasswordMemo::create(std::chrono::seconds lifetime) {
  void* const at =
      ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map memory for passwords that were right");
  }
  std::unique_ptr<Table, Unmap> table{static_cast<Table*>(at)};
  if (::madvise(at, sizeof(Table), MADV_WIPEONFORK) != 0 ||
      ::madvise(at, sizeof(Table), MADV_DONTDUMP) != 0 ||
      ::getrandom(table->key.data(), table->key.size(), 0) !=
          static_cast<ssize_t>(table->key.size())) {
    const int saved = errno;
    return fail_errno(saved, "guard memory for passwords that were right");
  }
  (void)::mlock(at, sizeof(Table));  // as far as the limits allow
  return PasswordMemo{std::move(table), lifetime};
}

bool PasswordMemo::knows(std::string_view subject, const Secret& password, Time now) const {
  const Digest digest = digest_of(table_->key, subject, password);
  const Table::Entry& entry = table_->entries[slot_of(digest)];
  return ticks(now) < entry.until &&
         equal_in_constant_time(octets_of(digest), octets_of(entry.digest));
}

void PasswordMemo::learn(std::string_view subject, const Secret& password, Time now) {
  const Digest digest = digest_of(table_->key, subject, password);
  table_->entries[slot_of(digest)] = {digest, ticks(now + lifetime_)};
}

}  // namespace pop
