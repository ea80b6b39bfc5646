#include "base/octet_fields.h"

namespace pop {

void put_number(std::string& record, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) record += static_cast<char>(value >> (8 * i) & 0xff);
}

void put_text(std::string& record, std::string_view text, unsigned length_size) {
  put_number(record, text.size(), length_size);
  record += text;
}

std::uint64_t OctetFields::number(unsigned size) {
  std::uint64_t value = 0;
  const std::string_view octets = take(size);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(octets[i])} << (8 * i);
  }
  return value;
}

std::string OctetFields::text(unsigned length_size) {
  return std::string{take(number(length_size))};
}

std::string_view OctetFields::take(std::uint64_t size) {
  broken_ = broken_ || size > rest_.size();
  if (broken_) return {};
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(taken.size());
  return taken;
}

}  // namespace pop
