#include "store/append_buffer.h"

#include "store/file_pieces.h"

namespace pop {
namespace {

constexpr std::size_t large = 1024 * 1024;

}  // namespace

Result<void> AppendBuffer::append(std::string_view bytes) {
  if (pending_.size() + bytes.size() >= large) {
    if (Result<void> flushed = flush(); !flushed) return flushed;
  }
  if (bytes.size() < large) {
    pending_ += bytes;
    return {};
  }
  return put(bytes);
}

Result<void> AppendBuffer::flush() {
  if (pending_.empty()) return {};
  Result<void> done = put(pending_);
  pending_.clear();
  return done;
}

Result<void> AppendBuffer::put(std::string_view bytes) {
  if (Result<void> written = disk_.write(file_, bytes, at_); !written) return written;
  at_ += {bytes.size()};
  unsynced_ += {bytes.size()};
  if (unsynced_ < most_unsynced) return {};
  unsynced_ = {0};
  return disk_.sync(file_);
}

}  // namespace pop
