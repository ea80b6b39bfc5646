#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "mail/mbox_scanner.h"

struct XXH3_state_s;

namespace pop {

/// Computes a message's Fingerprint while its content streams by, and is the one place that says
/// what a last line end counts for: an empty line at the content's end is left out and a missing
/// line end is supplied, because a delivery that follows adds both.
class ContentDigest {
 public:
  ContentDigest();
  ContentDigest(ContentDigest&&) noexcept;
  ContentDigest& operator=(ContentDigest&&) noexcept;
  ~ContentDigest();

  void begin();
  /// A separator line without its line end.
  void separator(std::string_view line);
  /// Bytes of the message, bookkeeping fields left out by the caller.
  void content(std::string_view bytes);
  /// `empty_line`: length of the empty line at the content's end, 0 to 2; it was given to
  /// content().
  [[nodiscard]] Fingerprint finish(std::size_t empty_line);

 private:
  struct Release {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  void absorb(std::string_view bytes);

  std::unique_ptr<XXH3_state_s, Release> state_;
  std::array<char, 2> held_{};  // the last bytes: they may turn out to be the empty line
  std::size_t held_size_ = 0;
  char last_absorbed_ = '\n';
};

}  // namespace pop
