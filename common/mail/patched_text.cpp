#include "mail/patched_text.h"

#include <algorithm>
#include <utility>

namespace pop {

PatchedText::PatchedText(FileBytes old_size) : old_size_{old_size} {
  append({.at = {}, .count = old_size, .from = {}, .literal = {}});
}

void PatchedText::append(Piece piece) {
  if (piece.count.count == 0) return;
  piece.at = size_;
  size_ += piece.count;
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    const bool both_old = last.literal.empty() && piece.literal.empty();
    if (both_old && last.from + last.count == piece.from) {
      last.count += piece.count;
      return;
    }
    if (!last.literal.empty() && !piece.literal.empty()) {
      last.literal += piece.literal;
      last.count += piece.count;
      return;
    }
  }
  pieces_.push_back(std::move(piece));
}

void PatchedText::apply(std::span<const SpoolEdit> edits) {
  PatchedText next{FileBytes{0}};
  next.old_size_ = old_size_;
  FileBytes done;
  const auto copy_to = [&](FileBytes end) {
    for (std::size_t i = piece_with(done); done < end; ++i) {
      Piece part = pieces_[i];
      const FileBytes skip = done - part.at;
      part.count = std::min(part.at + part.count, end) - done;
      if (part.literal.empty()) {
        part.from += skip;
      } else {
        part.literal = part.literal.substr(skip.count, part.count.count);
      }
      done += part.count;
      next.append(std::move(part));
    }
  };
  for (const SpoolEdit& edit : edits) {
    copy_to(edit.at);
    next.append({.at = {}, .count = {edit.inserted.size()}, .from = {}, .literal = edit.inserted});
    done = edit.at + edit.removed;
  }
  copy_to(size_);
  *this = std::move(next);
}

std::size_t PatchedText::piece_with(FileBytes at) const {
  const auto behind = std::ranges::upper_bound(pieces_, at, {}, &Piece::at);
  const auto index = static_cast<std::size_t>(behind - pieces_.begin());
  return at == size_ ? pieces_.size() : index - 1;
}

FileBytes PatchedText::old_offset(FileBytes at) const {
  std::size_t i = piece_with(at);
  if (i < pieces_.size() && pieces_[i].literal.empty()) {
    return pieces_[i].from + (at - pieces_[i].at);
  }
  while (i > 0) {
    const Piece& piece = pieces_[--i];
    if (piece.literal.empty()) return piece.from + piece.count;
  }
  return {0};
}

std::vector<PatchedText::Range> PatchedText::left_out() const {
  std::vector<Range> ranges;
  FileBytes kept_to;
  for (const Piece& piece : pieces_) {
    if (!piece.literal.empty()) continue;
    if (piece.from > kept_to) ranges.push_back({kept_to, piece.from - kept_to});
    kept_to = piece.from + piece.count;
  }
  if (old_size_ > kept_to) ranges.push_back({kept_to, old_size_ - kept_to});
  return ranges;
}

std::vector<SpoolEdit> PatchedText::changes() const {
  std::vector<SpoolEdit> edits;
  FileBytes kept_to;
  std::string inserted;
  const auto add = [&](FileBytes next) {
    if (next > kept_to || !inserted.empty()) {
      edits.push_back({kept_to, next - kept_to, std::exchange(inserted, {})});
    }
  };
  for (const Piece& piece : pieces_) {
    if (!piece.literal.empty()) {
      inserted += piece.literal;
      continue;
    }
    add(piece.from);
    kept_to = piece.from + piece.count;
  }
  add(old_size_);
  return edits;
}

bool PatchedText::keeps_order() const {
  FileBytes kept_to;
  for (const Piece& piece : pieces_) {
    if (!piece.literal.empty()) continue;
    if (piece.from < kept_to || piece.from + piece.count > old_size_) return false;
    kept_to = piece.from + piece.count;
  }
  return true;
}

}  // namespace pop
