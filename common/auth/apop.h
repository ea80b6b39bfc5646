#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// The MD5 of `challenge` followed by the secret, as 32 small hex digits; nullopt where MD5 is
/// forbidden (FIPS).
[[nodiscard]] std::optional<std::string> challenge_digest(std::string_view challenge,
                                                          std::string_view secret);

/// RFC 1939 section 7: whether `digest`, 32 hex digits in either case, is the MD5 of the banner
/// timestamp, with its angle brackets, followed by the secret. Compares in constant time.
[[nodiscard]] bool apop_digest_matches(std::string_view banner_stamp, const Secret& secret,
                                       std::string_view digest);

/// What only keepers know: with it they recognise the banner timestamps that they made. It lies in
/// a page that the kernel wipes on fork, so no session inherits it.
class BannerStampKey {
 public:
  static constexpr std::size_t size = 32;

  /// From the kernel's random numbers. Errc::io when there are none or no memory.
  [[nodiscard]] static Result<BannerStampKey> generate();
  /// The same key in another keeper; `octets` are wiped here.
  [[nodiscard]] static Result<BannerStampKey> take(std::span<char, size> octets);

  /// Zeros in a child that was forked: a process that forks makes its own.
  [[nodiscard]] std::string_view octets() const { return {page_.get(), size}; }

 private:
  struct Unmap {
    void operator()(char* page) const noexcept;
  };
  explicit BannerStampKey(std::unique_ptr<char, Unmap> page) : page_{std::move(page)} {}
  [[nodiscard]] static Result<BannerStampKey> with_empty_page();
  std::unique_ptr<char, Unmap> page_;
};

/// What makes a stamp unique: no two of one process share a counter.
struct BannerStampFacts {
  pid_t process = 0;
  std::chrono::system_clock::time_point time;
  std::uint64_t counter = 0;
  std::string host;  // a domain name or address literal: goes in as it is
};

/// "<PID.TIME.COUNTER.TAG@host>", a message-id as RFC 1939 asks for; TIME in seconds since 1970,
/// TAG 32 hex digits of an HMAC-SHA256 over the rest.
[[nodiscard]] std::string make_banner_stamp(const BannerStampKey& key,
                                            const BannerStampFacts& facts);

/// Whether a keeper with this key made the stamp, not more than `max_age` ago. Errc::denied says
/// why not.
[[nodiscard]] Result<void> verify_banner_stamp(const BannerStampKey& key, std::string_view stamp,
                                               std::chrono::system_clock::time_point now,
                                               std::chrono::seconds max_age);

}  // namespace pop
