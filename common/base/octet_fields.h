#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pop {

/// The low `size` octets of a number, least first.
void put_number(std::string& record, std::uint64_t value, unsigned size);
/// A text after its length, which is a number of `length_size` octets and must fit there.
void put_text(std::string& record, std::string_view text, unsigned length_size);

/// Reads what these have written, in the same order. After the first field that is not there all
/// further ones are 0 and empty, and whole() is false.
class OctetFields {
 public:
  /// The octets must outlive it.
  explicit OctetFields(std::string_view record) : rest_{record} {}

  [[nodiscard]] std::uint64_t number(unsigned size);
  [[nodiscard]] std::string text(unsigned length_size);
  /// Every field was there, and nothing is left.
  [[nodiscard]] bool whole() const { return !broken_ && rest_.empty(); }

 private:
  std::string_view take(std::uint64_t size);

  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace pop
