#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pop {

/// Makes of a message with a header in UTF-8 (RFC 6532) one that every client can read, without
/// holding more of it than one field: the body passes. In fields whose octets are UTF-8,
///
/// - names beside addresses become encoded words, and an address that has other than ASCII becomes
///   RFC 6858's invalid one, which belongs to nobody, with what it was as its name;
/// - parameters of MIME fields are encoded as RFC 2231 has it;
/// - a field that may hold no encoded words (Message-ID:, Received: and the like) is renamed as RFC
///   6857 has it, "Downgraded-Message-ID:", and encoded;
/// - any other is text, whose words are encoded.
///
/// A field that is ASCII, one whose octets are no UTF-8 (old mail in other character sets) and one
/// of more than `longest_field` octets pass as they are. So do header fields of the parts inside.
/// Fed in pieces of any size; the output is the same wherever the input is cut.
class HeaderDowngrade {
 public:
  static constexpr std::size_t longest_field = std::size_t{64} * 1024;

  /// Appends to `out` what becomes of the next octets of a message as it is stored.
  void feed(std::string_view piece, std::string& out);
  /// After the last.
  void finish(std::string& out);
  /// What follows passes as it is.
  [[nodiscard]] bool is_in_body() const { return in_body_; }

 private:
  void take(std::string_view part, std::string& out);
  void end_field(std::string& out);

  std::string line_, field_;       // what has come of the line; the lines before it of its field
  bool has_field_ = false;         // there are such lines, or were
  bool is_passing_field_ = false;  // too long
  bool is_passing_line_ = false;
  bool in_body_ = false;
};

/// One field with all its lines and line ends, as HeaderDowngrade makes it.
[[nodiscard]] std::string downgraded_field(std::string_view field);

}  // namespace pop
