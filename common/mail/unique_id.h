#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pop {

/// How an id is computed for a message that stores none. "Line" below is a physical header line
/// without its line end (LF or CRLF), cut after 1023 bytes.
///
/// native: SHA-256 over the fields Received, Date, From, To, Cc, Subject and Message-Id (any case)
/// in the order in which they stand, each as: its name in lower case, ':', the rest of its first
/// line after the colon, LF; then each of its continuation lines and LF. Blanks before the colon
/// are left out. In a message with none of these fields, the same over all header lines that belong
/// to no bookkeeping field (bookkeeping.h); a line that names no field counts as it is. The id is
/// the digest's first 16 bytes as 32 lower-case hex digits.
///
/// qpopper_old: MD5 over the From_ line (MMDF: the ^A line) and each first physical line that
/// begins (any case) with "Received:", "Date:", "Message-Id:" or "Subject:", in the order in which
/// they stand, with NUL bytes as blanks, each followed by LF unless it was cut (Qpopper read pieces
/// of 1023 bytes, the LF included); 32 lower-case hex digits.
///
/// qpopper: MD5 over the same, and the From_ line with its LF once more at the end; without the
/// running number that Qpopper mixed in when it wrote status headers, because with it an id could
/// never be computed again. Each 4 bytes b0..b3 of the digest become v = ((b0*16 + b1)*16 + b2)*16
/// + b3, written as five base-80 digits, least significant first, from '!' on, with '~' for '.'.
enum class UniqueIdRecipe : std::uint8_t {
  native,       // 32 hex digits over what no server rewrites: the same in mbox and Maildir
  qpopper,      // Qpopper's base-80 form of 20 characters, in its deterministic variant
  qpopper_old,  // old-style-uid
};

/// RFC 1939 section 7: 1 to 70 characters from 0x21 to 0x7E.
[[nodiscard]] bool is_valid_unique_id(std::string_view id);
inline constexpr std::size_t longest_unique_id = 70;

/// Whether nothing but characters of unique-ids stands there; eight octets at a time, for whole
/// indexes.
[[nodiscard]] bool holds_only_id_characters(std::string_view ids);

/// Computes one message's id while its header streams by. Lines come whole up to
/// `longest_line` bytes; what is beyond is not looked at, in the same way wherever the input was
/// cut. One object serves message after message; it allocates only once.
class UniqueIdMaker {
 public:
  static constexpr std::size_t longest_line = 1023;

  explicit UniqueIdMaker(UniqueIdRecipe recipe);
  UniqueIdMaker(UniqueIdMaker&&) noexcept;
  UniqueIdMaker& operator=(UniqueIdMaker&&) noexcept;
  ~UniqueIdMaker();

  /// Forgets the last message. `separator` is the From_ (or MMDF) line without its line end; empty
  /// for Maildir. Native ids do not depend on it.
  void begin(std::string_view separator);
  /// One physical header line without its line end (LF or CRLF), continuation lines included.
  void header_line(std::string_view line);
  /// The id; call once after the last header line.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The id of the `occurrence`-th message (from 2 on) of a maildrop whose id would be `id`:
/// "ID-2", the id cut where 70 characters would be exceeded.
[[nodiscard]] std::string distinct_unique_id(std::string_view id, std::uint32_t occurrence);

}  // namespace pop
