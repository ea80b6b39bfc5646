#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace pop {

/// SHA-256 of octets that come in pieces.
class Sha256 {
 public:
  Sha256();

  void update(std::string_view octets);
  /// 64 small hex digits; then nothing more can be fed.
  [[nodiscard]] std::string finish();

 private:
  struct Release {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Release> context_;
};

[[nodiscard]] std::string sha256_of(std::string_view octets);

}  // namespace pop
