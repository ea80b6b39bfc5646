#include "auth/apop.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/hex.h"
#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t tag_octets = 16;

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

/// Of the text between '<' and '.', and the host, with a separator that neither can hold.
std::string tag_of(const BannerStampKey& key, std::string_view unique, std::string_view host) {
  std::string tagged{unique};
  tagged += '@';
  tagged += host;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.octets().data(), static_cast<int>(key.octets().size()),
       reinterpret_cast<const unsigned char*>(tagged.data()), tagged.size(), digest.data(), &size);
  return in_hex({digest.data(), tag_octets});
}

/// The parts of "<unique.TAG@host>" with "PID.TIME.COUNTER" as the unique part.
struct StampParts {
  std::string_view unique, time, tag, host;
};

std::optional<StampParts> parts_of(std::string_view stamp) {
  if (!stamp.starts_with('<') || !stamp.ends_with('>') || stamp.size() < 2) return std::nullopt;
  stamp = stamp.substr(1, stamp.size() - 2);
  const std::size_t at = stamp.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view local = stamp.substr(0, at);
  const std::size_t before_tag = local.rfind('.');
  const std::size_t before_time = local.find('.');
  if (before_tag == std::string_view::npos || before_time == before_tag) return std::nullopt;
  const std::size_t after_time = local.find('.', before_time + 1);
  if (after_time == before_tag) return std::nullopt;
  return StampParts{.unique = local.substr(0, before_tag),
                    .time = local.substr(before_time + 1, after_time - before_time - 1),
                    .tag = local.substr(before_tag + 1),
                    .host = stamp.substr(at + 1)};
}

std::size_t page_size() {
  return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::optional<std::string> challenge_digest(std::string_view challenge, std::string_view secret) {
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> context{EVP_MD_CTX_new()};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!context || EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), challenge.data(), challenge.size()) != 1 ||
      EVP_DigestUpdate(context.get(), secret.data(), secret.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) {
    return std::nullopt;
  }
  return in_hex({digest.data(), size});
}

bool apop_digest_matches(std::string_view banner_stamp, const Secret& secret,
                         std::string_view digest) {
  const std::optional<std::string> expected = challenge_digest(banner_stamp, secret.octets());
  return expected && equal_in_constant_time(*expected, lower(digest));
}

void BannerStampKey::Unmap::operator()(char* page) const noexcept {
  wipe({page, size});
  ::munmap(page, page_size());
}

Result<BannerStampKey> BannerStampKey::with_empty_page() {
  void* mapped =
      ::mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return fail_errno(errno, "map a page for the stamp key");
  BannerStampKey key{std::unique_ptr<char, Unmap>{static_cast<char*>(mapped)}};
  if (::madvise(mapped, page_size(), MADV_WIPEONFORK) != 0 ||
      ::madvise(mapped, page_size(), MADV_DONTDUMP) != 0) {
    return fail_errno(errno, "protect the stamp key");
  }
  return key;
}

Result<BannerStampKey> BannerStampKey::generate() {
  Result<BannerStampKey> key = with_empty_page();
  if (!key) return key;
  if (::getrandom(key->page_.get(), size, 0) != static_cast<ssize_t>(size)) {
    return fail_errno(errno, "get random numbers for the stamp key");
  }
  return key;
}

Result<BannerStampKey> BannerStampKey::take(std::span<char, size> octets) {
  Result<BannerStampKey> key = with_empty_page();
  if (key) std::ranges::copy(octets, key->page_.get());
  wipe(octets);
  return key;
}

std::string make_banner_stamp(const BannerStampKey& key, const BannerStampFacts& facts) {
  using std::chrono::duration_cast;
  const auto seconds = duration_cast<std::chrono::seconds>(facts.time.time_since_epoch());
  const std::string unique = std::to_string(facts.process) + "." + std::to_string(seconds.count()) +
                             "." + std::to_string(facts.counter);
  return "<" + unique + "." + tag_of(key, unique, facts.host) + "@" + facts.host + ">";
}

Result<void> verify_banner_stamp(const BannerStampKey& key, std::string_view stamp,
                                 std::chrono::system_clock::time_point now,
                                 std::chrono::seconds max_age) {
  const std::optional<StampParts> parts = parts_of(stamp);
  if (!parts) return fail(Errc::denied, "not a banner timestamp of ours");
  if (!equal_in_constant_time(parts->tag, tag_of(key, parts->unique, parts->host))) {
    return fail(Errc::denied, "a banner timestamp that no keeper made");
  }
  const std::optional<std::uint64_t> made = decimal(parts->time);
  if (!made) return fail(Errc::denied, "a banner timestamp without a time");
  const std::chrono::sys_seconds time{std::chrono::seconds{static_cast<std::int64_t>(*made)}};
  // The keeper that made it may have read its clock a moment after this one.
  constexpr std::chrono::seconds skew{2};
  if (now > time + max_age || now + skew < time) {
    return fail(Errc::denied, "the banner timestamp is too old");
  }
  return {};
}

}  // namespace pop
