#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/disk.h"
#include "mail/patched_text.h"
#include "mail/repair_plan.h"
#include "store/file_pieces.h"

namespace pop {

/// Reads a patched text whose old file is open. After an error it gives no more bytes; failure()
/// tells.
class PatchedFile final : public TextReader {
 public:
  /// `text` is copied; `disk` and `old` must outlive this. `between` is called between pieces.
  PatchedFile(Disk& disk, const Fd& old, const PatchedText& text, BetweenPieces between = {})
      : disk_{disk}, old_{old}, text_{text}, between_{std::move(between)} {}

  [[nodiscard]] FileBytes size() const override { return text_.size(); }
  [[nodiscard]] std::string_view bytes(FileBytes offset, std::size_t count) override;
  void read_all(const std::function<void(std::string_view)>& take) override;
  /// Errc::changed: the old file became shorter.
  [[nodiscard]] Result<void> failure() const;

  /// [from, size()) in pieces; the error of `take` ends it.
  [[nodiscard]] Result<void> read_from(FileBytes from, const PieceReader::Take& take);

 private:
  void fail_with(Error error);

  Disk& disk_;
  const Fd& old_;
  PatchedText text_;
  BetweenPieces between_;
  std::string buffer_;
  std::optional<Error> failure_;
};

}  // namespace pop
