#include "auth/voucher.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/octet_fields.h"
#include "base/secret.h"

namespace pop {
namespace {

// So that no other use of such a key can be taken for a voucher.
constexpr std::string_view label = "popper voucher 1\n";
constexpr std::size_t mark_size = 32;
constexpr unsigned length_size = 2;

std::string content_of(const Voucher& voucher) {
  std::string content;
  put_number(content, voucher.connection, 8);
  put_number(content, static_cast<std::uint64_t>(voucher.expires), 8);
  put_text(content, voucher.user, length_size);
  put_text(content, voucher.identity, length_size);
  return content;
}

const unsigned char* unsigned_octets(std::string_view octets) {
  return reinterpret_cast<const unsigned char*>(octets.data());
}

}  // namespace

Result<Fd> VoucherKey::create() {
  std::array<char, size> octets{};
  if (::getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size())) {
    const int saved = errno;
    return fail_errno(saved, "getrandom");
  }
  Fd memory{::memfd_create("popper-vouchers", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  const bool done = memory.is_open() &&
                    ::write(memory.get(), octets.data(), size) == static_cast<ssize_t>(size) &&
                    ::fcntl(memory.get(), F_ADD_SEALS,
                            F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0;
  const int saved = errno;
  wipe(octets);
  if (!done) return fail_errno(saved, "make memory for the key of vouchers");
  return memory;
}

Result<VoucherKey> VoucherKey::open(const Fd& memory) {
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, memory.get(), 0);
  if (at == MAP_FAILED) {
    const int saved = errno;
    return fail_errno(saved, "map the key of vouchers");
  }
  VoucherKey key{static_cast<const char*>(at)};
  if (::madvise(at, size, MADV_DONTFORK) != 0) {
    const int saved = errno;
    return fail_errno(saved, "keep the key of vouchers from children");
  }
  return key;
}

VoucherKey::VoucherKey(VoucherKey&& other) noexcept
    : octets_{std::exchange(other.octets_, nullptr)} {}

VoucherKey::~VoucherKey() {
  if (octets_ != nullptr) ::munmap(const_cast<char*>(octets_), size);
}

std::string VoucherKey::mark_of(std::string_view content) const {
  const std::string labelled = std::string{label}.append(content);
  std::string mark(mark_size, '\0');
  unsigned written = 0;
  const auto* const made =
      HMAC(EVP_sha256(), octets_, static_cast<int>(size), unsigned_octets(labelled),
           labelled.size(), reinterpret_cast<unsigned char*>(mark.data()), &written);
  return made != nullptr && written == mark_size ? mark : std::string{};
}

std::string VoucherKey::seal(const Voucher& voucher) const {
  const std::string content = content_of(voucher);
  return mark_of(content) + content;
}

Result<Voucher> VoucherKey::open(std::string_view sealed, std::int64_t now) const {
  const std::string_view content = sealed.substr(std::min(mark_size, sealed.size()));
  const std::string mark = mark_of(content);
  if (mark.empty() || !equal_in_constant_time(sealed.substr(0, mark_size), mark)) {
    return fail(Errc::denied, "a voucher that nobody made");
  }
  OctetFields reader{content};
  Voucher voucher;
  voucher.connection = reader.number(8);
  voucher.expires = static_cast<std::int64_t>(reader.number(8));
  voucher.user = reader.text(length_size);
  voucher.identity = reader.text(length_size);
  if (voucher.expires < now) return fail(Errc::denied, "a voucher that has expired");
  return voucher;
}

}  // namespace pop
