#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "pop3/mangle_request.h"

namespace pop {

/// Makes of a message in pieces of any size one whose body is a single part of text: its texts in
/// their order, of alternatives one, with a note for each thing that is left out. Takes every
/// message, however broken. Time is proportional to the message's length. Memory holds its texts,
/// at most largest_text octets, and what becomes of them, at most largest_shown octets and the
/// notes, a few times over, and nothing of what is left out.
class MimeFlattener {
 public:
  enum class Extent : std::uint8_t {
    whole,
    header,  // and of that only what the message itself has
  };
  /// Octets of text in a message, the kept fields of messages inside included; what is beyond is
  /// left out with a note.
  static constexpr std::size_t largest_text = std::size_t{8} * 1024 * 1024;
  /// Octets of UTF-8 that are made of them, likewise: a tag of HTML can stand for a long line.
  static constexpr std::size_t largest_shown = 2 * largest_text;
  /// Parts of a message, and parts within parts; what is beyond is left out with a note.
  static constexpr std::size_t most_parts = 1000, deepest_part = 30;

  /// Loads GMime if this process has not yet. Errc::usage when it is not there.
  [[nodiscard]] static Result<MimeFlattener> make(MangleRequest request,
                                                  Extent extent = Extent::whole);
  MimeFlattener(MimeFlattener&& other) noexcept;
  ~MimeFlattener();

  /// As stored; not kept.
  void feed(std::string_view piece);
  /// Nothing more need be fed.
  [[nodiscard]] bool is_satisfied() const;
  /// The message with LF as line ends. Call once.
  [[nodiscard]] std::string finish();

 private:
  class Flattening;
  explicit MimeFlattener(std::unique_ptr<Flattening> flattening);
  std::unique_ptr<Flattening> flattening_;
};

}  // namespace pop
