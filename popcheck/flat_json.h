#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// Walks over the members of one JSON object that stands on one line, without copying. Members that
/// are objects or arrays of other things than octets are passed over. Whatever the text is, it
/// ends.
class FlatJson {
 public:
  struct Member {
    std::string_view key;  // as it is written
    std::string_view raw;  // a string's inside, an array with its brackets, a number's digits
    enum class Kind : std::uint8_t { string, array, other } kind = Kind::other;

    /// A string's value; of an array of numbers the octets that they are, as journalctl(1) writes
    /// what is not text.
    [[nodiscard]] std::string text() const;
  };

  /// `object` must outlive this.
  explicit FlatJson(std::string_view object);

  [[nodiscard]] std::optional<Member> next();
  /// Whether next() ended before the object's end.
  [[nodiscard]] bool is_broken() const { return is_broken_; }

 private:
  [[nodiscard]] std::optional<std::string_view> take_string();
  [[nodiscard]] std::optional<std::string_view> take_other();
  void skip_blanks();
  [[nodiscard]] bool take(char c);
  std::optional<Member> broken();

  std::string_view rest_;
  bool is_first_ = true;
  bool is_broken_ = false;
};

}  // namespace pop
