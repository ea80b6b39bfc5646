#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "mail/mbox_scanner.h"

namespace pop {

/// Bytes of a damaged file or a disk's image that look like one message, From_ line included.
struct CarvedMail {
  FileBytes begin, end;
  bool operator==(const CarvedMail&) const = default;
};

/// Finds messages in bytes that need not be a spool, fed in pieces of any size. A message begins
/// with a From_ line that a convincing header follows, at the beginning of a line, behind a byte
/// that is no text, or where a sector begins. It ends where the next one begins, before sixteen
/// NULs, or with the last sector before one that is no text. No I/O but through `bytes`, which
/// gives the same bytes as feed(); the result is the same wherever the input is cut.
class MailCarver {
 public:
  explicit MailCarver(LookAhead& bytes);
  MailCarver(MailCarver&&) noexcept;
  MailCarver& operator=(MailCarver&&) noexcept;
  ~MailCarver();

  void feed(std::string_view piece);
  /// Call once, at the end.
  [[nodiscard]] std::vector<CarvedMail> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pop
