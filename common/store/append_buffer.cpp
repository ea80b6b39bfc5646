#include "store/append_buffer.h"

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
  Result<void> put = disk_.write(file_, bytes, at_);
  if (put) at_ += {bytes.size()};
  return put;
}

Result<void> AppendBuffer::flush() {
  if (pending_.empty()) return {};
  Result<void> put = disk_.write(file_, pending_, at_);
  if (put) at_ += {pending_.size()};
  pending_.clear();
  return put;
}

}  // namespace pop
