#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"
#include "mail/defect.h"

namespace pop {

/// A file as it would be after edits upon edits, told as ranges of the old file and bytes in
/// between. It can only leave bytes out and put others in, so everything that is kept keeps its
/// order, and what is left out can be named.
class PatchedText {
 public:
  /// A range of the old file, or other bytes.
  struct Piece {
    FileBytes at;  // in the new text
    FileBytes count;
    FileBytes from;  // in the old file, if `literal` is empty
    std::string literal;
  };
  struct Range {
    FileBytes from, count;
    bool operator==(const Range&) const = default;
  };

  /// Nothing changed yet.
  explicit PatchedText(FileBytes old_size);

  /// `edits` in offsets of the text as it is now, ascending and without touching each other.
  void apply(std::span<const SpoolEdit> edits);

  [[nodiscard]] FileBytes size() const { return size_; }
  [[nodiscard]] FileBytes old_size() const { return old_size_; }
  /// In order, without a gap; none is empty.
  [[nodiscard]] std::span<const Piece> pieces() const { return pieces_; }
  /// The piece that holds this byte; size() gives one past the last.
  [[nodiscard]] std::size_t piece_with(FileBytes at) const;
  /// Where a byte stood in the old file; for bytes put in, where they were put.
  [[nodiscard]] FileBytes old_offset(FileBytes at) const;
  /// What of the old file is left out, in order.
  [[nodiscard]] std::vector<Range> left_out() const;
  /// All in one: what was changed in offsets of the old file, ascending; neighbours are one edit.
  [[nodiscard]] std::vector<SpoolEdit> changes() const;
  /// Every byte of the old file is either in exactly one piece, in the old order, or left out.
  [[nodiscard]] bool keeps_order() const;

 private:
  void append(Piece piece);

  FileBytes old_size_, size_;
  std::vector<Piece> pieces_;
};

}  // namespace pop
