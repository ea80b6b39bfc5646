#include "store/patched_file.h"

#include <algorithm>

namespace pop {
namespace {

constexpr std::size_t piece_size = std::size_t{256} << 10;

}  // namespace

void PatchedFile::fail_with(Error error) {
  if (!failure_) failure_ = std::move(error);
}

Result<void> PatchedFile::failure() const {
  return failure_ ? std::unexpected(*failure_) : Result<void>{};
}

std::string_view PatchedFile::bytes(FileBytes offset, std::size_t count) {
  buffer_.clear();
  if (offset >= size() || failure_) return {};
  const FileBytes end = std::min(offset + FileBytes{count}, size());
  for (std::size_t i = text_.piece_with(offset); offset < end; ++i) {
    const PatchedText::Piece& piece = text_.pieces()[i];
    const FileBytes skip = offset - piece.at;
    const std::size_t want = (std::min(piece.at + piece.count, end) - offset).count;
    offset += {want};
    if (!piece.literal.empty()) {
      buffer_ += std::string_view{piece.literal}.substr(skip.count, want);
      continue;
    }
    const std::size_t have = buffer_.size();
    buffer_.resize(have + want);
    const Result<std::size_t> got =
        disk_.read(old_, std::span{buffer_}.subspan(have), piece.from + skip);
    if (got && *got == want) continue;
    fail_with(got ? Error{Errc::changed, "the file became shorter"} : got.error());
    buffer_.clear();
    return {};
  }
  return buffer_;
}

void PatchedFile::read_all(const std::function<void(std::string_view)>& take) {
  Result<void> read = read_from({0}, [&](std::string_view piece) -> Result<void> {
    take(piece);
    return {};
  });
  if (!read) fail_with(std::move(read).error());
}

Result<void> PatchedFile::read_from(FileBytes from, const PieceReader::Take& take) {
  std::string piece;  // bytes() may be called meanwhile
  while (from < size()) {
    piece = bytes(from, piece_size);
    if (failure_) return failure();
    if (Result<void> taken = take(piece); !taken) return taken;
    if (between_) {
      if (Result<void> fine = between_(); !fine) return fine;
    }
    from += {piece.size()};
  }
  return {};
}

}  // namespace pop
